"""Find the marks of list items, bullets, numbers, letters and Roman numerals, at the start of a line or within one.

Independent of line breaks and of what the items say.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dia.text.characters.edited import Edit
from dia.text.english.abbreviation_table import NUMBERS, REFERENCES

BULLETS = re.compile("[ \t]*[\u2022\u2023\u2043\u25e6\u25aa\u25ab\u25cf\u25a0][ \t]*")
UNFINISHED = re.compile(
    r"\b(?:a|an|the|and|or|but|nor|of|to|in|on|at|by|for|from|with|into|as|than|that|which|who|is|are|was|were|my|your"
    r"|his|her|its|our|their|this|these|those|Mr\.?|Mrs\.?|Ms\.?|Dr\.?|St\.?)$",
    re.IGNORECASE,
)

_MARKER = re.compile(
    r"(?P<bullet>[-*\u2013](?=[ \t]))(?:[ \t]+(?P<after>\d{1,3})[.)](?=[ \t]))?"
    r"|(?P<label>\d{1,3}|[IVX]{1,5}|[ivx]{1,5}|[A-Z]|[a-z])(?P<end>\.\)|[.)])(?=[ \t])"
    r"|\((?P<bracketed>\d{1,3}|[ivx]{1,5}|[a-z])\)(?=[ \t])"
)
_INLINE = re.compile(
    r"(?<!\S)(?:(?P<label>\d{1,2}|[a-h])(?P<end>\.\)|[.)])|\((?P<bracketed>\d{1,2}|[a-h])\))(?= [A-Za-z\"'])"
)
_FIRST_INLINE = ("1. ", "1) ", "1.) ", " a. ", " a) ", "(a) ")
_LABELS = (
    ("1", re.compile(r"\d+")),
    ("I", re.compile("[IVX]+")),
    ("i", re.compile("[ivx]+")),
    ("A", re.compile("[A-Z]")),
    ("a", re.compile("[a-z]")),
)
_ROMAN = {"i": 1, "v": 5, "x": 10}
_WORD_AND_STOP = re.compile(r"\b([A-Za-z]+)\. $")
_LONGEST_ABBREVIATION = 8
_BEFORE_A_LIST = re.compile(r"(?:^|[.!?:;,]\s|\n\s?)$")


class Item(NamedTuple):
    """The mark of a list item: its form, such as `1)`, its number, and its span in the text."""

    form: str
    number: int
    start: int
    end: int


def line_items(text: str, spans: Sequence[tuple[int, int]]) -> list[Item]:
    """The marks of items at the start of the lines `text[start:end]`.

    A number is a mark if the one before or after it is there, too, or if it is `1.`; a bullet, if it is not the only
    one. A capital needs two neighbors, because `A. Lee` is a name.
    """
    matches = ((_MARKER.match(text, start, end), end) for start, end in spans)
    found = [_item(match) for match, end in matches if match and end > match.end() + 1]
    there = {(item.form, item.number) for item in found}
    several_bullets = sum(item.form == "-" for item in found) > 1
    return [
        item
        for item in found
        if (item.form == "-" and (several_bullets or not item.start))
        or (item.form, item.number) == ("1.", 1)
        or any(
            all((item.form, item.number + step) in there for step in steps)
            for steps in (((1, 2), (-1, 1), (-2, -1)) if item.form == "A." else ((1,), (-1,)))
        )
    ]


def _inline_items(text: str) -> list[Item]:
    """The marks of items within a line: `Steps: 1. Stop. 2. Wait.`, but not those of `No. 1. It was`.

    They count up from one. Lists with an item in each line are left to `line_items`.
    """
    lists: list[list[Item]] = []
    if text.startswith("a") or any(mark in text for mark in _FIRST_INLINE):
        last: dict[str, list[Item]] = {}
        for match in _INLINE.finditer(text):
            item = _item(match)
            if item.form in last and item.number == last[item.form][-1].number + 1 and _may_follow(match):
                last[item.form].append(item)
            elif item.number == 1 and _begins_list(match):
                last[item.form] = [item]
                lists.append(last[item.form])
    found = (items for items in lists if len(items) > 1 and any(not _begins_line(text, item) for item in items))
    return sorted((item for items in found for item in items), key=lambda item: item.start)


def _may_follow(match: re.Match[str]) -> bool:
    return match["end"] != "." or not match.string[match.end() + 1].islower()


def _begins_list(match: re.Match[str]) -> bool:
    text, start = match.string, match.start()
    if match["end"] != ".":
        return True
    before = _WORD_AND_STOP.search(text, max(0, start - _LONGEST_ABBREVIATION), start)
    abbreviated = before and (before[1] in NUMBERS or before[1] in REFERENCES)
    return _may_follow(match) and not abbreviated and bool(_BEFORE_A_LIST.search(text[max(0, start - 2) : start]))


def _begins_line(text: str, item: Item) -> bool:
    return not text[text.rfind("\n", 0, item.start) + 1 : item.start].strip()


def _item(match: re.Match[str]) -> Item:
    groups = match.groupdict()
    if groups.get("bullet"):
        return Item("-", int(groups["after"] or 0), *match.span())
    label = groups["label"] or groups["bracketed"]
    form = next(name for name, pattern in _LABELS if pattern.fullmatch(label))
    number = int(label) if form == "1" else _roman(label) if form in "iI" else ord(label.lower()) - ord("a") + 1
    return Item(form + (groups.get("end") or "()"), number, *match.span())


def _roman(label: str) -> int:
    """ix → 9."""
    values = [_ROMAN[letter] for letter in label.lower()]
    return sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))


def mark_edit(text: str, item: Item) -> Edit:
    """Replace the mark of an item by what is said: a number or a letter and a comma, nothing for a bullet."""
    label = str(item.number or "") if item.form[0] in "-iI1" else text[item.start : item.end].strip("(). ").upper()
    return Edit(item.start, item.end, f"{label}," if label else "")


def inline_edits(text: str) -> Iterator[Edit]:
    """Replace the marks of items within a line, and separate each item from the one before."""
    for item in _inline_items(text):
        before = text[: item.start].rstrip() if item.start < 64 else text[item.start - 64 : item.start].rstrip()
        gap = item.start - (len(text[max(0, item.start - 64) : item.start]) - len(before))
        if item.number > 1 and before[-1:].isalnum() and not UNFINISHED.search(before):
            yield Edit(gap, item.start, ", " if text[item.end + 1].islower() else ". ")
        yield mark_edit(text, item)


__all__ = ["BULLETS", "UNFINISHED", "Item", "inline_edits", "line_items", "mark_edit"]
