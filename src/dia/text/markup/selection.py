"""The parts of a text that are kept, and what stands between them, as edits of the text.

Independent of the kind of markup.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from dia.text.characters.edited import Edit

LINE, PARAGRAPH, CELL, NOTHING = "\n", "\n\n", ", ", ""
_STRENGTH = {NOTHING: 0, CELL: 1, LINE: 2, PARAGRAPH: 3}
_LINE_ENDS = re.compile(r"(?<![^\S\xa0])[^\S\xa0]*[\r\n]\s*")
_ENDED = tuple(",;:.!?…")


class _Piece(NamedTuple):
    """`text[start:end]`, or what replaces it."""

    start: int
    end: int
    stand_in: str | None


class Selection:
    """Collects parts of a text from its beginning to its end.

    Separators are written before the next part, the strongest of those requested; none is written before the first
    part or after the last.

        text        <p>One</p> <p>Two</p>
        selected       One        Two       →  "One\n\nTwo"

    Args:
        text: the text.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._pieces: list[_Piece] = []
        self._separator, self._last = NOTHING, ""

    @property
    def end(self) -> int:
        """The end of the last part, a position in the text."""
        return self._pieces[-1].end if self._pieces else 0

    @property
    def last(self) -> str:
        """The characters last selected, at most a few; empty after a separator."""
        return "" if self._separator else self._last

    def keep(self, start: int, end: int, *, one_line: bool = False) -> None:
        """Keep `text[start:end]`.

        Args:
            start: the first character.
            end: after the last character.
            one_line: replace line ends by spaces, as in HTML.
        """
        if self._separator:
            start += len(self.text[start:end]) - len(self.text[start:end].lstrip())
        if start >= end:
            return
        self._separate(start)
        if one_line:
            for line_end in _LINE_ENDS.finditer(self.text, start, end):
                self._add(start, line_end.start(), None)
                self._add(line_end.start(), line_end.end(), " ")
                start = line_end.end()
        self._add(start, end, None)

    def put(self, start: int, end: int, stand_in: str) -> None:
        """Replace `text[start:end]`, which may be empty."""
        if stand_in:
            self._separate(start)
            self._add(start, end, stand_in)

    def separate(self, separator: str) -> None:
        """Request a separator before the next part: `CELL`, `LINE` or `PARAGRAPH`."""
        if self._pieces and _STRENGTH[separator] > _STRENGTH[self._separator]:
            self._separator = separator

    def mark(self) -> int:
        """The present number of pieces, for `replace_since`."""
        return len(self._pieces)

    def replace_since(self, mark: int, start: int, end: int, replace: Callable[[str], str]) -> None:
        """Replace what was selected since a mark, which comes from `text[start:end]`."""
        selected = "".join(map(self._shown, self._pieces[mark:]))
        stand_in = replace(selected)
        if stand_in != selected:
            del self._pieces[mark:]
            self._last = "".join(map(self._shown, self._pieces[-2:]))[-40:]
            self.put(start, end, stand_in)

    def edits(self) -> list[Edit]:
        """The edits that leave what was selected."""
        edits: list[Edit] = []
        kept = 0
        for start, end, stand_in in self._pieces:
            if stand_in is not None:
                edits.append(Edit(kept, end, stand_in))
            elif kept < start:
                edits.append(Edit(kept, start, ""))
            kept = end
        if kept < len(self.text):
            edits.append(Edit(kept, len(self.text), ""))
        return edits

    def _separate(self, start: int) -> None:
        separator, self._separator = self._separator, NOTHING
        if separator == CELL and self._last.rstrip().endswith(_ENDED):
            separator = " "
        if separator:
            self._add(start, start, separator)

    def _add(self, start: int, end: int, stand_in: str | None) -> None:
        start, end = max(start, self.end), max(end, self.end)
        if start < end or stand_in:
            piece = _Piece(start, end, stand_in)
            self._pieces.append(piece)
            self._last = (self._last + self._shown(piece)[-40:])[-40:]

    def _shown(self, piece: _Piece) -> str:
        return self.text[piece.start : piece.end] if piece.stand_in is None else piece.stand_in


__all__ = ["CELL", "LINE", "NOTHING", "PARAGRAPH", "Selection"]
