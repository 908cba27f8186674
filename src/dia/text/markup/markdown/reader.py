"""Markdown as words: CommonMark with tables, strikethrough, task lists, footnotes and front matter.

`markdown-it-py` parses the text. What no token covers is markup, and is left out.
"""

import re
from itertools import accumulate

from markdown_it.token import Token

from dia.text.actions import is_action
from dia.text.characters.edited import EditedText
from dia.text.markup.citations import is_reference, without_notes
from dia.text.markup.dialects import without_dialects
from dia.text.markup.document import Document, last_closers
from dia.text.markup.formulas import without_formulas
from dia.text.markup.html.elements import is_known
from dia.text.markup.html.reader import add_html
from dia.text.markup.html.tags import Markup, markup_in
from dia.text.markup.markdown.blocks import SPOKEN_FENCES
from dia.text.markup.markdown.places import Place, Segments, parser, places
from dia.text.markup.selection import CELL, LINE, PARAGRAPH, Selection
from dia.text.sounds import is_marked_sound
from dia.text.tags import PAUSE_MARK, SPEAKER_TAG

FRONT_MATTER = re.compile(
    r"\A\ufeff?(---|\+\+\+)[ \t]*\r?\n(?=[^\n]*[:=])(?:[^\n]*\n){0,200}?(?:\1|\.\.\.)[ \t]*\r?(?:\n|\Z)"
)
# The parser would drop what is nested deeper than `places.DEEPEST`.
_TOO_DEEP = re.compile(r"^((?:[ \t]{0,8}[>*+-]){40})(?:[ \t]{0,8}[>*+-])+", re.MULTILINE)
_TOO_FAR_IN = re.compile(r"^([ \t]{40})[ \t]+", re.MULTILINE)
_TASK = re.compile(r"\[[ xX]\][ \t]+")
_ORDERED = re.compile(r"\d{1,9}[.)][ \t]+")
_MARKS = re.compile(r"\[[^\[\]\n]{1,50}\]|\*{1,3}[^*\n]{1,50}\*{1,3}|~{1,2}[^~\n]{1,50}~{1,2}|<[A-Za-z_/-]{1,40}>")
_DELIMITERS = "[]*~<>/"
_MASK = "\ue000"  # a letter in private use, which is not Markdown


def read_markdown(source: EditedText, *, english: bool = True) -> tuple[EditedText, list[str]]:
    """Remove the markup of Markdown, and of HTML in it."""
    source = source.sub(FRONT_MATTER, "").sub(_TOO_DEEP, r"\1").sub(_TOO_FAR_IN, r"\1")
    source, warnings = without_notes(source)
    for step in (without_formulas, without_dialects) if english else ():
        source, found = step(source)
        warnings += found
    masked = _masked(source.text, english)
    reader = _Reader(source.text, masked, english)
    for token in parser().parse(masked):
        reader.read(token)
    return source.edited(reader.document.selection.edits()), [*warnings, *reader.document.all_warnings()]


def _masked(text: str, english: bool) -> str:
    """The text, of the same length, in which the marks of a script are not markup: `[S1]: Hello` is no definition."""
    text = text.replace("\r\n", " \n").replace("\r", "\n")
    return _MARKS.sub(lambda mark: _mask(mark[0]) if _is_mark(mark, english) else mark[0], text)


def _is_mark(mark: re.Match[str], english: bool) -> bool:
    written = mark[0]
    if SPEAKER_TAG.fullmatch(written) or PAUSE_MARK.fullmatch(written):
        return True
    if english and is_action(mark.string, *mark.span(), labels=True):
        return True
    return is_marked_sound(written.strip(_DELIMITERS), english=english)


def _mask(mark: str) -> str:
    return "".join(_MASK if character in _DELIMITERS else character for character in mark)


class _Reader:
    """Selects words, token by token.

    Args:
        text: the text.
        masked: the text that was parsed.
        english: whether its words are English.
    """

    def __init__(self, text: str, masked: str, english: bool) -> None:
        self._text, self._masked = text, masked
        lengths = map(len, masked.split("\n"))
        self._line_starts = [0, *accumulate(length + 1 for length in lengths)]
        self._line_starts[-1] = len(text)
        self.document = Document(Selection(text), last_closers(markup_in(text)), english=english)
        self._in_cell = self._numbered = False
        self._first_in_item = False

    def read(self, token: Token) -> None:
        """Add the words of a block."""
        kind = token.type
        if kind == "inline":
            self._add_inline(token)
        elif kind in ("fence", "code_block"):
            self._add_code(token)
        elif kind == "html_block" and token.map:
            self._add_html_block(token, *token.map)
        elif kind in ("td_open", "th_open"):
            self.document.separate(CELL)
            self._in_cell = True
        elif kind in ("td_close", "th_close"):
            self._in_cell = False
        elif not (kind == "paragraph_open" and self._numbered):
            self.document.separate(PARAGRAPH)
        self._numbered = kind == "list_item_open" and self._add_number(token)
        self._first_in_item = kind == "list_item_open" or (kind == "paragraph_open" and self._first_in_item)

    def _add_number(self, token: Token) -> bool:
        """Keep the number of a list item."""
        if not token.info or not token.map:
            return False
        start = max(self._line_starts[token.map[0]], self.document.selection.end)
        number = _ORDERED.search(self._text, start, self._line_starts[token.map[0] + 1])
        if number:
            self.document.words(*number.span())
        return number is not None

    def _add_inline(self, token: Token) -> None:
        first = token.map[0] if token.map else 0
        after = max(self.document.selection.end, self._line_starts[first]) if self._in_cell else None
        segments = Segments(self._masked, self._line_starts, token, first, after)
        task = _TASK.match(token.content) if self._first_in_item else None
        kept_from, skipped_to = task.end() if task else 0, None
        found = list(places(token))
        for index, place in enumerate(found):
            if skipped_to is not None:
                skipped_to = None if place.token.type == "link_close" else skipped_to
            elif place.token.type == "link_open" and _is_reference_link(found, index):
                skipped_to = index
            elif place.end > kept_from:
                self._add_place(place._replace(start=max(place.start, kept_from)), segments)

    def _add_place(self, place: Place, segments: Segments) -> None:
        token, start, end = place
        if token.type in ("softbreak", "hardbreak"):
            self.document.separate(LINE)
        elif token.type == "text_special":
            span = segments.source(start), segments.source(end - 1) + 1
            if self._text[slice(*span)] == token.content:
                self.document.words(*span)
            else:
                self.document.put(*span, token.content)
        elif token.type == "html_inline":
            self._add_html(segments.source(start), segments.source(end - 1) + 1)
        elif token.type in ("text", "code_inline") and token.content:
            ticks = len(token.markup) if token.type == "code_inline" else 0
            for number, span in enumerate(segments.spans(start + ticks, end - ticks)):
                if number:
                    self.document.separate(LINE)
                self.document.words(*span)

    def _add_code(self, token: Token) -> None:
        """Keep a block of code if it is a script; leave out any other."""
        self.document.separate(PARAGRAPH)
        spans = self._script_in(token)
        for span in spans:
            self.document.words(*span)
            self.document.separate(LINE)
        if not spans and token.content.strip():
            self.document.leave_out_code()
        self.document.separate(PARAGRAPH)

    def _script_in(self, token: Token) -> list[tuple[int, int]]:
        """The lines of a block of code that is a script, as language models write one; none for other code."""
        language = token.info.strip().lower().partition(" ")[0]
        if token.type != "fence" or language not in SPOKEN_FENCES or not token.map:
            return []
        segments = Segments(self._masked, self._line_starts, token, token.map[0] + 1)
        spans = list(segments.spans(0, len(token.content.rstrip("\n"))))
        return spans if any(SPEAKER_TAG.search(self._text, *span) for span in spans) else []

    def _add_html_block(self, token: Token, first: int, last: int) -> None:
        self.document.separate(PARAGRAPH)
        start, end = self._line_starts[first], self._line_starts[min(last, len(self._line_starts) - 1)]
        content = token.content.rstrip("\n")
        if not token.level or self._text[start:end].strip() == content.strip():
            self._add_html(start, end)
        else:  # without the marks of the list or quote around it, in which no tag spans lines
            segments = Segments(self._masked, self._line_starts, token, first)
            for span in segments.spans(0, len(content)):
                self._add_html(*span)
        self.document.separate(PARAGRAPH)

    def _add_html(self, start: int, end: int) -> None:
        found = [markup for markup in markup_in(self._text, start, end) if _is_tag(markup)]
        add_html(self.document, found, start, end)


def _is_tag(markup: Markup) -> bool:
    """Whether it is not a name in angle brackets, such as `<Person1>`."""
    return not markup.name or is_known(markup.name) or "-" in markup.name or ":" in markup.name


def _is_reference_link(found: list[Place], index: int) -> bool:
    """Whether the link that begins at a place is a number that leads to a note."""
    words = ""
    for after in range(index + 1, len(found)):
        token = found[after].token
        if token.type == "link_close":
            href = str(found[index].token.attrGet("href") or "")
            return is_reference(words, bare=href.startswith("#"))
        words += token.content
    return False


__all__ = ["FRONT_MATTER", "read_markdown"]
