"""One pass of the model: short scripts and voice prompts in, codes and sound out.

Knows model and processor. Knows nothing of files, nor of scripts longer than a pass.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import torch
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from dia.audio.waveform import Waveform
from dia.codec import dac as codec
from dia.decoding.delay import last_end
from dia.decoding.inputs import speech_rows
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Spoken:
    """The result of one script.

    Attributes:
        codes: int64 [T, C] on the CPU, without the prompt; T may be 0.
        ended: whether the model ended by itself, not by the length limit or a cancellation.
    """

    codes: Tensor
    ended: bool

    def cut(self, frames: int) -> "Spoken":
        """The same, but not ended by itself and of so many frames where it has as many or more."""
        return self if len(self.codes) < frames else Spoken(self.codes[:frames], ended=False)


class Cancelled(Exception):
    """A pass ended early because `Synthesizer.cancel` was set."""


class _CancelStreamer(BaseStreamer):
    """Ignores rows; closed once `cancel` is set, which ends `generate`."""

    def __init__(self, cancel: Event) -> None:
        self._cancel = cancel

    @property
    def closed(self) -> bool:
        """Whether `generate` should stop."""
        return self._cancel.is_set()

    def put(self, value: Tensor) -> None:
        """Ignore a row."""

    def end(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Synthesizer:
    """A model and its processor; a call speaks scripts in one pass.

    Attributes:
        model: the network, on its device and in its dtype.
        processor: text, prompts and codes; without a codec there is no `sound`.
        cancel: once another thread sets it, a pass ends at its next row with `Cancelled`.
    """

    model: DiaForConditionalGeneration
    processor: DiaProcessor
    cancel: Event | None = None

    def __call__(
        self,
        texts: Sequence[str],
        prompts: Sequence[Tensor | None] = (),
        seeds: Sequence[int | None] = (),
        settings: Mapping[str, Any] = _NOTHING,
        streamer: BaseStreamer | None = None,
    ) -> list[Spoken]:
        """Speak scripts in one batch.

        Args:
            texts: the scripts; where there is a prompt, what is said in it stands before what is new.
            prompts: int64 codes [T, C] to go on with, or None, one per text; by default none at all.
            seeds: one per text, or None; by default none at all. With its own seed a text is spoken the same alone
                and among others.
            settings: keywords of transformers' `generate`; what is left out is the model's own.
            streamer: is given every row as it is drawn.

        Raises:
            TypeError, ValueError: an argument is unusable; the message names it.
            Cancelled: `cancel` is set.
        """
        settings = self._with_length(settings)
        streamer = _CancelStreamer(self.cancel) if streamer is None and self.cancel is not None else streamer
        audio = None if all(prompt is None for prompt in prompts) else list(prompts)
        inputs = self.processor(text=list(texts), audio=audio, final_stop=False)
        prompt_rows = self.processor.get_audio_prompt_len(inputs["decoder_attention_mask"])
        last = self._last_end(settings, prompt_rows)
        grids = self.model.generate(
            **inputs.to(self.model.device), **settings, generator=self._generators(seeds), streamer=streamer
        ).cpu()
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("the pass was cancelled.")
        codes = self.processor.undelayed_codes(grids, prompt_rows)
        ended = self._ended(grids, last)
        return [Spoken(clip, alone) for clip, alone in zip(codes, ended, strict=True)]

    def sound(self, codes: Tensor) -> Waveform:
        """Codes [T, C] as samples [N] of ±1 at the processor's sampling rate.

        Raises:
            TypeError, ValueError: there is no codec, or these are no codes of it.
        """
        return self.sounds([codes])[0]

    def sounds(self, codes: Sequence[Tensor]) -> list[Waveform]:
        """As `sound`, for several clips."""
        if (decoder := self.processor.audio_tokenizer) is None:
            raise ValueError("there is no codec to make sound with; load the model with its codec.")
        waveforms = codec.decode(decoder, codes, dtype=self.processor.codec_dtype)
        return [waveform.cpu().numpy() for waveform in waveforms]

    def _generators(self, seeds: Sequence[int | None]) -> list[torch.Generator | None] | None:
        if all(seed is None for seed in seeds):
            return None
        return [None if seed is None else torch.Generator(self.model.device).manual_seed(seed) for seed in seeds]

    def _with_length(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings with a limit of length; by default the model's own.

        With a limit in the call `generate` does not warn of clips that reach it. `Spoken.ended` tells the same.
        """
        if {"max_length", "max_new_tokens"} & set(settings):
            return settings
        own, default = self.model.generation_config, self.model.config.decoder_config.max_position_embeddings
        if own.max_new_tokens is not None:
            return {**settings, "max_new_tokens": own.max_new_tokens}
        return {**settings, "max_length": own.max_length or default}

    def _last_end(self, settings: Mapping[str, Any], prefilled: int) -> int:
        """The row in which the limit of length makes channel 0 end; an error where it leaves no room for a frame."""
        pattern, own = self.processor.delay_pattern, copy.deepcopy(self.model.generation_config)
        own.update(**settings)
        default = self.model.config.decoder_config.max_position_embeddings
        return last_end(speech_rows(own, prefilled, max(pattern), default), prefilled, max(pattern))

    def _ended(self, grids: Tensor, last: int) -> list[bool]:
        ends = grids[:, :last, 0] == self.processor.eos_token_id  # [B, R]
        return [bool(row.any()) for row in ends]


__all__ = ["Cancelled", "Spoken", "Synthesizer", "Waveform"]
