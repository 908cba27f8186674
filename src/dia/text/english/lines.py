"""Decide which line breaks end a sentence: those of list items, headings and verse, not those of wrapped prose.

"1. milk\\n2. bread" becomes "1, milk.\\n2, bread.". A break that ends a sentence stays a line break, any other becomes
a space. Independent of abbreviations and numbers.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from dia.text.edited import Edit, EditedText
from dia.text.english.abbreviation_table import NUMBERS, REFERENCES
from dia.text.tags import sound_of

_NARROWEST, _WIDEST = 30, 120  # characters in a line of wrapped prose
_SHORT = 25  # characters in an item of a list without marks
_MOSTLY = 0.75  # the share of lines of verse that begin with a capital
_LONGEST_ABBREVIATION = 8
_FULL = 0.75  # the share of the width that a line of wrapped prose fills at least

_MARKER = re.compile(
    r"(?P<bullet>[-*\u2022\u2023\u25e6\u25aa\u25cf\u2013](?=[ \t]))"
    r"|(?P<label>\d{1,3}|[IVX]{1,5}|[ivx]{1,5}|[A-Z]|[a-z])(?P<end>[.)])(?=[ \t])"
    r"|\((?P<bracketed>\d{1,3}|[ivx]{1,5}|[a-z])\)(?=[ \t])"
)
_INLINE = re.compile(r"(?:(?<=^)|(?<=[.!?:;,] ))(?P<label>\d{1,2})(?P<end>[.)]) (?=[A-Za-z\"'])")
_LABELS = {
    "1": re.compile(r"\d+"),
    "I": re.compile("[IVX]+"),
    "i": re.compile("[ivx]+"),
    "A": re.compile("[A-Z]"),
    "a": re.compile("[a-z]"),
}
_ROMAN = {"i": 1, "v": 5, "x": 10}
_WORD_AND_STOP = re.compile(r"\b([A-Za-z]+)\. $")
_UNFINISHED = re.compile(
    r"\b(?:a|an|the|and|or|but|nor|of|to|in|on|at|by|for|from|with|into|as|than|that|which|who|is|are|was|were|my|your"
    r"|his|her|its|our|their|this|these|those|Mr\.?|Mrs\.?|Ms\.?|Dr\.?|St\.?)$",
    re.IGNORECASE,
)
_BEGINS = re.compile(r"[\"'(\u201c\u2018]*(?:[A-Z]|\d)")
_PRONOUN_OR_NUMBER = re.compile(r"[\"']*(?:I\b|\d)")
_LETTER_OR_FIGURE_AT_END = re.compile(r"[^\W_][\"'\u201d\u2019]*$|[%$\u20ac]$")
_BRACKET_AT_END = re.compile(r"\([^()]{0,80}\w\)$")
_PUNCTUATED = re.compile(r"[.,;:!?\u2026][\"'\u201d\u2019)]*$|-$|\u2014$")


class _Item(NamedTuple):
    """The mark of a list item: its kind, its number, and its span in the text."""

    kind: str
    number: int
    start: int
    end: int


class _Line(NamedTuple):
    """A line without white space at its ends, `text[start:end]`, and the mark of the list item that it begins."""

    start: int
    end: int
    words: str
    item: _Item | None
    ends_paragraph: bool


def with_line_ends(text: EditedText) -> EditedText:
    """Replace each line break by a space or, if it ends a sentence, by a full stop and a line break.

    Numbers of list items are followed by a comma, bullets are dropped. A text without line breaks and lists is
    unchanged. The running time is linear.
    """
    text = text.edited(_marks(text.text, _numbered(_inline_items(text.text), inline=True)))
    if "\n" not in text.text or not text.text.strip():
        return text
    return text.edited(_edits(text.text, _lines(text.text)))


def _lines(text: str) -> list[_Line]:
    """The lines that are not blank."""
    found = [match for match in re.finditer(r"[^\n]+", text) if match[0].strip()]
    spans = [
        (match.start() + len(match[0]) - len(match[0].lstrip()), match.start() + len(match[0].rstrip()))
        for match in found
    ]
    items = {item.start: item for item in _numbered(_items(text, spans))}
    after = [start for start, _ in spans[1:]]
    blank = [text.count("\n", end, start) > 1 for (_, end), start in zip(spans, after, strict=False)] + [True]
    return [
        _Line(start, end, text[start:end], items.get(start), last)
        for (start, end), last in zip(spans, blank, strict=True)
    ]


def _items(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[_Item]:
    for start, end in spans:
        if (match := _MARKER.match(text, start, end)) and end > match.end() + 1:
            yield _item(match)


def _inline_items(text: str) -> Iterator[_Item]:
    """The numbers of items within a line, `Steps: 1. Stop. 2. Wait.`, but not those of `No. 1. It was`."""
    if "1. " not in text and "1) " not in text:
        return
    for match in _INLINE.finditer(text):
        before = _WORD_AND_STOP.search(text, max(0, match.start() - _LONGEST_ABBREVIATION), match.start())
        if not (before and before[1] in NUMBERS | REFERENCES):
            yield _item(match)


def _item(match: re.Match[str]) -> _Item:
    groups = match.groupdict()
    if groups.get("bullet"):
        return _Item("bullet", 0, *match.span())
    label = groups["label"] or groups["bracketed"]
    form = next(name for name, pattern in _LABELS.items() if pattern.fullmatch(label))
    number = (
        int(label) if form == "1" else _roman(label.lower()) if form in "iI" else ord(label.lower()) - ord("a") + 1
    )
    return _Item((groups.get("end") or "()") + form, number, *match.span())


def _roman(label: str) -> int:
    """ix → 9."""
    values = [_ROMAN[letter] for letter in label]
    return sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))


def _numbered(items: Iterator[_Item], inline: bool = False) -> list[_Item]:
    """The items that belong to a list: bullets, and numbers with a neighbour; capitals with two, as `A.` is a name."""
    found = list(items)
    there = {(item.kind, item.number) for item in found}
    bullets = sum(item.kind == "bullet" for item in found) > 1
    return [
        item
        for item in found
        if (item.kind == "bullet" and (bullets or not item.start))
        or ((item.kind, item.number) == (".1", 1) and not inline)
        or any(
            all((item.kind, item.number + step) in there for step in steps)
            for steps in (((1, 2), (-1, 1), (-2, -1)) if item.kind == ".A" else ((1,), (-1,)))
        )
    ]


def _marks(text: str, items: Sequence[_Item]) -> Iterator[Edit]:
    for item in items:
        mark = text[item.start : item.end]
        label = str(item.number) if item.kind[-1] in "iI1" else mark.strip("(). ").upper()
        said = "" if item.kind == "bullet" else f"{label},"
        yield Edit(item.start, item.end, said + " " * mark.endswith(" "))


def _edits(text: str, lines: Sequence[_Line]) -> Iterator[Edit]:
    """The edits of line breaks and of the marks of items, in order."""
    ends = [end for paragraph in _paragraphs(lines) for end in _paragraph_ends(paragraph)]
    if lines[0].item:
        yield from _marks(text, [lines[0].item])
    for (line, after), end in zip(pairwise(lines), ends, strict=False):
        yield Edit(line.end, after.start, end)
        if after.item:
            yield from _marks(text, [after.item])
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
    last = lines[-1].words
    yield " " if last.endswith((",", ";")) or _UNFINISHED.search(last) else _ended(last) + "\n"


def _ended(words: str) -> str:
    """The full stop that a finished line lacks."""
    bracket = _BRACKET_AT_END.search(words)
    return "." if _LETTER_OR_FIGURE_AT_END.search(words) or (bracket and not sound_of(bracket[0])) else ""


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
        punctuated = any(_PUNCTUATED.search(line.words) for line in lines[:-1])
        loose = not punctuated and not any(_UNFINISHED.search(line.words) for line in lines)
        capitals *= not all(line.words.isupper() for line in lines)
        enough = len(lines) > 3 or width < _NARROWEST or not _wraps(lines, width)
        return cls(width, enough and capitals >= _MOSTLY, loose and width <= _SHORT, punctuated)


def _wraps(lines: Sequence[_Line], width: int) -> bool:
    return all(_no_room(line, after, width) for line, after in pairwise(lines))


def _no_room(line: _Line, after: _Line, width: int) -> bool:
    """Whether the first word of the next line hardly fits in this line, as in wrapped prose."""
    return line.end - line.start + 1 + len(after.words.split(None, 1)[0]) > _FULL * width


def _break(line: _Line, after: _Line, shape: _Shape) -> str:
    stop = _ended(line.words)
    if after.item:
        return " " if line.words.endswith((",", ";")) or _UNFINISHED.search(line.words) else f"{stop}\n"
    if not stop or _UNFINISHED.search(line.words):
        return " "
    if not _BEGINS.match(after.words):
        return ",\n" if shape.short_items and not line.item else " "
    if shape.verse or shape.width < _NARROWEST or shape.width > _WIDEST:
        return ", " if shape.punctuated and not line.item else f"{stop}\n"
    wrapped = _no_room(line, after, shape.width) or _PRONOUN_OR_NUMBER.match(after.words)
    return " " if wrapped else f"{stop}\n"


__all__ = ["with_line_ends"]
