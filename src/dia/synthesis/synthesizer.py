"""Run single passes of the model: short scripts and voice prompts in, codes and audio out.

Independent of files and of scripts that are longer than a pass.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from math import inf
from time import sleep
from typing import Any

import torch
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from dia.audio.waveform import Waveform
from dia.codec import dac as codec
from dia.decoding.call.inputs import speech_rows
from dia.decoding.delay import last_end
from dia.decoding.engine import EngineFull, Ticket, engine_of
from dia.decoding.step.prefill import SlotRequest
from dia.decoding.step.sampler import PlainLoopNeeded
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.runtime.events import Flag

_NO_SETTINGS: Mapping[str, Any] = {}
_POLL_SECONDS = 0.1
_CLIPS_PER_SLOT = 2  # of a call in the engine: one in each slot, and one to follow it at once
# Clips of a call that keep what they attend to: 0.3 MB a second for 100 ids of text, with the embedded model.
_MOST_ALIGNED = 32


_Script = tuple[str, Tensor | None, int | None]  # text, prompt, seed


@dataclass(frozen=True)
class PassResult:
    """The codes of one script.

    Attributes:
        codes: int64 [T, C] on the CPU, without the prompt; T may be 0.
        ended: whether the model ended by itself, rather than at the length limit or by cancellation.
        attention: what the rows attended to in the text, float32 [R, heads of all layers, S]; None if not known.
        places: the character of the text that each text id begins at, int64 [S]; None if not known.
    """

    codes: Tensor
    ended: bool
    attention: Tensor | None = None
    places: Tensor | None = None


class Cancelled(Exception):
    """A pass ended early because `Synthesizer.cancel` was set."""


class _CancelStreamer(BaseStreamer):
    """Ignores rows and stops `generate` once `cancel` is set."""

    def __init__(self, cancel: Flag) -> None:
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
class _Request:
    """A clip for the engine, and what is needed to read its grid."""

    slot: SlotRequest
    prompt_rows: int
    last_end: int  # the row in which the length limit ends channel 0
    places: Tensor  # as in `PassResult`


@dataclass(frozen=True)
class RunningPass:
    """A pass that was started. Get its result with `result`, or stop it with `stop`."""

    synthesizer: "Synthesizer"
    request: _Request
    ticket: Ticket

    def result(self, timeout: float | None = None) -> PassResult:
        """Wait for the pass.

        Raises:
            TimeoutError: it is not finished within `timeout` seconds.
            Exception: the error that ended it.
        """
        grid = self.ticket.result(timeout)
        return self.synthesizer._result(self.request, grid, self.ticket.attention)

    def stop(self, timeout: float | None) -> None:
        """Stop the pass before its next row, and wait for that."""
        self.ticket.cancel()
        self.ticket.wait(timeout)


class _Share(BaseStreamer):
    """Passes on the rows of one of several clips that another has not passed on before."""

    def __init__(self, streamer: BaseStreamer, seen: list[int], clips: list[int]) -> None:
        self._streamer, self._seen, self._clips, self._rows = streamer, seen, clips, 0

    @property
    def closed(self) -> bool:
        """Whether the clips should stop."""
        return bool(getattr(self._streamer, "closed", False))

    def put(self, value: Tensor) -> None:
        """Receive the prompt's rows, and then one row per call."""
        self._rows += 1
        if self._rows > self._seen[0]:
            self._seen[0] = self._rows
            self._streamer.put(value)

    def end(self) -> None:
        """Receive the end of the clip. The last clip ends the streamer."""
        self._clips[0] -= 1
        if not self._clips[0]:
            self._streamer.end()


def _shares(streamer: BaseStreamer | None, clips: int) -> list[BaseStreamer | None]:
    """A streamer for each of several clips, which together act as one."""
    if streamer is None or clips == 1:
        return [streamer] * clips
    seen, left = [0], [clips]
    return [_Share(streamer, seen, left) for _ in range(clips)]


@dataclass(frozen=True)
class Synthesizer:
    """A model and its processor; calling it speaks scripts in one pass.

    Attributes:
        model: the model, on its device and in its dtype.
        processor: the model's processor; `sound` needs its codec.
        cancel: such as an event; once another thread sets it, a pass ends at its next row with `Cancelled`.
    """

    model: DiaForConditionalGeneration
    processor: DiaProcessor
    cancel: Flag | None = None

    def __call__(
        self,
        texts: Sequence[str],
        prompts: Sequence[Tensor | None] = (),
        seeds: Sequence[int | None] = (),
        settings: Mapping[str, Any] = _NO_SETTINGS,
        streamer: BaseStreamer | None = None,
        frames: Sequence[int | None] = (),
    ) -> list[PassResult]:
        """Speak scripts side by side.

        Args:
            texts: the scripts; with a prompt, its transcript precedes the new text.
            prompts: int64 codes [T, C] to continue, or None, one per text; by default no prompts.
            seeds: one per text, or None; by default random. With its own seed, a text gives the same result alone and
                in a batch.
            settings: keyword arguments of transformers' `generate`; defaults are the model's.
            streamer: receives every row as it is sampled, in another thread; of several scripts, the rows of the one
                that is ahead.
            frames: the limit of each text, as in `limited`; by default that of the settings.

        Raises:
            TypeError, ValueError: an argument is invalid; the message names it.
            Cancelled: `cancel` is set.
        """
        streamer = _CancelStreamer(self.cancel) if streamer is None and self.cancel is not None else streamer
        if not texts:
            raise ValueError("text is empty; pass one script or more.")
        prompts, seeds = list(prompts) or [None] * len(texts), list(seeds) or [None] * len(texts)
        frames = list(frames) or [None] * len(texts)
        for name, given in (("prompts", prompts), ("seeds", seeds), ("frames", frames)):
            if len(given) != len(texts):
                raise ValueError(f"{name} has {len(given)} entries for {len(texts)} texts.")
        scripts = list(zip(texts, prompts, seeds, strict=True))
        limited = [self._with_length(self.limited(settings, most)) for most in frames]
        try:
            requests = [self._request(*one, own) for one, own in zip(scripts, limited, strict=True)]
        except PlainLoopNeeded:
            results = self._generate_all(scripts, limited, frames, streamer)
        else:
            results = self._run(requests, streamer)
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("the pass was cancelled.")
        return results

    def limited(self, settings: Mapping[str, Any], frames: int | None) -> Mapping[str, Any]:
        """Settings that end a text after `frames` frames, including one for the end; None changes nothing."""
        return (
            settings if frames is None else {**settings, "max_new_tokens": frames + max(self.processor.delay_pattern)}
        )

    def is_batched(self, text: str, settings: Mapping[str, Any] = _NO_SETTINGS) -> bool:
        """Whether calls from several threads share a step; otherwise each runs by itself.

        Args:
            text: one of the scripts.
            settings: as in a call.

        Raises:
            TypeError, ValueError: an argument is invalid; the message names it.
        """
        try:
            self._request(text, None, 0, self._with_length(settings))
        except PlainLoopNeeded:
            return False
        return True

    def start(
        self, text: str, prompt: Tensor | None, seed: int | None, settings: Mapping[str, Any], streamer: BaseStreamer
    ) -> "RunningPass":
        """Start to speak one script, without waiting for it.

        Args:
            text: as in a call.
            prompt: as in a call.
            seed: as in a call.
            settings: as in a call.
            streamer: receives every row as it is sampled, in another thread.

        Raises:
            PlainLoopNeeded: only a call supports these settings.
            TypeError, ValueError: an argument is invalid; the message names it.
        """
        request = self._request(text, prompt, seed, self._with_length(settings))
        return RunningPass(self, request, engine_of(self.model).submit(request.slot, streamer, with_attention=True))

    def _request(self, text: str, prompt: Tensor | None, seed: int | None, settings: Mapping[str, Any]) -> "_Request":
        inputs, rows, last = self._inputs([text], [prompt], settings, return_offsets_mapping=True)
        places = inputs.pop("offset_mapping")[0, :, 0].cpu()
        slot = self.model.slot_request(**inputs, **settings, generator=self._generators([seed]))
        return _Request(slot, rows, last, places)

    def _inputs(
        self, texts: Sequence[str], prompts: Sequence[Tensor | None], settings: Mapping[str, Any], **options: Any
    ) -> tuple[Any, int, int]:
        """The model's inputs, the number of prompt rows, and the row in which the length limit ends channel 0.

        `options` are for the processor.
        """
        audio = None if all(prompt is None for prompt in prompts) else list(prompts)
        inputs = self.processor(text=list(texts), audio=audio, final_stop=False, **options)
        rows = self.processor.get_audio_prompt_len(inputs["decoder_attention_mask"])
        last = self._last_end(settings, rows)
        return inputs.to(self.model.device), rows, last

    def _run(self, requests: Sequence["_Request"], streamer: BaseStreamer | None) -> list[PassResult]:
        """Speak scripts side by side, and wait for them."""
        tickets: list[Ticket] = []
        try:
            tickets.extend(self._submit(requests, _shares(streamer, len(requests))))
            self._wait(tickets)
            pairs = zip(requests, tickets, strict=False)  # fewer tickets after `cancel` or an error
            return [self._result(request, ticket.result(), ticket.attention) for request, ticket in pairs]
        finally:
            for ticket in tickets:
                ticket.cancel()  # those left after an error

    def _submit(self, requests: Sequence["_Request"], shares: Sequence[BaseStreamer | None]) -> Iterator[Ticket]:
        """Submit scripts, the later ones as earlier ones end: the engine's queue is short, and also for other calls.

        Stops after `cancel` and after an error.
        """
        aligned = self.processor.audio_tokenizer is not None and len(requests) <= _MOST_ALIGNED
        pending: set[Future[Tensor]] = set()
        for number, (request, share) in enumerate(zip(requests, shares, strict=True)):
            while (ticket := self._submitted(request, share, aligned, len(pending), first=not number)) is None:
                if not pending:
                    sleep(_POLL_SECONDS)  # other calls fill the queue
                ended, pending = wait(pending, _POLL_SECONDS, FIRST_COMPLETED)
                if any(one.exception() for one in ended) or (self.cancel is not None and self.cancel.is_set()):
                    return
            pending.add(ticket.future)
            yield ticket

    def _submitted(
        self, request: "_Request", share: BaseStreamer | None, aligned: bool, pending: int, first: bool
    ) -> Ticket | None:
        """Submit a script, or return None if it has to wait. Only the first one is refused by a full engine."""
        engine = engine_of(self.model)
        if pending >= _CLIPS_PER_SLOT * engine.load().slots:
            return None
        try:
            return engine.submit(request.slot, share, with_attention=aligned)
        except EngineFull:
            if first:
                raise
            return None

    def _wait(self, tickets: Sequence[Ticket]) -> None:
        """Wait for tickets, or cancel them once `cancel` is set, those in the queue, too."""
        if self.cancel is None:
            return
        while wait([ticket.future for ticket in tickets], _POLL_SECONDS).not_done:
            if self.cancel.is_set():
                for ticket in tickets:
                    ticket.cancel()
                return

    def _result(self, request: "_Request", grid: Tensor, attention: Tensor | None) -> PassResult:
        result = self._results(grid[None], request.prompt_rows, request.last_end)[0]
        return replace(result, attention=attention, places=request.places)

    def _results(self, grids: Tensor, prompt_rows: int, last: int) -> list[PassResult]:
        codes, ended = self.processor.undelayed_codes(grids, prompt_rows), self._ended(grids, last)
        return [PassResult(clip, own_end) for clip, own_end in zip(codes, ended, strict=True)]

    def _generate_all(
        self,
        scripts: Sequence["_Script"],
        limited: Sequence[Mapping[str, Any]],
        frames: Sequence[int | None],
        streamer: BaseStreamer | None,
    ) -> list[PassResult]:
        """Speak scripts in one batch with the longest limit, and again those that reach their own limit.

        There, all but the first channels have a few frames to go, which depend on the first ones.
        """
        longest = max(range(len(frames)), key=lambda number: inf if (most := frames[number]) is None else most)
        results = self._generate(scripts, limited[longest], streamer)
        for number, (script, own, most) in enumerate(zip(scripts, limited, frames, strict=True)):
            if most is not None and most != frames[longest] and len(results[number].codes) >= most - 1:
                results[number] = self._generate([script], own, None)[0]
        return results

    def _generate(
        self, scripts: Sequence["_Script"], settings: Mapping[str, Any], streamer: BaseStreamer | None
    ) -> list[PassResult]:
        """Speak scripts in one batch with `generate`, which supports all settings."""
        texts, prompts, seeds = zip(*scripts, strict=True)
        inputs, rows, last = self._inputs(texts, prompts, settings)
        grids = self.model.generate(**inputs, **settings, generator=self._generators(seeds), streamer=streamer).cpu()
        return self._results(grids, rows, last)

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
        pattern, own = self.processor.delay_pattern, copy.copy(self.model.generation_config)
        own.update(**settings)
        default = self.model.config.decoder_config.max_position_embeddings
        return last_end(speech_rows(own, prefilled, max(pattern), default), prefilled, max(pattern))

    def _ended(self, grids: Tensor, last: int) -> list[bool]:
        ends = grids[:, :last, 0] == self.processor.eos_token_id  # [B, R]
        return [bool(row.any()) for row in ends]


__all__ = ["Cancelled", "PassResult", "RunningPass", "Synthesizer", "Waveform"]
