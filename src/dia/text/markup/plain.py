"""Plain text: only unmistakable markup is removed, such as `**bold**`, `<b>` with `</b>`, `&amp;` and `[1]`."""

import html
import re
from collections.abc import Callable

from dia.text.characters.edited import EditedText
from dia.text.markup.citations import without_citations, without_notes
from dia.text.markup.dialects import without_dialects
from dia.text.markup.document import Document, last_closers
from dia.text.markup.formulas import without_formulas
from dia.text.markup.html.elements import is_known
from dia.text.markup.html.reader import add_html, read_html
from dia.text.markup.html.tags import Markup, markup_in
from dia.text.markup.lines import without_divisions, without_page_marks
from dia.text.markup.markdown.blocks import without_blocks
from dia.text.markup.markdown.inline import without_inline_markdown
from dia.text.markup.selection import Selection

_HTML_PAGE = re.compile(r"\s{0,99}(?:<!doctype html\b|<html\b)", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TRIPLE = 3  # an entity of an entity of an entity is decoded
_SURE = re.compile(  # attributes have values, but for a few that never do
    r"</?[\w:.-]+(?:\s{1,80}(?:[\w:.-]{1,80}\s{0,9}=\s{0,9}(?:\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]{1,2000})|hidden|checked|"
    r"controls|disabled|async|defer|open|reversed|required|selected|autoplay|loop|muted|allowfullscreen))*\s{0,80}/?>",
    re.IGNORECASE,
)
_ALONE = frozenset(["br", "hr", "wbr", "break", "p", "li", "tr", "td", "th", "dt", "dd"])  # tags that need no partner
_DECLARATIONS = ("<!--", "<!doctype", "<?xml", "<![cdata[", "]]>")


def read_plain(source: EditedText, *, english: bool = True) -> tuple[EditedText, list[str]]:
    """Remove unmistakable markup from text that was not declared to have any."""
    if _HTML_PAGE.match(source.text):
        source, warnings = read_html(source, english=english)
        return without_citations(source, english=english)[0], warnings
    if "<" in source.text or "&" in source.text:
        source, warnings = _without_tags(_without_entities(source), english)
    else:
        warnings = []
    steps: list[Callable[[EditedText], tuple[EditedText, list[str]]]] = [
        without_notes,
        without_blocks,
        *([without_formulas, without_dialects] if english else []),
        lambda text: without_inline_markdown(text, english=english),
        lambda text: without_citations(text, english=english),
        *([without_page_marks, without_divisions] if english else []),
    ]
    for step in steps:
        source, found = step(source)
        warnings += found
    return source, warnings


def _without_entities(source: EditedText) -> EditedText:
    for _ in range(_TRIPLE):
        if "&" not in source.text:
            break
        before, source = source, source.sub(_ENTITY, lambda entity: html.unescape(entity[0]))
        if source is before:
            break
    return source


def _without_tags(source: EditedText, english: bool) -> tuple[EditedText, list[str]]:
    found = [markup for markup in markup_in(source.text) if _may_be_markup(markup)]
    openers = {markup.name for markup in found if markup.opens}
    closers = last_closers(found)
    sure = [markup for markup in found if _is_sure(markup, openers, closers)]
    if not sure:
        return source, []
    selection = Selection(source.text)
    document = Document(selection, last_closers(sure), english=english)
    add_html(document, sure, 0, len(source.text))
    return source.edited(selection.edits()), document.all_warnings()


def _may_be_markup(markup: Markup) -> bool:
    if not markup.name:
        return not markup.stand_in and markup.source.lower().startswith(_DECLARATIONS)
    return is_known(markup.name) and _SURE.fullmatch(markup.source) is not None


def _is_sure(markup: Markup, openers: set[str], closers: dict[str, int]) -> bool:
    """Whether a tag is more than a word between `<` and `>`: it has attributes, a partner or needs none."""
    if not markup.name or markup.name in _ALONE or "=" in markup.source or markup.source.endswith("/>"):
        return True
    return markup.name in openers if markup.closing else closers.get(markup.name, -1) > markup.start


__all__ = ["read_plain"]
