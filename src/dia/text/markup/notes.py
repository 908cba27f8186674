"""Footnotes as Markdown writes them: `[^1]` in the text and `[^1]: the note` at the end are left out."""

import re

from dia.text.edited import EditedText

NOTE = re.compile(
    r"^ {0,3}\[\^[^\[\]\s]{1,40}\]:[^\n]*(?:\n(?:[ \t]{1,9}\S[^\n]*|(?=\n {4}\S)))*\n?",
    re.MULTILINE,
)
REFERENCE = re.compile(r"[ \t]?\[\^[^\[\]\s]{1,40}\](?!:)")
_LEFT_OUT = "of a footnote are left out. To have it spoken, write its words where they are to be heard."


def without_notes(source: EditedText) -> tuple[EditedText, list[str]]:
    """Leave out footnotes and the marks that refer to them."""
    if "[^" not in source.text:
        return source, []
    left = source.sub(NOTE, "")
    warnings = [] if left is source or not source.text.strip() else [f"the words {_LEFT_OUT}"]
    if not left.text.strip():
        return source, []
    return left.sub(REFERENCE, ""), warnings


__all__ = ["NOTE", "REFERENCE", "without_notes"]
