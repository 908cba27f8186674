"""What a script is once it is read: who says what in turn, how long that takes, and how a long one is cut.

Knows text alone. Knows nothing of models, audio or how a script may be written.
"""

import math
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from dia.text.chunking import cost_after, even_groups, pieces
from dia.text.prompt_format import PromptFormat
from dia.text.shown import Word, aligned
from dia.text.tags import (
    MAYBE_SOUND,
    NON_VERBAL_TAGS,
    PAUSE_MARK,
    PHONES_IN_BRACES,
    SPEAKER_TAG,
    SPEAKERS,
    listed_sound,
)

LETTERS_PER_SECOND = 15.0  # of unhurried English, pauses for breath included
WIDE_LETTER = 3  # letters: a Chinese, Japanese or Korean character takes about as long as a syllable
SOUND_SECONDS = 1.0  # what (laughs) and the like take
ADVISED_SECONDS = 2.0  # a shorter script is a word or two on purpose: to write more is no advice for it
LONGEST_PAUSE = 60.0

_MARKED = re.compile(r"[\[［({]")


@dataclass(frozen=True)
class Turn:
    """What one speaker says without a break.

    Args:
        speaker: S1 or S2.
        text: what is said, without the speaker's tag, with sounds such as (laughs) in it; in spoken form, unless the
            script was read without one.
        pause: seconds of silence after it, to the millisecond.
        shown: what the author wrote, without tags and pause marks, with single blanks; by default the text.
        span: where that stands in the text that was parsed, as the first character and the one after the last.
        places: where each word of `shown` begins in the text that was parsed; empty where that is not known.
    """

    speaker: str
    text: str
    pause: float = 0.0
    shown: str = field(default="", compare=False)
    span: tuple[int, int] = field(default=(0, 0), compare=False)
    places: tuple[int, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.speaker not in SPEAKERS:
            raise ValueError(f"speaker is {self.speaker!r}; Dia knows {' and '.join(SPEAKERS)}.")
        if not isinstance(self.text, str) or not self.text.strip():
            raise ValueError(f"text is {self.text!r}; a turn says something.")
        if not 0 <= self.pause <= LONGEST_PAUSE:
            raise ValueError(f"pause is {self.pause} s; use 0 to {LONGEST_PAUSE:g} s.")
        if not self.shown:
            object.__setattr__(self, "shown", self.text)

    def __str__(self) -> str:
        return f"[{self.speaker}] {self.text}" + (f" [pause:{round(1000 * self.pause)}ms]" if self.pause else "")

    def words(self) -> list[Word]:
        """The words of `shown`, each with the characters of `text` that say it: `$5` with "five dollars"."""
        return aligned(self.shown, self.text)

    @property
    def sounds(self) -> list[str]:
        """The sounds in it, such as (laughs), in order."""
        return [sound for sound in MAYBE_SOUND.findall(self.text) if sound in NON_VERBAL_TAGS]


@dataclass(frozen=True)
class Script:
    """Turns in their order, and what may be wrong with them.

    Args:
        turns: one or more.
        warnings: each a fact and its remedy.
        advice: those of the warnings that are about the order of the speakers.
    """

    turns: tuple[Turn, ...]
    warnings: tuple[str, ...] = field(default=(), compare=False)
    advice: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.turns:
            raise ValueError("turns is empty; a script says something.")

    def __str__(self) -> str:
        """The script, a turn in a line; `parse` makes the same turns of it."""
        return "\n".join(str(turn) for turn in self.turns)

    @property
    def spoken(self) -> str:
        """What the model reads, in one line: a tag where the speaker changes, no pauses."""
        before = (None, *(turn.speaker for turn in self.turns))
        said = (
            turn.text if turn.speaker == last else f"[{turn.speaker}] {turn.text}"
            for last, turn in zip(before, self.turns, strict=False)
        )
        return " ".join(said)

    @property
    def seconds(self) -> float:
        """About how long its words take to say; pauses take no time."""
        return sum(estimated_seconds(turn.text) for turn in self.turns)

    @property
    def has_pauses(self) -> bool:
        """Whether silence is asked for."""
        return any(turn.pause for turn in self.turns)

    def warnings_for(self, format: PromptFormat, before: float = 0.0) -> tuple[str, ...]:
        """`warnings`, and what a model with these conventions does not speak well.

        Args:
            format: the conventions of the model.
            before: seconds of a recording that the script continues.
        """
        seconds, least = self.seconds, format.shortest_seconds
        if not ADVISED_SECONDS <= seconds < least - before:
            return self.warnings
        short = (
            f"the script is about {math.ceil(seconds)} s of speech; under {least:g} s Dia may sound unnatural. Write "
            f"more, at least {least * LETTERS_PER_SECOND:.0f} letters."
        )
        return (*self.warnings, short)

    def chunks(self, seconds: float, rate: float = LETTERS_PER_SECOND) -> list["Script"]:
        """Cut into consecutive scripts of at most `seconds` and of even length; nothing is lost or reordered.

        Cuts are made between turns, inside turns between sentences, in sentences over the limit between clauses, in
        such clauses between words; a single word over the limit stays whole. The parts of a turn that is cut are turns
        of the same speaker, the last of them with the pause. Each keeps its part of what the author wrote; a word that
        is cut itself, such as a long number, is shown in both parts.

        Args:
            seconds: of speech, estimated; pauses do not count.
            rate: letters of text a second.

        Raises:
            ValueError: seconds or rate is not above 0.
        """
        for name, value in (("seconds", seconds), ("rate", rate)):
            if not value > 0:
                raise ValueError(f"{name} is {value}; use a number above 0.")
        parts = [part for turn in self.turns for part in _parts(turn, seconds, rate)]
        sizes = [estimated_seconds(f"{part.text} ", rate) for part in parts]
        groups = even_groups(sizes, seconds, [part.cost for part in parts])
        return [_joined(parts[group.start : group.stop]) for group in groups]


def estimated_seconds(text: str, rate: float = LETTERS_PER_SECOND) -> float:
    """About how long a text in spoken form takes to say, in seconds; speaker tags and pauses take no time."""
    if not _MARKED.search(text):
        return _letters(text.lstrip()) / rate
    words = PAUSE_MARK.sub("", SPEAKER_TAG.sub("", text)).lstrip()
    sounds = [sound for sound in MAYBE_SOUND.findall(words) if listed_sound(sound)]
    words = PHONES_IN_BRACES.sub(lambda phones: "x" * len(phones[0].split()), words)  # about a letter to a phone
    letters = _letters(words) - sum(len(sound) for sound in sounds)
    return letters / rate + SOUND_SECONDS * len(sounds)


def _letters(text: str) -> int:
    """Characters, marks above and below letters left out, as letters of English that take as long to say."""
    if text.isascii():
        return len(text)
    wide = sum(WIDE_LETTER - 1 for character in text if unicodedata.east_asian_width(character) in "WF")
    return len(text) + wide - sum(unicodedata.category(character)[0] == "M" for character in text)


class _Cut:
    """A turn that may be cut. Finds out which words are whose only where it is."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn

    def part(self, start: int, end: int) -> Turn:
        """The turn from character `start` of its text to before `end`."""
        turn = self.turn
        if end - start == len(turn.text):
            return turn
        last = bisect_left(self._starts, end)
        first, after = self._words[bisect_right(self._ends, start)].first, self._first_of(last)
        span = turn.span
        if turn.places:
            span = turn.places[first], turn.places[after] if after < len(turn.places) else turn.span[1]
        return Turn(
            turn.speaker,
            turn.text[start:end],
            turn.pause if end == len(turn.text) else 0.0,
            " ".join(self._shown[first:after]),
            span,
            turn.places[first:after],
        )

    def _first_of(self, number: int) -> int:
        return self._words[number].first if number < len(self._words) else len(self._shown)

    @cached_property
    def _words(self) -> list[Word]:
        return self.turn.words()

    @cached_property
    def _starts(self) -> list[int]:
        return [word.start for word in self._words]

    @cached_property
    def _ends(self) -> list[int]:
        return [word.end for word in self._words]

    @cached_property
    def _shown(self) -> list[str]:
        return self.turn.shown.split(" ")


class _Part(NamedTuple):
    """A piece of a turn: its characters `start` to before `end`, and what cutting before it costs, 0 where the turn
    begins."""

    cut: _Cut
    start: int
    end: int
    cost: float

    @property
    def text(self) -> str:
        return self.cut.turn.text[self.start : self.end]


def _parts(turn: Turn, seconds: float, rate: float) -> list[_Part]:
    texts, cut = pieces(turn.text, seconds, lambda text: estimated_seconds(text, rate)), _Cut(turn)
    parts, start, cost = list[_Part](), 0, 0.0
    for text in texts:
        parts.append(_Part(cut, start, start + len(text), cost))
        start, cost = start + len(text) + 1, cost_after(text)
    return parts


def _joined(parts: Sequence[_Part]) -> Script:
    groups: list[list[_Part]] = []
    for part in parts:
        if part.cost and groups:
            groups[-1].append(part)
        else:
            groups.append([part])
    return Script(tuple(group[0].cut.part(group[0].start, group[-1].end) for group in groups))


__all__ = ["LETTERS_PER_SECOND", "LONGEST_PAUSE", "Script", "Turn", "estimated_seconds"]
