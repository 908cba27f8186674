"""What a fast step is made for, and which models it may stand in for. Knows shapes and modules, runs nothing.

Shapes: B clips, N rows of the network (B, under guidance 2B), R grid rows, S text length.
"""

import re
from dataclasses import dataclass
from typing import Any

import torch
from transformers.generation.configuration_utils import CompileConfig

from dia.decoding.fused_sampling import PlainLoopNeeded, Sampler
from dia.decoding.static_layer import HOME

_CAPTURES = "transformers.utils.output_capturing"  # its hooks do nothing unless outputs are asked for
# What they compute is the same; the step has an attention of its own for all of them.
_ATTENTIONS = re.compile(r"eager|sdpa|flex_attention|flash_attention_\d|kernels-community/(vllm-)?flash-attn\d?")
_SPAN = 256  # rows that a recorded or compiled step is made for at a time
_TEXT = 64  # likewise, of text


@dataclass(frozen=True)
class DecodeConfig:
    """What a step is made for; steps of equal configs are interchangeable.

    Args:
        sampler: how ids are chosen.
        pattern: delay of each channel.
        pad: fills what has ended.
        clips: B.
        rows: R, prompt and delay included.
        text: S.
        guided: the second half of N is unconditional.
        masked: some rows are hidden.
        text_masked: some text is hidden.
        recorded: record the kernels of a GPU.
        compiled: options of `torch.compile`, None to leave it.
    """

    sampler: Sampler
    pattern: tuple[int, ...]
    pad: int
    clips: int
    rows: int
    text: int
    guided: bool
    masked: bool
    text_masked: bool
    recorded: bool = False
    compiled: tuple[tuple[str, Any], ...] | None = None

    @property
    def halves(self) -> int:
        """N / B."""
        return 2 if self.guided else 1

    @property
    def how(self) -> str:
        """In words, how the step is run."""
        compiled = "as it is" if self.compiled is None else "compiled"
        return f"{compiled} and recorded as a CUDA graph" if self.recorded else compiled

    @property
    def fixed(self) -> bool:
        """Making the step costs time, so that it is made for whole spans and kept."""
        return self.recorded or self.compiled is not None

    def rounded(self) -> "DecodeConfig":
        """A config that many calls share: more clips, rows and text than asked for, the surplus masked."""
        if not self.fixed:
            return self
        clips, rows, text = (
            1 << (self.clips - 1).bit_length(),
            span_of(self.rows),
            _rounded_up(self.text, _TEXT),
        )
        rest = {name: getattr(self, name) for name in ("sampler", "pattern", "pad", "guided", "recorded", "compiled")}
        return DecodeConfig(**rest, clips=clips, rows=rows, text=text, masked=True, text_masked=True)


def check_model(model: Any) -> None:
    """Refuse a model whose decoder does other things than its weights say.

    Raises:
        PlainLoopNeeded: it has hooks, forward methods or an attention of somebody else's.
    """
    decoder = model.model.decoder
    if not _ATTENTIONS.fullmatch(decoder.config._attn_implementation):
        raise PlainLoopNeeded(f"the attention is {decoder.config._attn_implementation}")
    if getattr(decoder.rotary_emb, "length_dependent", False):
        raise PlainLoopNeeded("the angles of its positions change with the length (rope type)")
    if torch.is_autocast_enabled(model.device.type):
        raise PlainLoopNeeded("autocast is on")
    parts = [(layer, layer.self_attention, layer.cross_attention, layer.mlp) for layer in decoder.layers]
    for module in (model, model.model, decoder, decoder.embeddings, *(part for layer in parts for part in layer)):
        if type(module).forward.__module__ != HOME:
            raise PlainLoopNeeded(f"{type(module).__name__} has a forward method of its own")
    outer = ("model", model), ("model", model.model), ("logits_dense", model.logits_dense)
    for name, module in (*outer, *decoder.named_modules(prefix="decoder")):
        hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
        if "forward" in vars(module) or any(getattr(hook, "__module__", None) != _CAPTURES for hook in hooks):
            raise PlainLoopNeeded(f"{name} has a hook")


def compile_options(config: CompileConfig) -> tuple[tuple[str, Any], ...]:
    """What `torch.compile` is called with. Recording the step is our own business, so no mode may do it too."""
    modes = {"reduce-overhead": "default", "max-autotune": "max-autotune-no-cudagraphs"}
    mode = modes.get(config.mode, config.mode)
    return ("backend", config.backend), ("dynamic", False), ("fullgraph", config.fullgraph), ("mode", mode)


def span_of(row: int) -> int:
    """So many rows are looked at by the step that writes a row: whole spans, for each of which it is made once."""
    return _rounded_up(row, _SPAN)


def _rounded_up(number: int, step: int) -> int:
    """The next multiple of `step`."""
    return -(-number // step) * step


__all__ = ["DecodeConfig", "check_model", "compile_options", "span_of"]
