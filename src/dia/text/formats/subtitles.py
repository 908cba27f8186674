"""The cues of SubRip (.srt) and WebVTT (.vtt) files: their times, and where their lines are in the file.

The parsers on PyPI (pysubs2, webvtt-py, srt) return texts without their positions in the file, and some of them skip
lines that are not valid. Here every word keeps its position, and an invalid line is an error.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from dia.text.formats.lines import FormatError, Line, lines_of

_CLOCK = r"(?:(\d{1,9}):)?([0-5]?\d):([0-5]?\d)(?:[.,](\d{1,9}))?"
_TIMES = re.compile(rf"[ \t]*{_CLOCK}[ \t]*-->[ \t]*{_CLOCK}(?:[ \t].*)?")
SRT_EXAMPLE, VTT_EXAMPLE = "00:00:01,000 --> 00:00:04,000", "00:00:01.000 --> 00:00:04.000"
_NUMBER = re.compile(r"[ \t]*(\d{1,9})[ \t]*")
_CLOCK_LIKE = re.compile(r"\d:\d")
# Two times with anything but an arrow between them, at the beginning of a line.
_TIMES_LIKE = re.compile(r"[ \t]*\d{1,9}:\d{1,2}:\d{1,2}[.,]\d{1,3}\W{1,9}\d{1,9}:\d{1,2}:\d{1,2}[.,]\d{1,3}[ \t]*")
_BEGINNING = re.compile(rf"\ufeff?\s{{0,99}}(?:\d{{1,9}}[ \t]*(?:\r\n|\r|\n))?{_TIMES.pattern}(?:[\r\n]|\Z)")
_HEADER = re.compile(r"\ufeff?WEBVTT(?=[ \t\r\n]|\Z)")
_NOT_CUES = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t]|\Z)")


@dataclass(frozen=True)
class Cue:
    """A subtitle.

    Attributes:
        name: its number or identifier in the file; its ordinal if there is none.
        start: seconds.
        end: seconds; equal to `start` if the file gives an end that is not after it.
        lines: its lines that are not blank.
        invalid_end: whether the file gives an end before the start.
    """

    name: str
    start: float
    end: float
    lines: tuple[Line, ...]
    invalid_end: bool = False


def subtitle_format(text: str) -> str | None:
    """`"srt"` or `"vtt"` if a text unmistakably begins as such a file, else None."""
    if _HEADER.match(text):
        return "vtt"
    return "srt" if _BEGINNING.match(text) else None


def srt_cues(text: str) -> list[Cue]:
    """The cues of a SubRip file.

    A cue lasts until the next line of times, so a blank line within it does no harm. The number before the times is
    optional.

    Raises:
        FormatError: a line of times is invalid or missing; the message names the line.
    """
    lines = list(lines_of(text))
    times = [index for index, line in enumerate(lines) if _is_times(line, SRT_EXAMPLE)]
    firsts = [_first_line(lines, index) for index in times]
    _check_blank(lines[: firsts[0]] if firsts else lines)
    cues: list[Cue] = []
    ends = [*firsts, len(lines)][1:]
    for ordinal, (first, index, end) in enumerate(zip(firsts, times, ends, strict=True), 1):
        name = lines[first].text.strip() if first < index else str(ordinal)
        cues.append(_cue(name, lines[index], lines[index + 1 : end]))
        _check_numbers(lines[index + 1 : end], name)
    return cues


def vtt_cues(text: str) -> list[Cue]:
    """The cues of a WebVTT file, without its header, notes, styles and regions.

    Raises:
        FormatError: a line of times is invalid or missing; the message names the line.
    """
    cues: list[Cue] = []
    for number, block in enumerate(_blocks(text)):
        first = block[0]
        if (number == 0 and _HEADER.match(first.text)) or _NOT_CUES.match(first.text):
            continue
        times = next((index for index, line in enumerate(block[:2]) if _is_times(line, VTT_EXAMPLE)), None)
        if times is None and cues and not cues[-1].lines:  # an empty line after the times
            cues[-1] = replace(cues[-1], lines=tuple(line for line in block if line.text.strip()))
            continue
        if times is None:
            raise FormatError(first.number, f"{_excerpt(first)} belongs to no cue. {_remedy(VTT_EXAMPLE)}")
        name = first.text.strip() if times else str(len(cues) + 1)
        cues.append(_cue(name, block[times], block[times + 1 :]))
    return cues


def _blocks(text: str) -> Iterator[list[Line]]:
    """The groups of lines between empty lines. A line of spaces is not empty."""
    for empty, block in groupby(lines_of(text), key=lambda line: not line.text):
        if not empty:
            yield list(block)


def _is_times(line: Line, example: str) -> bool:
    """Whether a line has the times of a cue. If it is meant to but is invalid, an error shows the example."""
    if "-->" not in line.text:
        if not _TIMES_LIKE.fullmatch(line.text):
            return False
    elif _TIMES.fullmatch(line.text):
        return True
    elif not _CLOCK_LIKE.search(line.text):
        return False
    raise FormatError(line.number, f"{_excerpt(line)} is not a valid line of times. {_remedy(example)}")


def _first_line(lines: Sequence[Line], times: int) -> int:
    """The index of the first line of a cue: that of its number, or of its times if it has no number."""
    return times - 1 if times and _NUMBER.fullmatch(lines[times - 1].text) else times


def _check_blank(lines: Sequence[Line]) -> None:
    """Reject words before the first cue."""
    for line in lines:
        if line.text.strip():
            raise FormatError(line.number, f"{_excerpt(line)} stands before the first cue. {_remedy(SRT_EXAMPLE)}")


def _check_numbers(lines: Sequence[Line], name: str) -> None:
    """Reject the number of the next cue, after a blank line, without its times."""
    if not name.isdecimal():
        return
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        number = _NUMBER.fullmatch(line.text)
        if number and not before.text.strip() and after.text.strip() and int(number[1]) == int(name) + 1:
            raise FormatError(after.number, f"the times of cue {number[1]} are missing. {_remedy(SRT_EXAMPLE)}")


def _cue(name: str, times: Line, lines: Sequence[Line]) -> Cue:
    match = _TIMES.fullmatch(times.text)
    assert match is not None
    start, end = _seconds(*match.group(1, 2, 3, 4)), _seconds(*match.group(5, 6, 7, 8))
    return Cue(name, start, max(start, end), tuple(line for line in lines if line.text.strip()), end < start)


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(f"{seconds}.{fraction or 0}")


def _excerpt(line: Line) -> str:
    return repr(line.text.strip() if len(line.text.strip()) <= 60 else f"{line.text.strip()[:60]}…")


def _remedy(example: str) -> str:
    return f"Write the times of a cue as {example}, and its words on the lines after it."


__all__ = ["SRT_EXAMPLE", "VTT_EXAMPLE", "Cue", "srt_cues", "subtitle_format", "vtt_cues"]
