"""Transcripts without names: the times at the beginning of lines, as YouTube and speech recognizers write them.

Independent of subtitles, whose times have an end.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from dia.text.characters.edited import Edit, EditedText
from dia.text.listing import first_names

_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?"
_STAMP = re.compile(
    rf"^[ \t]{{0,20}}(?P<bracket>[\[(])?(?P<time>{_CLOCK})(?: ?(?:-->|-|–|—) ?{_CLOCK})?[\])]?"
    r"(?:[ \t]{1,9}|[ \t]{0,3}[-–—:|][ \t]{1,9}|[ \t]{0,9}\r?\n)[ \t]{0,20}(?=\S)",
    re.MULTILINE,
)
_FEWEST = 3
_FIRST_MINUTE = 60  # bare times count from the beginning of a recording; others may be those of a day
_COVERED = 1 / 3  # of the lines have a time, or follow one


def without_times(source: EditedText) -> tuple[EditedText, list[str]]:
    """Leave out the times of a transcript. A line that goes on in the next is joined with it."""
    if source.text.count(":") < _FEWEST:
        return source, []
    stamps = list(_STAMP.finditer(source.text))
    if not _is_transcript(source.text, stamps):
        return source, []
    times = first_names(stamp["time"] for stamp in stamps)
    left = source.edited(_edits(source.text, stamps))
    return left, [f"{times}: taken for the times of a transcript and left out. Write words to have them spoken."]


def _is_transcript(text: str, stamps: Sequence[re.Match[str]]) -> bool:
    if len(stamps) < _FEWEST or len(stamps) < _COVERED * sum(1 for line in text.splitlines() if line.strip()):
        return False
    seconds = [_seconds(stamp["time"]) for stamp in stamps]
    begins = seconds[0] < _FIRST_MINUTE or all(stamp["bracket"] for stamp in stamps)
    return begins and all(before <= after for before, after in pairwise(seconds))


def _seconds(time: str) -> float:
    parts = [float(part) for part in time.replace(",", ".").split(":")]
    return sum(part * 60**place for place, part in enumerate(reversed(parts)))


def _edits(text: str, stamps: Sequence[re.Match[str]]) -> Iterator[Edit]:
    for stamp in stamps:
        before = text[max(0, stamp.start() - 99) : stamp.start()]
        begins = stamp.start() - (len(before) - len(before.rstrip()))
        goes_on = before.strip() and text[stamp.end()].islower()
        yield Edit(begins, stamp.end(), " " if goes_on else "\n" if before.strip() else "")


__all__ = ["without_times"]
