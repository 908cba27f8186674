"""A parsed script: its turns, their estimated duration, and splitting a long script into parts.

Independent of models, audio and the syntax of a script.
"""

import math
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from dia.text.chunking import cut_cost, even_groups, pieces
from dia.text.prompt_format import PromptFormat
from dia.text.tags import (
    MAYBE_SOUND,
    NON_VERBAL_TAGS,
    PAUSE_MARK,
    PHONES_IN_BRACES,
    SPEAKER_TAG,
    SPEAKERS,
    listed_sound,
)
from dia.text.word_alignment import Word, align_words

LETTERS_PER_SECOND = 15.0  # of unhurried English, including pauses for breath
WIDE_LETTER = 3  # letters per Chinese, Japanese or Korean character, which takes about as long as a syllable
SOUND_SECONDS = 1.0  # duration of a sound such as (laughs)
ADVISED_SECONDS = 2.0  # no advice below this: a script of a word or two is short on purpose
LONGEST_PAUSE = 60.0

_MARKED = re.compile(r"[\[［({]")


@dataclass(frozen=True)
class Turn:
    """Words that one speaker says without a break.

    Args:
        speaker: S1 or S2.
        text: the words without the speaker tag, including sounds such as (laughs); in spoken form if the script was
            normalized.
        pause: silence after the turn in seconds, to the millisecond.
        shown: the words as the author wrote them, without tags and pause marks, with single spaces; by default `text`.
        span: the start and end of these words in the parsed text, end exclusive.
        positions: the position of each word of `shown` in the parsed text; empty if unknown.
    """

    speaker: str
    text: str
    pause: float = 0.0
    shown: str = field(default="", compare=False)
    span: tuple[int, int] = field(default=(0, 0), compare=False)
    positions: tuple[int, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.speaker not in SPEAKERS:
            raise ValueError(f"speaker is {self.speaker!r}; use {' or '.join(SPEAKERS)}.")
        if not isinstance(self.text, str) or not self.text.strip():
            raise ValueError(f"text is {self.text!r}; a turn must not be empty.")
        if not 0 <= self.pause <= LONGEST_PAUSE:
            raise ValueError(f"pause is {self.pause} s; use 0 to {LONGEST_PAUSE:g} s.")
        if not self.shown:
            object.__setattr__(self, "shown", self.text)

    def __str__(self) -> str:
        return f"[{self.speaker}] {self.text}" + (f" [pause:{round(1000 * self.pause)}ms]" if self.pause else "")

    def words(self) -> list[Word]:
        """The words of `shown`, each with its span in `text`: `$5` with "five dollars"."""
        return align_words(self.shown, self.text)

    @property
    def sounds(self) -> list[str]:
        """The sounds in the text, such as (laughs), in order."""
        return [sound for sound in MAYBE_SOUND.findall(self.text) if sound in NON_VERBAL_TAGS]


@dataclass(frozen=True)
class Script:
    """A parsed script and the warnings about it.

    Args:
        turns: the turns in order, one or more.
        warnings: each states a fact and its remedy.
        advice: the subset of the warnings about the order of the speakers.
        names: the speaker, S1 or S2, of each name that the script gives its speakers, such as `{"JOHN": "S1"}`.
    """

    turns: tuple[Turn, ...]
    warnings: tuple[str, ...] = field(default=(), compare=False)
    advice: tuple[str, ...] = field(default=(), compare=False, repr=False)
    names: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.turns:
            raise ValueError("turns is empty; a script needs at least one turn.")

    def __str__(self) -> str:
        """The script with one turn per line; `parse` returns the same turns for it."""
        return "\n".join(str(turn) for turn in self.turns)

    @property
    def spoken(self) -> str:
        """The text for the model on one line, with a tag at each change of speaker and without pauses."""
        before = (None, *(turn.speaker for turn in self.turns))
        said = (
            turn.text if turn.speaker == last else f"[{turn.speaker}] {turn.text}"
            for last, turn in zip(before, self.turns, strict=False)
        )
        return " ".join(said)

    @property
    def seconds(self) -> float:
        """The estimated duration of its words, without pauses."""
        return sum(estimated_seconds(turn.text) for turn in self.turns)

    @property
    def has_pauses(self) -> bool:
        """Whether the script contains pauses."""
        return any(turn.pause for turn in self.turns)

    def warnings_for(self, format: PromptFormat, before: float = 0.0) -> tuple[str, ...]:
        """`warnings`, plus a warning if the script is too short for the model.

        Args:
            format: the conventions of the model.
            before: seconds of the recording that the script continues.
        """
        seconds, least = self.seconds, format.shortest_seconds
        if not ADVISED_SECONDS <= seconds < least - before:
            return self.warnings
        short = (
            f"the script is about {math.ceil(seconds)} s of speech; below {least:g} s, Dia may sound unnatural. Write "
            f"at least {least * LETTERS_PER_SECOND:.0f} letters."
        )
        return (*self.warnings, short)

    def chunks(self, seconds: float, rate: float = LETTERS_PER_SECOND) -> list["Script"]:
        """Split into consecutive scripts of at most `seconds` and of similar length.

        Cuts are made between turns and sentences. Sentences over the limit are cut between clauses, and clauses over
        the limit between words; a single word over the limit stays whole. The parts of a turn have the same speaker,
        and the last one has the pause. Each keeps its part of the author's words. A written word that is cut, such as
        a long number, is shown in both parts.

        Args:
            seconds: the maximum estimated seconds of speech, without pauses.
            rate: letters of text per second.

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
    """The estimated duration of a text in spoken form, in seconds; speaker tags and pauses do not count."""
    if not _MARKED.search(text):
        return _letters(text.lstrip()) / rate
    words = PAUSE_MARK.sub("", SPEAKER_TAG.sub("", text)).lstrip()
    sounds = [sound for sound in MAYBE_SOUND.findall(words) if listed_sound(sound)]
    words = PHONES_IN_BRACES.sub(lambda phones: "x" * len(phones[0].split()), words)  # about one letter per phone
    letters = _letters(words) - sum(len(sound) for sound in sounds)
    return letters / rate + SOUND_SECONDS * len(sounds)


def _letters(text: str) -> int:
    """The number of English letters that take as long to say: combining marks count 0, wide characters more."""
    if text.isascii():
        return len(text)
    wide = sum(WIDE_LETTER - 1 for character in text if unicodedata.east_asian_width(character) in "WF")
    return len(text) + wide - sum(unicodedata.category(character)[0] == "M" for character in text)


class _Cut:
    """A turn that may be cut. It aligns words only if a cut needs it."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn

    def part(self, start: int, end: int) -> Turn:
        """The part `text[start:end]` of the turn."""
        turn = self.turn
        if end - start == len(turn.text):
            return turn
        last = bisect_left(self._starts, end)
        first, after = self._words[bisect_right(self._ends, start)].first, self._first_of(last)
        span = turn.span
        if turn.positions:
            span = turn.positions[first], turn.positions[after] if after < len(turn.positions) else turn.span[1]
        return Turn(
            turn.speaker,
            turn.text[start:end],
            turn.pause if end == len(turn.text) else 0.0,
            " ".join(self._shown[first:after]),
            span,
            turn.positions[first:after],
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
    """A piece of a turn, `text[start:end]`, and the cost of cutting before it, which is 0 at the start of the turn."""

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
        start, cost = start + len(text) + 1, cut_cost(text)
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
