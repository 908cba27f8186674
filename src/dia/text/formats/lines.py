"""The lines of a file with their positions, and the error for a line that cannot be read."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE = re.compile(r"([^\r\n]*)(?:\r\n|\r|\n|\Z)")


class FormatError(ValueError):
    """A line that is not in the format of the file; the message begins with `line N:`."""

    def __init__(self, number: int, fault: str) -> None:
        super().__init__(f"line {number}: {fault}")


class Line(NamedTuple):
    """A line without its end: its number, from 1, its text, and the position of its first character."""

    number: int
    text: str
    start: int

    @property
    def end(self) -> int:
        """The position after its last character."""
        return self.start + len(self.text)


def lines_of(text: str) -> Iterator[Line]:
    """The lines of a text, which end with `\\n`, `\\r\\n` or `\\r`. A byte order mark is not part of the first."""
    place, number = (1 if text.startswith("\ufeff") else 0), 0
    while place < len(text):
        match = _LINE.match(text, place)
        assert match is not None
        number += 1
        yield Line(number, match[1], place)
        place = match.end()


__all__ = ["FormatError", "Line", "lines_of"]
