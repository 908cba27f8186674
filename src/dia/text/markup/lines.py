"""Lines of a page that are not words of the text: page numbers, running heads, and words divided at line ends."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from dia.text.characters.edited import Edit, EditedText
from dia.text.english.dictionary import is_word

_SOFT_HYPHEN = re.compile(r"\u00ad(?:[ \t]{0,8}\r?\n[ \t]{0,40})?")
_DIVIDED = re.compile(r"([A-Za-z]{1,40})([-‐¬])[ \t]{0,8}\r?\n[ \t]{0,40}(?=([A-Za-z]{1,40}))")
_SUSPENDED = frozenset(["and", "or", "to", "but", "nor", "versus"])  # two- and three-part
_PREFIX_KEPT = frozenset(["self", "ex", "all", "quasi"])  # their hyphen is written
_ALWAYS_HYPHENATED = re.compile(
    r"\w+-term|(?:part|full|real|half|first)-time", re.IGNORECASE
)  # also in the dictionary
_NUMBER = r"(?:\d{1,4}|[ivxlc]{1,7})"
# A line that is only a page number. What a bare number means depends on its neighbors.
_PAGE_LINE = re.compile(
    rf"^[ \t]{{0,80}}(?:(?:[-–—•*~|] ?{_NUMBER} ?[-–—•*~|])|(?:[-–—|(\[] ?)?(?:page|pg\.?|p\.) ?{_NUMBER}"
    rf"(?: ?(?:of|/) ?\d{{1,4}})?(?: ?[-–—|)\]])?|\d{{1,4}} ?(?:\||of|/) ?(?:page|\d{{1,4}}))[ \t]{{0,80}}$",
    re.IGNORECASE | re.MULTILINE,
)
_BARE_NUMBER_AT_BREAK = re.compile(
    r"\f[ \t]{0,80}\d{1,4}[ \t]{0,80}(?=\n|$)|(?<=\n)[ \t]{0,80}\d{1,4}[ \t]{0,80}\n?\f"
)
_BARE_NUMBER = re.compile(r"^[ \t]{0,80}(\d{1,4})[ \t]{0,80}\r?$", re.MULTILINE)
_LONGEST_HEAD = 80
_NEARBY = 400  # characters from a page break to a running head
_SENTENCE_END = tuple(".!?:…\"'”’)]")


class _Line(NamedTuple):
    start: int
    end: int


def without_page_marks(source: EditedText) -> tuple[EditedText, list[str]]:
    """Leave out page numbers, `Page 3 of 10` and the running heads beside them; rejoin the sentence they divide."""
    text = source.text
    breaks = [_Line(*found.span()) for found in _PAGE_LINE.finditer(text)] if "\n" in text else []
    breaks = _merged(breaks, _numbered_pages(text))
    if "\f" in text:
        breaks = _merged(breaks, [_Line(*found.span()) for found in _BARE_NUMBER_AT_BREAK.finditer(text)])
        breaks = _merged(breaks, [_Line(*found.span()) for found in re.finditer("\f", text)])
    if breaks and text[: breaks[0].start].strip() + text[breaks[0].end :].strip():
        source = source.edited(_page_edits(text, breaks))
    return source, []


def _numbered_pages(text: str) -> list[_Line]:
    """Lines that are only a number and count pages: each is one more than the last, and one divides a sentence."""
    pages, run = list[_Line](), list[re.Match[str]]()
    for found in [*_BARE_NUMBER.finditer(text), None]:
        if found and run and int(found[1]) == int(run[-1][1]) + 1:
            run.append(found)
            continue
        if len(run) > 1 and any(_divides_sentence(text, _Line(*page.span())) for page in run):
            pages += [_Line(*page.span()) for page in run]
        run = [found] if found else []
    return pages


def _divides_sentence(text: str, line: _Line) -> bool:
    before, after = _before(text, line), _after(text, line)
    if before is None or after is None:
        return False
    return text[before.end - 1] not in _SENTENCE_END and text[after.start].islower()


def _merged(first: list[_Line], second: list[_Line]) -> list[_Line]:
    """Both lists in order, without those that overlap an earlier one."""
    merged: list[_Line] = []
    for line in sorted([*first, *second], key=lambda line: (line.start, -line.end)):
        if not merged or line.start >= merged[-1].end:
            merged.append(line)
    return merged


def _page_edits(text: str, breaks: list[_Line]) -> Iterator[Edit]:
    heads = _running_heads(text, breaks)
    end = 0
    for found in breaks:
        if found.end <= end:
            continue
        start, stop = _with_heads(text, found, heads)
        start = max(start, end)
        while start > end and text[start - 1].isspace():
            start -= 1
        while stop < len(text) and text[stop].isspace():
            stop += 1
        if start < stop:
            yield Edit(start, stop, _joint(text[start - 1 : start], text[stop : stop + 1]))
        end = max(stop, end)


def _joint(before: str, after: str) -> str:
    """What joins two pages: nothing but a line end inside a sentence."""
    if not before or not after:
        return ""
    return "\n\n" if before in _SENTENCE_END and not after.islower() else "\n"


def _running_heads(text: str, breaks: list[_Line]) -> set[str]:
    """The lines, without their numbers, that stand beside more than one page break."""
    lines = {line for found in breaks for line in (_before(text, found), _after(text, found)) if line}
    beside = Counter(_head(text, line) for line in lines)
    return {head for head, count in beside.items() if count > 1 and head}


def _with_heads(text: str, found: _Line, heads: set[str]) -> _Line:
    before, after = _before(text, found), _after(text, found)
    start = before.start if before and _head(text, before) in heads else found.start
    end = after.end if after and _head(text, after) in heads else found.end
    return _Line(start, end)


def _head(text: str, line: _Line) -> str:
    written = text[line.start : line.end].strip()
    return re.sub(r"\d+", "#", written) if len(written) <= _LONGEST_HEAD else ""


def _before(text: str, line: _Line) -> _Line | None:
    """The line with words before a line."""
    first = max(0, line.start - _NEARBY)
    end = first + len(text[first : line.start].rstrip())
    start = max(text.rfind("\n", first, end), text.rfind("\f", first, end), first - 1) + 1
    return _Line(start, end) if start < end else None


def _after(text: str, line: _Line) -> _Line | None:
    """The line with words after a line."""
    nearby = text[line.end : line.end + _NEARBY]
    words = nearby.strip()
    start = line.end + len(nearby) - len(nearby.lstrip())
    return _Line(start, start + len(words.partition("\n")[0].partition("\f")[0])) if words else None


def without_divisions(source: EditedText) -> tuple[EditedText, list[str]]:
    """Join words that are divided at a line's end.

    A hyphen is dropped if the joined word is English or one of the parts is not: `grand-` + `children`; it stays if
    only the parts are: `well-` + `known`, and before a capital.
    """
    if "\u00ad" in source.text:
        source = source.sub(_SOFT_HYPHEN, "")
    if re.search(r"[-‐¬][ \t]{0,8}\r?\n", source.text):
        source = source.edited(_division_edits(source.text))
    return source, []


def _division_edits(text: str) -> Iterator[Edit]:
    for found in _DIVIDED.finditer(text):
        first, second = found[1], found[3]
        stand_in = "- " if second in _SUSPENDED else _hyphen(first, second, found[2])
        yield Edit(found.end(1), found.start(3), stand_in)


def _hyphen(first: str, second: str, sign: str) -> str:
    if sign == "¬":
        return ""
    if not second[0].islower() or first.lower() in _PREFIX_KEPT:
        return "" if first.isupper() and second.isupper() and is_word(first + second) else "-"
    if _ALWAYS_HYPHENATED.fullmatch(f"{first}-{second}"):
        return "-"
    return "-" if not is_word(first + second) and is_word(first) and is_word(second) else ""


__all__ = ["without_divisions", "without_page_marks"]
