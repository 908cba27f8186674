"""Decide which line breaks end a sentence: those of list items, headings and verse, not those of wrapped prose.

"1. milk\\n2. bread" becomes "1, milk.\\n2, bread.". A break that ends a sentence stays a line break, any other becomes
a space. Independent of abbreviations and numbers.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from dia.text.characters.edited import Edit, EditedText
from dia.text.english.lists import BULLETS, UNFINISHED, Item, inline_edits, line_items, mark_edit
from dia.text.sounds import sound_of

_NARROWEST, _WIDEST = 30, 120  # characters in a line of wrapped prose
_SHORT = 25  # characters in an item of a list without marks
_MOSTLY = 0.75  # the share of lines of verse that begin with a capital
_TAIL = 84  # characters at the end of a line that decide about it
_FULL = 0.75  # the share of the width that a line of wrapped prose fills at least

_BEGINS = re.compile(r"[\"'(\u201c\u2018]*(?:[A-Z]|\d)")
_PRONOUN_OR_NUMBER = re.compile(r"[\"']*(?:I\b|\d)")
_LETTER_OR_FIGURE_AT_END = re.compile(r"[^\W_][\"'\u201d\u2019]*$|[%$\u20ac]$")
_BRACKET_AT_END = re.compile(r"\([^()]{0,80}\w\)$")
_PUNCTUATED = re.compile(r"[.,;:!?\u2026][\"'\u201d\u2019)]*$|-$|\u2014$")


class _Line(NamedTuple):
    """A line without white space at its ends, `text[start:end]`, and the mark of the list item that it begins.

    `tail` is the end of its words.
    """

    start: int
    end: int
    words: str
    tail: str
    item: Item | None
    ends_paragraph: bool


def line_ends(text: str) -> str:
    """Replace each line break by a space or, if it ends a sentence, by a full stop and a line break.

    Numbers of list items are followed by a comma, bullets are dropped. A text without line breaks and lists is
    unchanged. The running time is linear.
    """
    for edits in _STEPS:
        text = _edited(text, edits(text))
    return text


def with_line_ends(text: EditedText) -> EditedText:
    """`line_ends`, with the position of each character."""
    for edits in _STEPS:
        text = text.edited(edits(text.text))
    return text


def _edited(text: str, edits: Iterable[Edit]) -> str:
    parts, kept = [], 0
    for start, end, stand_in in edits:
        parts += [text[kept:start], stand_in]
        kept = end
    return "".join([*parts, text[kept:]])


def _lines(text: str) -> list[_Line]:
    """The lines that are not blank."""
    found = [match for match in re.finditer(r"[^\n]+", text) if match[0].strip()]
    spans = [
        (match.start() + len(match[0]) - len(match[0].lstrip()), match.start() + len(match[0].rstrip()))
        for match in found
    ]
    items = {item.start: item for item in line_items(text, spans)}
    after = [start for start, _ in spans[1:]]
    blank = [text.count("\n", end, start) > 1 for (_, end), start in zip(spans, after, strict=False)] + [True]
    return [
        _Line(start, end, text[start:end], text[max(start, end - _TAIL) : end], items.get(start), last)
        for (start, end), last in zip(spans, blank, strict=True)
    ]


def _edits(text: str) -> Iterator[Edit]:
    """The edits of line breaks and of the marks of items, in order."""
    if "\n" not in text or not text.strip():
        return
    lines = _lines(text)
    ends = [end for paragraph in _paragraphs(lines) for end in _paragraph_ends(paragraph)]
    if lines[0].item:
        yield mark_edit(text, lines[0].item)
    for (line, after), end in zip(pairwise(lines), ends, strict=False):
        yield Edit(line.end, after.start, end)
        if after.item:
            yield mark_edit(text, after.item)
    if ends[-1].startswith(".") and _in_a_list(lines):
        yield Edit(lines[-1].end, lines[-1].end, ".")


def _in_a_list(lines: Sequence[_Line]) -> bool:
    """Whether the last line belongs to a list item."""
    last = next((index for index in range(len(lines) - 1, -1, -1) if lines[index].item), None)
    return last is not None and not any(line.ends_paragraph for line in lines[last:-1])


def _paragraphs(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    paragraph: list[_Line] = []
    for line in lines:
        paragraph.append(line)
        if line.ends_paragraph:
            yield paragraph
            paragraph = []


def _paragraph_ends(lines: Sequence[_Line]) -> Iterator[str]:
    """What replaces the break after each line of a paragraph."""
    shape = _Shape.of(lines)
    for line, after in pairwise(lines):
        yield _break(line, after, shape)
    last = lines[-1].tail
    yield " " if last.endswith((",", ";")) or UNFINISHED.search(last) else _ended(last) + "\n"


def _ended(tail: str) -> str:
    """The full stop that a finished line lacks."""
    bracket = _BRACKET_AT_END.search(tail)
    return "." if _LETTER_OR_FIGURE_AT_END.search(tail) or (bracket and not sound_of(bracket[0])) else ""


class _Shape(NamedTuple):
    """The look of a paragraph: the width of its longest line, and whether it is verse or a list without marks."""

    width: int
    verse: bool
    short_items: bool
    punctuated: bool

    @classmethod
    def of(cls, lines: Sequence[_Line]) -> "_Shape":
        width = max(line.end - line.start for line in lines)
        if len(lines) < 3:
            return cls(width, False, False, False)
        capitals = sum(bool(_BEGINS.match(line.words)) for line in lines[1:]) / (len(lines) - 1)
        punctuated = any(_PUNCTUATED.search(line.tail) for line in lines[:-1])
        loose = not punctuated and not any(UNFINISHED.search(line.tail) for line in lines)
        capitals *= not all(line.words.isupper() for line in lines)
        enough = len(lines) > 3 or width < _NARROWEST or not _wraps(lines, width)
        return cls(width, enough and capitals >= _MOSTLY, loose and width <= _SHORT, punctuated)


def _wraps(lines: Sequence[_Line], width: int) -> bool:
    return all(_no_room(line, after, width) for line, after in pairwise(lines))


def _no_room(line: _Line, after: _Line, width: int) -> bool:
    """Whether the first word of the next line hardly fits in this line, as in wrapped prose."""
    return line.end - line.start + 1 + len(after.words.split(None, 1)[0]) > _FULL * width


def _break(line: _Line, after: _Line, shape: _Shape) -> str:
    stop = _ended(line.tail)
    if after.item:
        return " " if line.words.endswith((",", ";")) or UNFINISHED.search(line.tail) else f"{stop}\n"
    if not stop or UNFINISHED.search(line.tail):
        return " "
    if not _BEGINS.match(after.words):
        return ",\n" if shape.short_items and not line.item else " "
    if shape.verse or shape.width < _NARROWEST or shape.width > _WIDEST:
        return ", " if shape.punctuated and not line.item else f"{stop}\n"
    wrapped = _no_room(line, after, shape.width) or _PRONOUN_OR_NUMBER.match(after.words)
    return " " if wrapped else f"{stop}\n"


def _bullet_edits(text: str) -> Iterator[Edit]:
    """Begin a new line before each bullet."""
    found = () if text.isascii() else BULLETS.finditer(text)
    return (Edit(match.start(), match.end(), "\n- ") for match in found)


_STEPS = (_bullet_edits, inline_edits, _edits)

__all__ = ["line_ends", "with_line_ends"]
