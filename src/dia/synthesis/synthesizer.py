"""Run single passes of the model: short scripts and voice prompts in, codes and audio out.

Independent of files and of scripts that are longer than a pass.
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

_NO_SETTINGS: Mapping[str, Any] = {}


@dataclass(frozen=True)
class PassResult:
    """The codes of one script.

    Attributes:
        codes: int64 [T, C] on the CPU, without the prompt; T may be 0.
        ended: whether the model ended by itself, rather than at the length limit or by cancellation.
    """

    codes: Tensor
    ended: bool

    def truncated(self, frames: int) -> "PassResult":
        """The first `frames` frames, marked as not ended by itself; unchanged if there are fewer."""
        return self if len(self.codes) < frames else PassResult(self.codes[:frames], ended=False)


class Cancelled(Exception):
    """A pass ended early because `Synthesizer.cancel` was set."""


class _CancelStreamer(BaseStreamer):
    """Ignores rows and stops `generate` once `cancel` is set."""

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
    """A model and its processor; calling it speaks scripts in one pass.

    Attributes:
        model: the model, on its device and in its dtype.
        processor: the model's processor; `sound` needs its codec.
        cancel: an event; once another thread sets it, a pass ends at its next row with `Cancelled`.
    """

    model: DiaForConditionalGeneration
    processor: DiaProcessor
    cancel: Event | None = None

    def __call__(
        self,
        texts: Sequence[str],
        prompts: Sequence[Tensor | None] = (),
        seeds: Sequence[int | None] = (),
        settings: Mapping[str, Any] = _NO_SETTINGS,
        streamer: BaseStreamer | None = None,
    ) -> list[PassResult]:
        """Speak scripts in one batch.

        Args:
            texts: the scripts; with a prompt, its transcript precedes the new text.
            prompts: int64 codes [T, C] to continue, or None, one per text; by default no prompts.
            seeds: one per text, or None; by default random. With its own seed, a text gives the same result alone and
                in a batch.
            settings: keyword arguments of transformers' `generate`; defaults are the model's.
            streamer: receives every row as it is sampled.

        Raises:
            TypeError, ValueError: an argument is invalid; the message names it.
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
        return [PassResult(clip, own_end) for clip, own_end in zip(codes, ended, strict=True)]

    def sound(self, codes: Tensor) -> Waveform:
        """Decode codes [T, C] to samples [N] within ±1, at the processor's sampling rate.

        Raises:
            TypeError, ValueError: there is no codec, or the codes are invalid.
        """
        return self.sounds([codes])[0]

    def sounds(self, codes: Sequence[Tensor]) -> list[Waveform]:
        """Like `sound`, for several clips."""
        if (decoder := self.processor.audio_tokenizer) is None:
            raise ValueError("there is no codec, so audio cannot be decoded; load the model with its codec.")
        waveforms = codec.decode(decoder, codes, dtype=self.processor.codec_dtype)
        return [waveform.cpu().numpy() for waveform in waveforms]

    def _generators(self, seeds: Sequence[int | None]) -> list[torch.Generator | None] | None:
        if all(seed is None for seed in seeds):
            return None
        return [None if seed is None else torch.Generator(self.model.device).manual_seed(seed) for seed in seeds]

    def _with_length(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings with a length limit; by default the model's.

        With an explicit limit, `generate` does not warn about clips that reach it; `PassResult.ended` reports the
        same.
        """
        if {"max_length", "max_new_tokens"} & set(settings):
            return settings
        own, default = self.model.generation_config, self.model.config.decoder_config.max_position_embeddings
        if own.max_new_tokens is not None:
            return {**settings, "max_new_tokens": own.max_new_tokens}
        return {**settings, "max_length": own.max_length or default}

    def _last_end(self, settings: Mapping[str, Any], prefilled: int) -> int:
        """The row in which the length limit ends channel 0; an error if the limit leaves no row for a frame."""
        pattern, own = self.processor.delay_pattern, copy.deepcopy(self.model.generation_config)
        own.update(**settings)
        default = self.model.config.decoder_config.max_position_embeddings
        return last_end(speech_rows(own, prefilled, max(pattern), default), prefilled, max(pattern))

    def _ended(self, grids: Tensor, last: int) -> list[bool]:
        ends = grids[:, :last, 0] == self.processor.eos_token_id  # [B, R]
        return [bool(row.any()) for row in ends]


__all__ = ["Cancelled", "PassResult", "Synthesizer", "Waveform"]
