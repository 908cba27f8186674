"""Marks of forums, wikis and notes in a text: BBCode, wiki links, spoilers, highlights, callouts, emoji names."""

import re

from dia.text.characters.edited import EditedText
from dia.text.listing import first_names
from dia.text.markup.document import CODE_LEFT_OUT

_BBCODE = (
    "b|i|u|s|strike|url|email|img|quote|code|size|color|colour|font|center|left|right|justify|spoiler|list|sub|sup|"
    "youtube|table|tr|td|th|hr"
)
_TAG = re.compile(rf"\[(/?)({_BBCODE})(?:[= ][^\[\]\n]{{0,300}})?\]", re.IGNORECASE)
_UNSPOKEN_TAG = re.compile(r"\[(img|youtube)(?:[= ][^\[\]\n]{0,300})?\][^\[\]\n]{0,2000}\[/\1\]", re.IGNORECASE)
_CODE_TAG = re.compile(r"\[code(?:=[^\[\]\n]{0,40})?\].{0,4000}?\[/code\]", re.IGNORECASE | re.DOTALL)
_TEMPLATE = re.compile(r"\{\{[^{}]{1,400}\}\}")
_EMOJI_NAME = re.compile(r"(?<![\w:/]):[a-z][a-z0-9_+-]{1,30}:(?![\w:/])")
# What is only dropped or unwrapped: a sign that must occur, the mark, and what stays.
_MARKS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("!<", re.compile(r">!(?=\S)([^\n]{1,400}?)!<"), r"\1"),
    ("||", re.compile(r"(?<!\|)\|\|(?=[^\s|])([^|\n]{1,400})(?<=\S)\|\|(?!\|)"), r"\1"),
    ("==", re.compile(r"^={2,6}[ \t]{0,3}([^=\n]{1,200}?)[ \t]{0,3}={2,6}[ \t]{0,9}$", re.MULTILINE), r"\n\1\n"),
    ("==", re.compile(r"(?<![=\w])==(?=[^\s=])([^=\n]{1,400})(?<=\S)==(?![=\w])"), r"\1"),
    ("~", re.compile(r"(?<=[A-Za-z)])~(\d{1,3}|[a-z])~"), r"\1"),
    ("[!", re.compile(r"^((?:[ \t]{0,3}>){1,4} ?)\[!([A-Za-z]{2,20})\][+-]?[ \t]*$", re.MULTILINE), r"\1\2:"),
    ("[!", re.compile(r"^((?:[ \t]{0,3}>){1,4} ?)\[![A-Za-z]{2,20}\][+-]?[ \t]+", re.MULTILINE), r"\1"),
    ("[[", re.compile(r"\[\[(?:[^\[\]|\n]{1,200}\|)?(?!\d+\]\])([^\[\]|\n]{1,200})\]\]"), r"\1"),
    ("'''", re.compile(r"'{3,5}(?=[^\s'])([^\n]{1,400}?)(?<=[^\s'])'{3,5}"), r"\1"),
)


def without_dialects(source: EditedText) -> tuple[EditedText, list[str]]:
    """Remove the marks. What names words that are shown elsewhere, such as templates, is left out with a warning."""
    warnings: list[str] = []
    for sign, mark, stand_in in _MARKS:
        if sign in source.text:
            source = source.sub(mark, stand_in)
    if "[/" in source.text:
        source = _without_bbcode(source, warnings)
    for sign, mark, fact in (("{{", _TEMPLATE, "a template"), (":", _EMOJI_NAME, "an emoji")):
        if sign in source.text and (found := list(dict.fromkeys(mark.findall(source.text)))):
            warnings.append(f"{first_names(found)}: {fact}, which is left out. Write words to have it spoken.")
            source = source.sub(mark, "")
    return source, warnings


def _without_bbcode(source: EditedText, warnings: list[str]) -> EditedText:
    closed = {tag[2].lower() for tag in _TAG.finditer(source.text) if tag[1]}
    if "code" in closed and _CODE_TAG.search(source.text):
        source = source.sub(_CODE_TAG, "")
        warnings.append(CODE_LEFT_OUT)
    if not closed.isdisjoint(("img", "youtube")):
        source = source.sub(_UNSPOKEN_TAG, "")
    source = source.sub(_TAG, lambda tag: "" if tag[2].lower() in closed else tag[0])
    return source.sub(re.compile(r"^[ \t]*\[\*\]", re.MULTILINE), "-") if "list" in closed else source


__all__ = ["without_dialects"]
