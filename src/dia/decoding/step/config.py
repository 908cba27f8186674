"""Configuration of the fast decoder step, and the check whether it supports a model.

Shapes: N rows of the network, R grid rows, S text length.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers.generation.configuration_utils import CompileConfig

from dia.decoding.step.layer import MODELING_MODULE
from dia.decoding.step.sampler import PlainLoopNeeded, Sampler
from dia.runtime.resources.fingerprint import is_hooked, modules_of

# These implementations compute the same function, which the step implements itself.
_ATTENTIONS = re.compile(r"eager|sdpa|flex_attention|flash_attention_\d|kernels-community/(vllm-)?flash-attn\d?")
_SPAN = 256  # rows of the shortest span, and what the rows of a step are a multiple of; kernels want multiples of 16
_TEXT = 64  # text ids of the shortest text that a step has room for


@dataclass(frozen=True)
class DecodeConfig:
    """Configuration of a step. Steps with equal configurations are interchangeable.

    Args:
        pattern: delay of each channel in rows.
        pad: PAD id, which fills channels after their end.
        eos: EOS id.
        slots: the number of clips that the step has room for.
        rows: R, including prompt and delay.
        guided: whether there is room for the unconditional half of N.
        text: S; None where each slot keeps its own text.
        sampler: the kind of sampler of all slots; None where each slot has its own.
        recorded: record the step as a CUDA graph.
        compiled: options of `torch.compile`; None runs the step without compilation.
    """

    pattern: tuple[int, ...]
    pad: int
    eos: int
    slots: int
    rows: int
    guided: bool
    text: int | None = None
    sampler: Sampler | None = None
    recorded: bool = False
    compiled: tuple[tuple[str, Any], ...] | None = None

    @property
    def halves(self) -> int:
        """Rows of the network for each slot."""
        return 2 if self.guided else 1

    @property
    def fixed(self) -> bool:
        """Whether the step computes all slots at once, under masks. Otherwise it computes those in use, each apart."""
        return self.text is not None

    @property
    def mode(self) -> str:
        """How the step runs, for log messages."""
        compiled = "eager" if self.compiled is None else "compiled"
        return f"{compiled} and recorded as a CUDA graph" if self.recorded else compiled

    @property
    def reusable(self) -> bool:
        """Whether the step is recorded or compiled. Such steps are slow to create, so later calls reuse them."""
        return self.recorded or self.compiled is not None

    def rounded(self, most_rows: int, most_text: int) -> "DecodeConfig":
        """Round slots, rows and text up, so that many calls share a step. The surplus is hidden.

        Args:
            most_rows: rows that no call exceeds usually, where rounding ends.
            most_text: the same for text ids.
        """
        if self.text is None:
            return self
        slots = 1 << (self.slots - 1).bit_length() if self.reusable else self.slots
        rows = _within(_doubled(self.rows, _SPAN), self.rows, most_rows)
        text = _within(_doubled(self.text, _TEXT), self.text, most_text)
        return replace(self, slots=slots, rows=_rounded_up(rows, _SPAN), text=_rounded_up(text, _TEXT))

    def has_room_for(self, wanted: "DecodeConfig") -> bool:
        """Whether a step of this configuration writes what one of another, rounded configuration writes."""
        if self.text is None or wanted.text is None:
            return self == wanted
        larger = self.rows >= wanted.rows and self.text >= wanted.text
        return larger and replace(self, rows=wanted.rows, text=wanted.text) == wanted


def check_model(model: Any) -> None:
    """Check that the fast step computes what the model's decoder computes.

    Raises:
        PlainLoopNeeded: the decoder has hooks, replaced forward methods, or an unsupported attention or RoPE type.
    """
    decoder = model.model.decoder
    if not _ATTENTIONS.fullmatch(decoder.config._attn_implementation):
        raise PlainLoopNeeded(f"attn_implementation is {decoder.config._attn_implementation}")
    if getattr(decoder.rotary_emb, "length_dependent", False):
        raise PlainLoopNeeded("the RoPE type depends on the sequence length")
    if torch.is_autocast_enabled(model.device.type):
        raise PlainLoopNeeded("autocast is on")
    parts = [(layer, layer.self_attention, layer.cross_attention, layer.mlp) for layer in decoder.layers]
    for module in (model, model.model, decoder, decoder.embeddings, *(part for layer in parts for part in layer)):
        if type(module).forward.__module__ != MODELING_MODULE:
            raise PlainLoopNeeded(f"{type(module).__name__} has a replaced forward method")
    hooked = [module for module in (model, model.model, *modules_of(model.logits_dense, decoder)) if is_hooked(module)]
    if hooked:
        names = {module: name for name, module in model.named_modules()}
        raise PlainLoopNeeded(f"{names[hooked[0]].removeprefix('model.') or 'model'} has a hook")


def compile_options(config: CompileConfig) -> tuple[tuple[str, Any], ...]:
    """Options for `torch.compile`. The step records CUDA graphs itself, so modes that record them are replaced."""
    modes = {"reduce-overhead": "default", "max-autotune": "max-autotune-no-cudagraphs"}
    mode = modes.get(config.mode, config.mode)
    return ("backend", config.backend), ("dynamic", False), ("fullgraph", config.fullgraph), ("mode", mode)


def spans_of(rows: int) -> tuple[int, ...]:
    """The numbers of rows that a step can attend to under masks: doubled up to all `rows`, so that they are few."""
    spans, span = [], _SPAN
    while span < rows:
        spans.append(span)
        span *= 2
    return (*spans, rows)


def _doubled(number: int, least: int) -> int:
    """The smallest of `least`, 2 · `least`, 4 · `least` … that is not below a number."""
    return least << max(-(-number // least) - 1, 0).bit_length()


def _within(rounded: int, number: int, most: int) -> int:
    """A rounded number, but no more than `most` for a number that is not."""
    return min(rounded, most) if number <= most else number


def _rounded_up(number: int, step: int) -> int:
    """Round up to a multiple of `step`."""
    return -(-number // step) * step


__all__ = ["DecodeConfig", "check_model", "compile_options", "spans_of"]
