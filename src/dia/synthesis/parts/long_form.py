"""Speak scripts that are too long for one pass: in parts, each continuing from earlier ones.

Independent of files; a `PartStore` can store finished parts.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, floor
from threading import Event, Lock
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from dia.audio.waveform import Waveform
from dia.runtime.events import AnyEvent
from dia.runtime.in_order import InOrder
from dia.runtime.resources.memory import release_free_memory
from dia.runtime.resources.threads import SMALL, compute_with_one_thread
from dia.synthesis.parts.joining import Piece, join_pieces, pieces, stream_joined
from dia.synthesis.parts.memory import PromptMemory
from dia.synthesis.parts.planning import Part, VoiceInfo, plan
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.checks import warn_about
from dia.synthesis.takes.generation import make_take, stream_take
from dia.synthesis.takes.seeds import checked_seed, later_seed
from dia.synthesis.takes.take import Line, Take, TakeOptions
from dia.text.chunking import sentences_of
from dia.text.prompt_format import CARRIES, Carry, PromptFormat
from dia.text.script import Script, estimated_seconds
from dia.text.tags import speakers_in
from dia.voices.timbre import Timbre

_SEED_STRIDE = 1000  # distance between the first seeds of consecutive parts, to leave seeds for retries
_SPLIT_SHARE = 0.6  # maximum length of the pieces of a failed part, relative to the part
_NO_SETTINGS: Mapping[str, Any] = {}

PartIndex = tuple[int, ...]  # the number of a part, from 0, followed by the number within it for each further split


class PartStore(Protocol):
    """Stores finished parts so that an interrupted run can resume. It is used by several threads, one at a time."""

    def load(self, index: PartIndex, line: Line) -> Take | None:
        """The take of a part, or None if it is not stored."""

    def save(self, index: PartIndex, take: Take) -> None:
        """Store a take."""


def speak_long(
    synthesizer: Synthesizer,
    script: Script,
    voice: Line | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] = _NO_SETTINGS,
    take_options: TakeOptions | None = None,
    *,
    carry: Carry | None = None,
    store: PartStore | None = None,
    progress: bool = False,
) -> Iterator[Piece]:
    """Speak a script of any length in parts, without holding finished audio in memory.

    Args:
        synthesizer: model, processor and codec.
        script: the script.
        voice: a voice, as a line without text.
        seed: seed of the first part, from which those of later parts are derived; by default random.
        settings: keyword arguments of transformers' `generate`.
        take_options: retries, best-of and so on, for every part.
        carry: what each part continues from; by default the checkpoint's setting, see `dia.text.prompt_format`.
        store: stores finished parts and returns those that were finished before.
        progress: show a progress bar.

    Yields:
        The parts as they are finished.

    Raises:
        ValueError: an argument is invalid; the message names it.
    """
    long_form = _LongForm.of(synthesizer, script, voice, seed, settings, take_options or TakeOptions(), carry, store)
    silent = None if progress else True
    takes = tqdm(long_form.takes(), "speaking", len(long_form.parts), unit=" parts", leave=False, disable=silent)
    joined = pieces(takes, [part.pause for part in long_form.parts], long_form.take_options.edge_seconds)
    return (
        replace(piece, cue=part.cue, ends_cue=part.ends_cue)
        for piece, part in zip(joined, long_form.parts, strict=True)
    )


def stream_long(
    synthesizer: Synthesizer,
    script: Script,
    voice: Line | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] = _NO_SETTINGS,
    take_options: TakeOptions | None = None,
    on_piece: Callable[[Piece], object] | None = None,
    rate: float | None = None,
    timbre: Timbre | None = None,
) -> Iterator[Waveform]:
    """Yield the audio of `speak_long` while it is generated.

    Args:
        synthesizer: model, processor and codec.
        script: as in `speak_long`.
        voice: as in `speak_long`.
        seed: as in `speak_long`.
        settings: as in `speak_long`.
        take_options: only `edge_seconds` is used; there are no retries.
        on_piece: receives each part when it is finished, at the natural pace.
        rate: speed relative to the model's.
        timbre: how the audio has to change to sound like the recording of the voice.

    Yields:
        Samples [N], float32. Concatenated, they are the audio of all parts, each at `rate` times its speed.

    Raises:
        ValueError: an argument is invalid; the message names it.
    """
    long_form = _LongForm.of(synthesizer, script, voice, seed, settings, take_options or TakeOptions())
    takes = (long_form.stream(number) for number in range(len(long_form.parts)))
    hertz = synthesizer.processor.sampling_rate
    pauses, edge_seconds = [part.pause for part in long_form.parts], long_form.take_options.edge_seconds
    return stream_joined(takes, pauses, edge_seconds, hertz, on_piece, rate, timbre)


class _LockedStore:
    """A store that one thread at a time uses."""

    def __init__(self, store: PartStore) -> None:
        self._store, self._lock = store, Lock()

    def load(self, index: PartIndex, line: Line) -> Take | None:
        with self._lock:
            return self._store.load(index, line)

    def save(self, index: PartIndex, take: Take) -> None:
        with self._lock:
            self._store.save(index, take)


@dataclass(frozen=True)
class _LongForm:
    """Speaks parts in turn, each with its prompt from earlier parts."""

    synthesizer: Synthesizer
    parts: list[Part]
    seed: int
    settings: Mapping[str, Any]
    take_options: TakeOptions
    memory: PromptMemory
    store: PartStore | None

    @classmethod
    def of(
        cls,
        synthesizer: Synthesizer,
        script: Script,
        voice: Line | None,
        seed: int | None,
        settings: Mapping[str, Any],
        take_options: TakeOptions,
        carry: Carry | None = None,
        store: PartStore | None = None,
    ) -> "_LongForm":
        """Plan the parts of a script."""
        format = PromptFormat.of(synthesizer.model.generation_config)
        carry = carry or format.carry
        if carry not in CARRIES:
            raise ValueError(f"carry={carry!r} must be one of {', '.join(CARRIES)}.")
        seed = checked_seed(seed)
        seed = int(torch.randint(2**31, ())) if seed is None else seed
        seconds = (
            0.0 if voice is None or voice.prompt is None else len(voice.prompt) / synthesizer.processor.frame_rate
        )
        parts = plan(script, format, carry, VoiceInfo(speakers_in(voice.transcript) if voice else (), seconds))
        memory = PromptMemory(carry, voice)
        settings = _per_part_settings(settings, max(synthesizer.processor.delay_pattern))
        return cls(synthesizer, parts, seed, settings, take_options, memory, store)

    def takes(self) -> Iterator[Take]:
        """The parts in order. Those whose prompt is known by then are spoken side by side, with the same results."""
        batched = self.synthesizer.is_batched(self.parts[0].script.spoken, self.settings)
        stop = Event()
        apart = self._stopped_by(stop)
        at_once = max(1, self.take_options.parts_at_once // self.take_options.best_of)
        prepare = compute_with_one_thread if self.synthesizer.model.num_parameters() < SMALL else lambda: None
        with InOrder[tuple[Take, PromptMemory]](at_once, stop, "dia.part", prepare) as running:
            for number, part in enumerate(self.parts):
                if not self.memory.is_settled(part.script):
                    yield from map(self._finished, running.rest())
                task = partial(replace(apart, memory=self.memory.copied())._numbered, number)
                if batched and self.memory.is_settled(part.script):
                    yield from map(self._finished, running.add(task))
                else:
                    yield self._finished(task())
            yield from map(self._finished, running.rest())

    def _stopped_by(self, stop: Event) -> "_LongForm":
        """The same, whose passes end once `stop` is set. Threads use the recognizer and the store one at a time."""
        cancel = self.synthesizer.cancel
        synthesizer = replace(self.synthesizer, cancel=stop if cancel is None else AnyEvent(stop, cancel))
        store = None if self.store is None else _LockedStore(self.store)
        return replace(self, synthesizer=synthesizer, take_options=self.take_options.in_threads(), store=store)

    @torch.no_grad()
    def _numbered(self, number: int) -> tuple[Take, PromptMemory]:
        return self.take(self.parts[number].script, (number,), self.seed_of(number)), self.memory

    def _finished(self, made: tuple[Take, PromptMemory]) -> Take:
        take, memory = made
        self.memory.add_all(memory)
        return take

    def seed_of(self, number: int) -> int:
        """The first seed of a part."""
        return later_seed(self.seed, number * _SEED_STRIDE)

    def take(self, script: Script, index: PartIndex, seed: int) -> Take:
        """A part as one take. If it has faults after all retries, it is split, provided that a smaller part has none.

        Some texts fail at the beginning of a pass with any seed, but succeed after other words.
        """
        first, *others = takes = self._takes(script, index, seed)
        if not others:
            return first
        joined = join_pieces(pieces(takes, [0.0] * len(takes), self.take_options.edge_seconds))
        places = [f" at {take.turns[0].text!r}" if take.turns else "" for take in takes]
        faults = (fault + place for take, place in zip(takes, places, strict=True) for fault in take.warnings)
        return replace(joined, warnings=tuple(faults))

    def _takes(self, script: Script, index: PartIndex, seed: int) -> list[Take]:
        """A part as a single take, or as several if it has faults and splitting it helps."""
        whole = self._single_pass(script, index, seed)
        smaller = _split(script) if whole.warnings and self.take_options.retries else []
        takes = [take for number, part in enumerate(smaller) for take in self._takes(part, (*index, number), seed)]
        if all(take.warnings for take in takes):
            return [replace(whole, attempts=sum((take.attempts for take in takes), whole.attempts))]
        return [replace(takes[0], attempts=whole.attempts + takes[0].attempts), *takes[1:]]

    def _single_pass(self, script: Script, index: PartIndex, seed: int) -> Take:
        """A part in one pass, stored and remembered."""
        line = self._line(script)
        take = None if self.store is None else self.store.load(index, line)
        if take is None:
            take = make_take(self.synthesizer, line, seed, self.settings, self.take_options)
            if self.store is not None:
                self.store.save(index, take)
        self._add_to_memory(script, take)
        return take

    def stream(self, number: int) -> Generator[Waveform, None, Take]:
        """Yield a part's audio while it is generated, and remember the part; faults are warnings."""
        script = self.parts[number].script
        take = yield from stream_take(
            self.synthesizer, self._line(script), self.seed_of(number), self.settings, self.take_options
        )
        warn_about(take.warnings, take.seed, number, len(self.parts))
        self._add_to_memory(script, take)
        return take

    def _line(self, script: Script) -> Line:
        prompt = self.memory.prompt_for(script) or Line("")
        return Line(script.spoken, prompt.prompt, prompt.transcript, script)

    def _add_to_memory(self, script: Script, take: Take) -> None:
        if not take.warnings:
            self.memory.add(script, _audible_codes(take, self.synthesizer.processor.frame_rate))
        release_free_memory()


def _split(script: Script) -> list[Script]:
    """Split a part between turns and sentences; an empty list if that is not possible."""
    sentences = [sentence for turn in script.turns for sentence in sentences_of(turn.text, script.frontend)]
    sizes = [estimated_seconds(f"{sentence} ") for sentence in sentences]
    parts = script.chunks(max(_SPLIT_SHARE * sum(sizes), *sizes))
    return parts if len(parts) > 1 else []


def _per_part_settings(settings: Mapping[str, Any], delay_rows: int) -> Mapping[str, Any]:
    """Settings in which the length limit applies to the new speech of each part, as prompts differ in length.

    A part may be as long as a single pass without a prompt, whose limit includes a row of BOS, but not the delay.
    """
    if settings.get("max_length") is None or settings.get("max_new_tokens") is not None:
        return settings
    rest = {name: value for name, value in settings.items() if name != "max_length"}
    return {**rest, "max_new_tokens": settings["max_length"] - 1 + delay_rows}


def _audible_codes(take: Take, frame_rate: float) -> Tensor:
    """The codes of a take that its audio is made from."""
    first, last = take.start * frame_rate, (take.start + take.seconds) * frame_rate
    return take.codes[max(0, floor(first)) : ceil(last)]


__all__ = ["PartIndex", "PartStore", "speak_long", "stream_long"]
