"""Blocks of Markdown in plain text that are unmistakable: fenced code, and tables with a row of dashes."""

import re
from collections.abc import Iterator

from dia.text.characters.edited import Edit, EditedText
from dia.text.markup.document import CODE_LEFT_OUT

# The languages of a fence whose lines are words.
SPOKEN_FENCES = frozenset({"", "text", "txt", "plain", "plaintext", "markdown", "md", "script", "dialogue"})
_FENCE = re.compile(r"^ {0,3}(`{3,9}|~{3,9})[ \t]{0,9}([^\s`]{0,40})[^\n`]{0,200}$", re.MULTILINE)
_DASHES = re.compile(
    r"^[ \t|]{0,9}:?-{2,99}:?[ \t]{0,9}(?:\|[ \t]{0,9}:?-{2,99}:?[ \t]{0,9}){1,60}\|?[ \t]*\r?$", re.M
)
_BAR = re.compile(r"[ \t]*(?<!\\)\|[ \t]*")


def without_blocks(source: EditedText) -> tuple[EditedText, list[str]]:
    """Leave out fenced code in a programming language, and the lines of a table.

    A fence without a language is taken away, and the words in it stay.
    """
    warnings: list[str] = []
    if "```" in source.text or "~~~" in source.text:
        before = source
        source = source.edited(_fence_edits(source.text, warnings))
        if not source.text.strip():  # nothing else to speak
            source, warnings = before, []
    if "|" in source.text and _DASHES.search(source.text):
        source = source.edited(_table_edits(source.text))
    return source, warnings


def _fence_edits(text: str, warnings: list[str]) -> Iterator[Edit]:
    opening: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opening is None:
            opening = fence
        elif fence[1].startswith(opening[1]) and not fence[2]:
            if opening[2].lower() in SPOKEN_FENCES:
                yield Edit(*opening.span(), "")
                yield Edit(*fence.span(), "")
            else:
                warnings[:] = [CODE_LEFT_OUT]
                yield Edit(opening.start(), fence.end(), "")
            opening = None


def _table_edits(text: str) -> Iterator[Edit]:
    """Replace the bars of each row: by commas between its cells, and by a blank line after it."""
    end = 0
    for dashes in _DASHES.finditer(text):
        header = text.rfind("\n", 0, max(0, dashes.start() - 1)) + 1
        start = max(header, end)
        if "|" not in text[start : dashes.start()] or dashes.start() < end:
            continue
        yield from _row_edits(text, start, dashes.start() - 1)
        end = min(dashes.end() + 1, len(text))
        yield Edit(dashes.start(), end, "\n")
        while end < len(text):
            stop = text.find("\n", end)
            stop = len(text) if stop < 0 else stop
            if "|" not in text[end:stop]:
                break
            yield from _row_edits(text, end, stop)
            yield Edit(stop, min(stop + 1, len(text)), "\n\n")
            end = min(stop + 1, len(text))


def _row_edits(text: str, start: int, end: int) -> Iterator[Edit]:
    for bar in _BAR.finditer(text, start, max(start, end)):
        outer = not text[start : bar.start()].strip() or not text[bar.end() : end].strip()
        yield Edit(bar.start(), bar.end(), "" if outer else ", ")


__all__ = ["SPOKEN_FENCES", "without_blocks"]
