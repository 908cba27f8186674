"""Subtitles from timed turns, as SubRip (.srt) or WebVTT (.vtt). Independent of how the times are found."""

import math
import textwrap
from collections.abc import Iterable
from typing import NamedTuple, Protocol

LINE_WIDTH = 42  # characters, the common limit for subtitles
LINES = 2


class TimedTurn(Protocol):
    """Any object with these attributes, such as `dia.synthesis.takes.alignment.TurnTime`. Times are in seconds."""

    @property
    def speaker(self) -> str:
        """The speaker, such as S1."""

    @property
    def text(self) -> str:
        """The words."""

    @property
    def start(self) -> float:
        """The start time."""

    @property
    def end(self) -> float:
        """The end time."""


class _Cue(NamedTuple):
    """A subtitle on screen; times in milliseconds."""

    speaker: str
    lines: list[str]
    start: int
    end: int


def srt(turns: Iterable[TimedTurn]) -> str:
    """Turns as a SubRip file, with cues of at most two lines of 42 characters.

    A long turn is split into cues; each is shown in proportion to its number of letters. If turns overlap, the later
    one is shown after the earlier one ends. SubRip has no mark for speakers, so they are not named.

    Raises:
        ValueError: a time is negative or not finite, or a turn ends before it starts.
    """
    cues = [
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n" + "\n".join(cue.lines).replace("-->", "->")
        for number, cue in enumerate(_cues(turns), 1)
    ]
    return "".join(f"{cue}\n\n" for cue in cues)


def vtt(turns: Iterable[TimedTurn]) -> str:
    """Turns as a WebVTT file, with a voice tag for the speaker of each cue; otherwise like `srt`.

    Raises:
        ValueError: as in `srt`.
    """
    cues = [
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n<v {_escaped(cue.speaker)}>"
        + "\n".join(_escaped(line) for line in cue.lines)
        for cue in _cues(turns)
    ]
    return "\n\n".join(["WEBVTT", *cues]) + "\n"


def _cues(turns: Iterable[TimedTurn]) -> list[_Cue]:
    cues: list[_Cue] = []
    free = 0  # the earliest start of the next cue
    for turn in sorted(map(_checked, turns), key=lambda turn: turn.start):
        shown = _shown(turn.text)
        start = max(round(1000 * turn.start), free)
        length = max(round(1000 * turn.end) - start, len(shown))  # at least a millisecond each
        letters = [sum(map(len, lines)) for lines in shown]
        for index, lines in enumerate(shown):
            begin, end = (start + length * sum(letters[:count]) // sum(letters) for count in (index, index + 1))
            cues.append(_Cue(turn.speaker, lines, max(begin, free), max(end, begin + 1, free + 1)))
            free = cues[-1].end
    return cues


def _checked(turn: TimedTurn) -> TimedTurn:
    if not (math.isfinite(turn.start) and math.isfinite(turn.end) and 0 <= turn.start <= turn.end):
        raise ValueError(
            f"turns: {turn.text[:40]!r} lasts from {turn.start} to {turn.end} s; expected finite times with "
            f"0 <= start <= end."
        )
    return turn


def _shown(text: str) -> list[list[str]]:
    """Split a text into the lines of its cues: the minimum number of cues, evenly filled."""
    full = textwrap.wrap(text, LINE_WIDTH)
    if len(full) < LINES:
        return [full] if full else []
    max_lines = math.ceil(len(full) / LINES) * LINES
    narrow, wide = 1, LINE_WIDTH
    while narrow < wide:
        width = (narrow + wide) // 2
        if _fits(text, width, max_lines):
            wide = width
        else:
            narrow = width + 1
    lines = textwrap.wrap(text, wide) if _fits(text, wide, max_lines) else full
    return [lines[first : first + LINES] for first in range(0, len(lines), LINES)]


def _fits(text: str, width: int, max_lines: int) -> bool:
    longest = max(map(len, text.split()), default=0)
    return longest <= width and len(textwrap.wrap(text, width)) <= max_lines


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"


def _escaped(text: str) -> str:
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())


__all__ = ["LINES", "LINE_WIDTH", "TimedTurn", "srt", "vtt"]
