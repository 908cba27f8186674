"""Scripts longer than a pass speaks well: part after part, each going on from what was said before.

Knows takes and how they are joined. Knows nothing of files: what is finished is kept by a `Keeper`, if there is one.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import ceil, floor
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from dia.runtime.memory import give_back
from dia.synthesis.joining import Piece, as_one, heard_early, pieces
from dia.synthesis.planning import Before, Part, plan
from dia.synthesis.seeds import check_seed, later_seed
from dia.synthesis.synthesizer import Audio, Speech
from dia.synthesis.take import Care, Line, Take
from dia.synthesis.take_checks import warn_of
from dia.synthesis.takes import make_take, stream_take
from dia.text.chunking import sentences_of
from dia.text.prompt_format import CARRIES, Carry, PromptFormat, continued
from dia.text.script import Script, estimated_seconds

_SEEDS_APART = 1000  # between the parts' first seeds: room for the retries of each
_SMALLER = 0.6  # of its length: what a part is cut into where it fails as a whole
_NOTHING: Mapping[str, Any] = {}

Place = tuple[int, ...]  # of a part, its number from 0; of a part of it, that and the number in it


class Keeper(Protocol):
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
            heard = set(chain.from_iterable(_speakers(line.transcript) for line in lines))
            missing = {turn.speaker for turn in script.turns} - heard
            lines = [self._by_speaker[name] for name in sorted(missing) if name in self._by_speaker] + lines
        return _joined(lines)

    def add(self, script: Script, codes: Tensor) -> None:
        """Remember a part that went well; codes: [T, C], what is heard of it."""
        self._last = Line("", codes, script.spoken)
        self._first = self._first or self._last
        self._by_speaker |= {turn.speaker: self._last for turn in script.turns}


def speak_long(
    speech: Speech,
    script: Script,
    voice: Line | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] = _NOTHING,
    care: Care | None = None,
    *,
    carry: Carry | None = None,
    keeper: Keeper | None = None,
    progress: bool = False,
) -> Iterator[Piece]:
    """Speak a script of any length, part after part; none is kept here.

    Args:
        speech: model, processor and codec.
        script: what to say.
        voice: a voice to speak with, as a line whose text is empty.
        seed: of the first part; the next have seeds of their own that follow from it. By default a random one.
        settings: keywords of transformers' `generate`.
        care: retries and the like, for every part.
        carry: what each part goes on from; by default what suits the checkpoint, see `dia.text.prompt_format`.
        keeper: keeps finished parts, and brings those that were finished before.
        progress: show a bar.

    Yields:
        The parts as they are finished.

    Raises:
        ValueError: an argument is unusable; the message names it.
    """
    teller = _Teller.of(speech, script, voice, seed, settings, care or Care(), carry, keeper)
    counted = enumerate(tqdm(teller.parts, "speaking", unit=" parts", leave=False, disable=None if progress else True))
    takes = (teller.take(part.script, (number,), teller.seed_of(number)) for number, part in counted)
    return pieces(takes, [part.pause for part in teller.parts], teller.care.edge_seconds)


def hear_long(
    speech: Speech,
    script: Script,
    voice: Line | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] = _NOTHING,
    care: Care | None = None,
) -> Iterator[Audio]:
    """The audio of `speak_long` while it is made: the first of it as soon as it is certain.

    Args:
        speech: model, processor and codec.
        script: as in `speak_long`, like the others.
        voice: a voice.
        seed: of the first part.
        settings: keywords of transformers' `generate`.
        care: of which the edges count: what is heard already is not spoken again.

    Yields:
        Samples [N], float32; joined they are the audio of the parts.

    Raises:
        ValueError: an argument is unusable; the message names it.
    """
    teller = _Teller.of(speech, script, voice, seed, settings, care or Care())
    takes = (teller.early(number) for number in range(len(teller.parts)))
    rate = speech.processor.sampling_rate
    return heard_early(takes, [part.pause for part in teller.parts], teller.care.edge_seconds, rate)


@dataclass(frozen=True)
class _Teller:
    """Speaks parts one after the other, each with what was said before it."""

    speech: Speech
    parts: list[Part]
    seed: int
    settings: Mapping[str, Any]
    care: Care
    memory: Memory
    keeper: Keeper | None

    @classmethod
    def of(
        cls,
        speech: Speech,
        script: Script,
        voice: Line | None,
        seed: int | None,
        settings: Mapping[str, Any],
        care: Care,
        carry: Carry | None = None,
        keeper: Keeper | None = None,
    ) -> "_Teller":
        """Plan a speech."""
        format = PromptFormat.of(speech.model.generation_config)
        carry = carry or format.carry
        if carry not in CARRIES:
            raise ValueError(f"carry={carry!r} must be one of {', '.join(CARRIES)}.")
        check_seed(seed)
        seed = int(torch.randint(2**31, ())) if seed is None else seed
        seconds = 0.0 if voice is None or voice.prompt is None else len(voice.prompt) / speech.processor.frame_rate
        parts = plan(script, format, carry, Before(_speakers(voice.transcript) if voice else (), seconds))
        return cls(speech, parts, seed, _for_every_part(settings), care, Memory(carry, voice), keeper)

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
        joined = as_one(pieces(takes, [0.0] * len(takes), self.care.edge_seconds))
        begins = [f" at {take.turns[0].text!r}" if take.turns else "" for take in takes]
        told = (fault + begin for take, begin in zip(takes, begins, strict=True) for fault in take.warnings)
        return replace(joined, warnings=tuple(told))

    def _takes(self, script: Script, place: Place, seed: int) -> list[Take]:
        """A part as one take, or as several; what is remembered of them is heard."""
        whole = self._whole(script, place, seed)
        smaller = _smaller(script) if whole.warnings and self.care.retries else []
        takes = [take for number, part in enumerate(smaller) for take in self._takes(part, (*place, number), seed)]
        if all(take.warnings for take in takes):
            return [replace(whole, attempts=sum((take.attempts for take in takes), whole.attempts))]
        return [replace(takes[0], attempts=whole.attempts + takes[0].attempts), *takes[1:]]

    def _whole(self, script: Script, place: Place, seed: int) -> Take:
        """A part in one pass, kept and remembered."""
        line = self._line(script)
        take = None if self.keeper is None else self.keeper.kept(place, line)
        if take is None:
            take = make_take(self.speech, line, seed, self.settings, self.care)
            if self.keeper is not None:
                self.keeper.keep(place, take)
        self._remember(script, take)
        return take

    def early(self, number: int) -> Generator[Audio, None, Take]:
        """A part in one pass, heard while it is made, and remembered; what is wrong with it is a warning."""
        script = self.parts[number].script
        take = yield from stream_take(self.speech, self._line(script), self.seed_of(number), self.settings, self.care)
        warn_of(take.warnings, take.seed, number, len(self.parts))
        self._remember(script, take)
        return take

    def _line(self, script: Script) -> Line:
        before = self.memory.before(script) or Line("")
        return Line(script.spoken, before.prompt, before.transcript, script)

    def _remember(self, script: Script, take: Take) -> None:
        if not take.warnings:
            self.memory.add(script, _heard(take, self.speech.processor.frame_rate))
        give_back()


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
        transcript = continued(transcript, line.transcript)
    return Line("", torch.cat([line.prompt for line in lines if line.prompt is not None]), transcript)


def _speakers(transcript: str) -> set[str]:
    return {name for name in ("S1", "S2") if f"[{name}]" in transcript}


__all__ = ["Keeper", "Memory", "Place", "hear_long", "speak_long"]
