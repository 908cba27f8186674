"""Subtitles from timed turns, as SubRip (.srt) and WebVTT (.vtt).

Knows text and seconds. Knows nothing of how the times were found.
"""

import math
import textwrap
from collections.abc import Iterable
from typing import NamedTuple, Protocol

LINE_WIDTH = 42  # characters, as subtitles are commonly set
LINES = 2


class TimedTurn(Protocol):
    """Whatever has these four: `dia.synthesis.takes.generation.TurnTime` for one. Start and end are seconds."""

    @property
    def speaker(self) -> str:
        """Who speaks, such as S1."""

    @property
    def text(self) -> str:
        """What is said."""

    @property
    def start(self) -> float:
        """When it begins."""

    @property
    def end(self) -> float:
        """When it ends."""


class _Cue(NamedTuple):
    """What is shown at once; times in milliseconds."""

    speaker: str
    lines: list[str]
    start: int
    end: int


def srt(turns: Iterable[TimedTurn]) -> str:
    """The turns as a SubRip file: cues of at most two lines of 42 characters, one after the other.

    A long turn is cut into cues whose times are in proportion to their letters. Where turns overlap, the later one is
    shown when the earlier one has gone. SubRip has no mark for speakers, so they are not named.

    Raises:
        ValueError: a time is negative or not finite, or a turn ends before it starts.
    """
    cues = [
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n" + "\n".join(cue.lines).replace("-->", "->")
        for number, cue in enumerate(_cues(turns), 1)
    ]
    return "".join(f"{cue}\n\n" for cue in cues)


def vtt(turns: Iterable[TimedTurn]) -> str:
    """The turns as a WebVTT file, each cue with its speaker as its voice; otherwise as `srt`.

    Raises:
        ValueError: as `srt`.
    """
    cues = [
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n<v {_escaped(cue.speaker)}>"
        + "\n".join(_escaped(line) for line in cue.lines)
        for cue in _cues(turns)
    ]
    return "\n\n".join(["WEBVTT", *cues]) + "\n"


def _cues(turns: Iterable[TimedTurn]) -> list[_Cue]:
    cues: list[_Cue] = []
    free = 0  # no cue may begin before
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
            f"turns: {turn.text[:40]!r} lasts from {turn.start} to {turn.end} s; give seconds from 0 on, in order."
        )
    return turn


def _shown(text: str) -> list[list[str]]:
    """A text as the lines of its cues: no more cues than full lines would need, and those evenly filled."""
    full = textwrap.wrap(text, LINE_WIDTH)
    if len(full) < LINES:
        return [full] if full else []
    most = math.ceil(len(full) / LINES) * LINES
    narrow, wide = 1, LINE_WIDTH
    while narrow < wide:
        width = (narrow + wide) // 2
        if _fits(text, width, most):
            wide = width
        else:
            narrow = width + 1
    lines = textwrap.wrap(text, wide) if _fits(text, wide, most) else full
    return [lines[first : first + LINES] for first in range(0, len(lines), LINES)]


def _fits(text: str, width: int, most: int) -> bool:
    longest = max(map(len, text.split()), default=0)
    return longest <= width and len(textwrap.wrap(text, width)) <= most


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"


def _escaped(text: str) -> str:
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())


__all__ = ["LINES", "LINE_WIDTH", "TimedTurn", "srt", "vtt"]
