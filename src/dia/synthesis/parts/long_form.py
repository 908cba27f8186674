"""Scripts longer than a pass speaks well: part after part, each going on from what was said before.

Knows takes and how they are joined. Knows nothing of files: a `PartStore`, if given, keeps what is finished.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import ceil, floor
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from dia.audio.waveform import Waveform
from dia.runtime.memory import release_free_memory
from dia.synthesis.parts.joining import Piece, as_one, pieces, stream_joined
from dia.synthesis.parts.planning import Before, Part, plan
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.checks import warn_of
from dia.synthesis.takes.generation import make_take, stream_take
from dia.synthesis.takes.seeds import check_seed, later_seed
from dia.synthesis.takes.take import Line, Take, TakeOptions
from dia.text.chunking import sentences_of
from dia.text.prompt_format import CARRIES, Carry, PromptFormat, continue_transcript
from dia.text.script import Script, estimated_seconds
from dia.text.tags import speakers_in

_SEEDS_APART = 1000  # between the parts' first seeds: room for the retries of each
_SMALLER = 0.6  # of its length: what a part is cut into where it fails as a whole
_NOTHING: Mapping[str, Any] = {}

Place = tuple[int, ...]  # of a part, its number from 0; of a part of it, that and the number in it


class PartStore(Protocol):
    """Where finished parts are kept, so that an interrupted speech goes on where it stopped."""

    def kept(self, place: Place, line: Line) -> Take | None:
        """The take of a part, or None where it is still to be made."""

    def keep(self, place: Place, take: Take) -> None:
        """Keep a take."""


@dataclass
class Memory:
    """What has been said and goes before the next part: whose voices, and in which tone.

    A take with something wrong in it is not gone on from, so that no fault is handed down.

    Attributes:
        carry: the "first" part, the "last", "both" or "nothing".
        voice: a voice to speak with, always first; it takes the place of the first part.
    """

    carry: Carry
    voice: Line | None = None
    _first: Line | None = None
    _last: Line | None = None
    _by_speaker: dict[str, Line] = field(default_factory=dict)

    def before(self, script: Script) -> Line | None:
        """What goes before a part, as a line of nothing but prompt; None for nothing."""
        wanted = [self.voice or (self._first if self.carry in ("first", "both") else None)]
        if self.carry in ("last", "both"):
            wanted.append(self._last)
        lines = list(dict.fromkeys(line for line in wanted if line is not None))
        if self.carry != "nothing":
            heard = set(chain.from_iterable(speakers_in(line.transcript) for line in lines))
            missing = {turn.speaker for turn in script.turns} - heard
            lines = [self._by_speaker[name] for name in sorted(missing) if name in self._by_speaker] + lines
        return _joined(lines)

    def add(self, script: Script, codes: Tensor) -> None:
        """Remember a part that went well; codes: [T, C], what is heard of it."""
        self._last = Line("", codes, script.spoken)
        self._first = self._first or self._last
        self._by_speaker |= {turn.speaker: self._last for turn in script.turns}


def speak_long(
    synthesizer: Synthesizer,
    script: Script,
    voice: Line | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] = _NOTHING,
    take_options: TakeOptions | None = None,
    *,
    carry: Carry | None = None,
    store: PartStore | None = None,
    progress: bool = False,
) -> Iterator[Piece]:
    """Speak a script of any length, part after part; none is kept here.

    Args:
        synthesizer: model, processor and codec.
        script: what to say.
        voice: a voice to speak with, as a line whose text is empty.
        seed: of the first part; the next have seeds of their own that follow from it. By default a random one.
        settings: keywords of transformers' `generate`.
        take_options: retries and the like, for every part.
        carry: what each part goes on from; by default what suits the checkpoint, see `dia.text.prompt_format`.
        store: keeps finished parts, and brings those that were finished before.
        progress: show a bar.

    Yields:
        The parts as they are finished.

    Raises:
        ValueError: an argument is unusable; the message names it.
    """
    long_form = _LongForm.of(synthesizer, script, voice, seed, settings, take_options or TakeOptions(), carry, store)
    counted = enumerate(
        tqdm(long_form.parts, "speaking", unit=" parts", leave=False, disable=None if progress else True)
    )
    takes = (long_form.take(part.script, (number,), long_form.seed_of(number)) for number, part in counted)
    return pieces(takes, [part.pause for part in long_form.parts], long_form.take_options.edge_seconds)


def stream_long(
    synthesizer: Synthesizer,
    script: Script,
    voice: Line | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] = _NOTHING,
    take_options: TakeOptions | None = None,
) -> Iterator[Waveform]:
    """The audio of `speak_long` while it is made: the first of it as soon as it is certain.

    Args:
        synthesizer: model, processor and codec.
        script: as in `speak_long`, like the others.
        voice: a voice.
        seed: of the first part.
        settings: keywords of transformers' `generate`.
        take_options: of which the edges count: what is heard already is not spoken again.

    Yields:
        Samples [N], float32; joined they are the audio of the parts.

    Raises:
        ValueError: an argument is unusable; the message names it.
    """
    long_form = _LongForm.of(synthesizer, script, voice, seed, settings, take_options or TakeOptions())
    takes = (long_form.early(number) for number in range(len(long_form.parts)))
    rate = synthesizer.processor.sampling_rate
    return stream_joined(takes, [part.pause for part in long_form.parts], long_form.take_options.edge_seconds, rate)


@dataclass(frozen=True)
class _LongForm:
    """Speaks parts one after the other, each with what was said before it."""

    synthesizer: Synthesizer
    parts: list[Part]
    seed: int
    settings: Mapping[str, Any]
    take_options: TakeOptions
    memory: Memory
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
        """Plan a speech."""
        format = PromptFormat.of(synthesizer.model.generation_config)
        carry = carry or format.carry
        if carry not in CARRIES:
            raise ValueError(f"carry={carry!r} must be one of {', '.join(CARRIES)}.")
        check_seed(seed)
        seed = int(torch.randint(2**31, ())) if seed is None else seed
        seconds = (
            0.0 if voice is None or voice.prompt is None else len(voice.prompt) / synthesizer.processor.frame_rate
        )
        parts = plan(script, format, carry, Before(speakers_in(voice.transcript) if voice else (), seconds))
        return cls(synthesizer, parts, seed, _for_every_part(settings), take_options, Memory(carry, voice), store)

    def seed_of(self, number: int) -> int:
        """The first seed of a part."""
        return later_seed(self.seed, number * _SEEDS_APART)

    def take(self, script: Script, place: Place, seed: int) -> Take:
        """A part; where something is wrong with it after every retry, spoken in smaller parts if any comes out well.

        Some texts a model cannot begin, whatever the seed; behind another beginning it speaks them well.
        """
        first, *others = takes = self._takes(script, place, seed)
        if not others:
            return first
        joined = as_one(pieces(takes, [0.0] * len(takes), self.take_options.edge_seconds))
        begins = [f" at {take.turns[0].text!r}" if take.turns else "" for take in takes]
        faults = (fault + begin for take, begin in zip(takes, begins, strict=True) for fault in take.warnings)
        return replace(joined, warnings=tuple(faults))

    def _takes(self, script: Script, place: Place, seed: int) -> list[Take]:
        """A part as one take, or as several; what is remembered of them is heard."""
        whole = self._whole(script, place, seed)
        smaller = _smaller(script) if whole.warnings and self.take_options.retries else []
        takes = [take for number, part in enumerate(smaller) for take in self._takes(part, (*place, number), seed)]
        if all(take.warnings for take in takes):
            return [replace(whole, attempts=sum((take.attempts for take in takes), whole.attempts))]
        return [replace(takes[0], attempts=whole.attempts + takes[0].attempts), *takes[1:]]

    def _whole(self, script: Script, place: Place, seed: int) -> Take:
        """A part in one pass, kept and remembered."""
        line = self._line(script)
        take = None if self.store is None else self.store.kept(place, line)
        if take is None:
            take = make_take(self.synthesizer, line, seed, self.settings, self.take_options)
            if self.store is not None:
                self.store.keep(place, take)
        self._remember(script, take)
        return take

    def early(self, number: int) -> Generator[Waveform, None, Take]:
        """A part in one pass, heard while it is made, and remembered; what is wrong with it is a warning."""
        script = self.parts[number].script
        take = yield from stream_take(
            self.synthesizer, self._line(script), self.seed_of(number), self.settings, self.take_options
        )
        warn_of(take.warnings, take.seed, number, len(self.parts))
        self._remember(script, take)
        return take

    def _line(self, script: Script) -> Line:
        before = self.memory.before(script) or Line("")
        return Line(script.spoken, before.prompt, before.transcript, script)

    def _remember(self, script: Script, take: Take) -> None:
        if not take.warnings:
            self.memory.add(script, _heard(take, self.synthesizer.processor.frame_rate))
        release_free_memory()


def _smaller(script: Script) -> list[Script]:
    """The parts of a part, cut between turns and sentences; none where there is nothing to cut."""
    sentences = [sentence for turn in script.turns for sentence in sentences_of(turn.text)]
    sizes = [estimated_seconds(f"{sentence} ") for sentence in sentences]
    parts = script.chunks(max(_SMALLER * sum(sizes), *sizes))
    return parts if len(parts) > 1 else []


def _for_every_part(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of a pass, with its longest length asked of what is new: what is carried differs by part."""
    if "max_length" not in settings:
        return settings
    rest = {name: value for name, value in settings.items() if name != "max_length"}
    return {"max_new_tokens": settings["max_length"], **rest}


def _heard(take: Take, frame_rate: float) -> Tensor:
    """The frames of a take that its audio was made of."""
    first, last = take.start * frame_rate, (take.start + take.seconds) * frame_rate
    return take.codes[max(0, floor(first)) : ceil(last)]


def _joined(lines: Sequence[Line]) -> Line | None:
    if not lines:
        return None
    transcript = ""
    for line in lines:
        transcript = continue_transcript(transcript, line.transcript)
    return Line("", torch.cat([line.prompt for line in lines if line.prompt is not None]), transcript)


__all__ = ["Memory", "PartStore", "Place", "speak_long", "stream_long"]
