"""A text after edits, and the place in the author's text that each of its characters comes from.

Independent of what is edited and why.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self


class Edit(NamedTuple):
    """Replace `text[start:end]` by `stand_in`."""

    start: int
    end: int
    stand_in: str


@dataclass(frozen=True)
class EditedText:
    """A text that stands for the author's, from which parts were removed or replaced.

    A character that replaces others has the position of the first of them; one that was inserted, the position of the
    character before which it stands.

        text       [ S 1 ]   H i .
        author     J O H N : H i .      positions  0 0 0 0 5 6 7, length 8

    Args:
        text: the text after the edits.
        positions: for each character of `text`, its position in the author's text, never descending.
        length: the length of the author's text.
    """

    text: str
    positions: Sequence[int]
    length: int

    @classmethod
    def of(cls, text: str) -> Self:
        """The author's text itself."""
        return cls(text, range(len(text)), len(text))

    def edited(self, edits: Iterable[Edit]) -> "EditedText":
        """The text after further edits, which must be in order and must not overlap."""
        texts: list[str] = []
        positions: list[int] = []
        kept = 0
        for start, end, stand_in in edits:
            if not kept <= start <= end <= len(self.text):
                raise ValueError(
                    f"the edit of {start}:{end} is out of order, overlaps another or is outside the text."
                )
            texts += [self.text[kept:start], stand_in]
            positions += self.positions[kept:start]
            positions += [self.position(start)] * len(stand_in)
            kept = end
        if not texts:
            return self
        return EditedText("".join([*texts, self.text[kept:]]), (*positions, *self.positions[kept:]), self.length)

    def sub(self, pattern: re.Pattern[str], stand_in: str | Callable[[re.Match[str]], str]) -> "EditedText":
        """Replace every match of a pattern, as `re.sub` does. Matches that stay as they are keep their positions."""
        found = (
            Edit(match.start(), match.end(), stand_in(match) if callable(stand_in) else match.expand(stand_in))
            for match in pattern.finditer(self.text)
        )
        return self.edited(edit for edit in found if self.text[edit.start : edit.end] != edit.stand_in)

    def position(self, index: int) -> int:
        """The position in the author's text of `text[index]`; its length for the end of the text."""
        return self.positions[index] if index < len(self.text) else self.length

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The start and end, exclusive, in the author's text of `text[start:end]`, which must not be empty."""
        first, last = self.position(start), self.position(end - 1)
        if end - start > 1 and self.position(end - 2) == last:  # what the last characters replace ends with the next
            return first, max(self.position(end), last + 1)
        return first, last + 1


__all__ = ["Edit", "EditedText"]
