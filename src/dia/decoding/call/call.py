"""The state of one call of `generate()`: its text, its grid and its rules. Independent of the network.

Shapes: B clips, n texts, S text length, E width of the encoder, R grid rows.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList
from transformers.cache_utils import EncoderDecoderCache
from transformers.generation.configuration_utils import CompileConfig
from transformers.generation.streamers import BaseStreamer
from transformers.modeling_outputs import BaseModelOutput

from dia.decoding.call.inputs import Grid
from dia.decoding.step.sampler import Sampler, sampler_of


@dataclass
class Text:
    """The text of a call, before it is encoded."""

    ids: Tensor | None  # [n, S]; None if the caller passes states
    mask: Tensor | None  # [n, S]
    states: BaseModelOutput | None  # last_hidden_state [n, S, E], encoded by the caller
    wanted: dict[str, Any]  # the outputs of the encoder that the caller wants
    copies: int  # B / n

    @property
    def _given(self) -> Tensor:
        return self.ids if self.ids is not None else self.states.last_hidden_state  # type: ignore[union-attr]

    @property
    def clips(self) -> int:
        """B."""
        return len(self._given) * self.copies

    @property
    def length(self) -> int:
        """S."""
        return self._given.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the text is."""
        return self._given.device


@dataclass
class EncodedText:
    """The encoded text. With guidance, the unconditional half follows the conditional half."""

    states: BaseModelOutput  # last_hidden_state [B or 2B, S, E]
    mask: Tensor | None  # [B or 2B, S]


@dataclass
class Call:
    """The state of one call of `generate()`, set up before the loop. Nothing is stored on the model."""

    given_text: Text
    grid: Grid
    positions: Tensor  # [1 or B, rows]
    cache: EncoderDecoderCache | None
    plain_loop_arguments: list[str]  # arguments of the caller that only the plain loop supports
    keys: Tensor | None  # of the clips' noise, [B]; None for greedy search
    rules: LogitsProcessorList
    criteria: StoppingCriteriaList
    streamer: BaseStreamer | None
    settings: GenerationConfig
    guided: bool
    synced: bool
    model_kwargs: dict[str, Any]
    encoded_text: EncodedText | None = None

    @property
    def text(self) -> EncodedText:
        """The encoded text."""
        assert self.encoded_text is not None
        return self.encoded_text

    @property
    def compilation(self) -> CompileConfig | None:
        """Options for `torch.compile`, or None."""
        return None if self.settings.disable_compile else self.settings.compile_config


def sampler_for(call: Call) -> Sampler:
    """The sampler of a call for the fast step. Raises PlainLoopNeeded if the step does not implement its rules."""
    return sampler_of(call.rules, bool(call.settings.do_sample), call.grid.prefilled)


def alone(call: Call, clip: int, in_place: bool) -> Call:
    """One clip of a call, without its padding in grid and text.

    Args:
        call: the call.
        clip: its index.
        in_place: keep its positions, which count the padding.
    """
    padding = (call.grid.padding or ())[clip]
    states, mask = call.text.states.last_hidden_state[clip :: call.grid.clips], call.text.mask  # [halves, S, E]
    own = None if mask is None or not mask[clip].any() else read_part(mask[clip])
    if own is not None:
        states = states[:, : len(own)]
    return replace(
        call,
        grid=call.grid.alone(clip, padding),
        encoded_text=EncodedText(
            BaseModelOutput(states), None if own is None or own.all() else own.repeat(len(states), 1)
        ),
        positions=call.positions[:, padding:] if in_place else call.positions,
    )


def read_part(mask: Tensor) -> Tensor:
    """The mask [S] of a text up to the last id that is read; the whole mask if the text is only padding."""
    read = mask.nonzero()
    return mask[: int(read[-1]) + 1] if len(read) else mask


__all__ = ["Call", "EncodedText", "Text", "alone", "read_part", "sampler_for"]
