"""Select the words of a text with tags, in the order of its tags and words. Shared by all formats."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from dia.text.markup.citations import is_reference
from dia.text.markup.html.elements import (
    BLOCKS,
    CELLS,
    MARGINS,
    UNSPOKEN,
    VOID,
    WITHOUT_EFFECT,
    is_service,
)
from dia.text.markup.html.speech import pause_mark, phones_of, said_as
from dia.text.markup.html.tags import Markup
from dia.text.markup.selection import CELL, LINE, PARAGRAPH, Selection

_REFERENCE_CLASS = re.compile(r"\b(?:reference|footnote|noteref|cite)", re.IGNORECASE)
_RAISED = re.compile(r"(?:\d|\b[A-Za-z]{1,2}|[)\]])$")  # what a power or an exponent of a unit follows
_NO_EFFECT = "not supported, so the words are spoken without it. Choose a voice with `voice` and a speed with "
_NO_EFFECT += "`speaking_rate`, and add other sounds to the audio."
_NO_PHONES = (
    "<phoneme>: the phones are not ARPAbet, so the word is read as it is written. Write its phones in braces, "
)
_NO_PHONES += "such as {n aa1 r iy0}."
_BESIDE = "the header, the footer and the margins of a page are left out. Only its article is spoken."
_UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
CODE_LEFT_OUT = "a block of code is left out. To have it spoken, write it as words."


class _Open(NamedTuple):
    """An open element, and what replaces its words when it ends; None if they stay."""

    name: str
    mark: int
    start: int
    replace: Callable[[str], str] | None


@dataclass
class Document:
    """Selects words and obeys tags.

    Args:
        selection: what is kept of the text.
        closers: for each name, the start of its last closing tag; an element that is never closed hides nothing.
        one_line: line ends between words are spaces, as in HTML.
        english: words may be rewritten as English.
    """

    selection: Selection
    closers: dict[str, int]
    one_line: bool = False
    english: bool = True
    warnings: dict[str, None] = field(default_factory=dict)
    _open: list[_Open] = field(default_factory=list)
    _hidden: list[str] = field(default_factory=list)
    _within: Counter[str] = field(default_factory=Counter)  # the number of open elements with each name
    _without_effect: dict[str, None] = field(default_factory=dict)

    def words(self, start: int, end: int) -> None:
        """Keep `text[start:end]`, unless an element hides it."""
        if not self._hidden:
            self.selection.keep(start, end, one_line=self.one_line and not self._within["pre"])

    def put(self, start: int, end: int, stand_in: str) -> None:
        """Replace `text[start:end]`, unless an element hides it."""
        if not self._hidden:
            self.selection.put(start, end, stand_in)

    def separate(self, separator: str) -> None:
        """Separate the next words from the last."""
        if not self._hidden:
            self.selection.separate(separator)

    def leave_out_code(self) -> None:
        """Warn that code is not spoken."""
        self.warnings[CODE_LEFT_OUT] = None

    def obey(self, markup: Markup) -> None:
        """Follow a tag; replace an entity."""
        if markup.stand_in:
            self.put(markup.start, markup.end, markup.stand_in)
        elif self._hidden:
            self._obey_hidden(markup)
        elif markup.name:
            self._separate_at(markup.name)
            (self._close if markup.closing else self._start)(markup)

    def all_warnings(self) -> list[str]:
        """The warnings, each kind once."""
        names = ", ".join(f"<{name}>" for name in self._without_effect)
        return [*([f"{names}: {_NO_EFFECT}"] if names else []), *self.warnings]

    def _obey_hidden(self, markup: Markup) -> None:
        """Count the elements of the same name, to find the tag that ends the hidden one."""
        if markup.name != self._hidden[-1]:
            return
        if markup.closing:
            self._hidden.pop()
        elif markup.opens and markup.name not in VOID:
            self._hidden.append(markup.name)

    def _separate_at(self, name: str) -> None:
        if name in BLOCKS or (name in ("s", "sentence") and self._within["speak"]):
            self.selection.separate(PARAGRAPH)
        elif name == "br":
            self.selection.separate(LINE)
        elif name in CELLS:
            self.selection.separate(CELL)

    def _start(self, tag: Markup) -> None:
        name = tag.name
        if name == "break":
            self._pause(tag)
        elif not tag.opens or name in VOID:
            self._note_effect(name)
        elif name == "code" and self._open and self._open[-1].name == "pre" and self._hides(tag):
            self.leave_out_code()
        elif name in UNSPOKEN or _is_hidden(tag):
            self._hides(tag)
        elif self._is_beside_the_article(name):
            self.warnings[_BESIDE] = None
            self._hides(tag)
        else:
            self._note_effect(name)
            self._open_element(tag)

    def _is_beside_the_article(self, name: str) -> bool:
        """Whether an element is the header, footer or margin of a page, and not part of its article."""
        page = "main" in self.closers or "article" in self.closers
        return name in MARGINS and page and not any(self._within[part] for part in ("main", "article"))

    def _pause(self, tag: Markup) -> None:
        self.put(tag.start, tag.end, pause_mark(tag.attributes, tag.source))

    def _hides(self, tag: Markup) -> bool:
        """Hide an element if it is closed further on. Only SSML speaks what stands in `<audio>`."""
        if self.closers.get(tag.name, 0) <= tag.start:
            return False
        if tag.name == "audio" and self._within["speak"]:
            self._note_effect(tag.name)
            return False
        self._hidden.append(tag.name)
        return True

    def _note_effect(self, name: str) -> None:
        if name in WITHOUT_EFFECT or is_service(name):
            self._without_effect[name] = None

    def _open_element(self, tag: Markup) -> None:
        if self.closers.get(tag.name, 0) > tag.start:
            self._within[tag.name] += 1
            self._open.append(_Open(tag.name, self.selection.mark(), tag.end, self._replacement(tag)))

    def _replacement(self, tag: Markup) -> Callable[[str], str] | None:
        """What replaces the words of an element; None if they stay."""
        name, attributes = tag.name, tag.attributes
        if name == "sub" and "alias" in attributes:
            return lambda words: attributes["alias"]
        if name == "say-as" and self.english:
            return lambda words: said_as(words, attributes)
        if name == "phoneme":
            return lambda words: self._with_phones(words, phones_of(attributes))
        if name == "sup":
            before = self.selection.last
            return lambda words: _raised(words, before, attributes.get("class", ""))
        if name == "a" and re.match(r"#.", attributes.get("href", "")):
            return lambda words: "" if is_reference(words, bare=True) else words
        return None

    def _with_phones(self, words: str, phones: str | None) -> str:
        if phones is None:
            self.warnings[_NO_PHONES] = None
            return words
        return words.strip() + phones

    def _close(self, tag: Markup) -> None:
        ended = None
        while self._within[tag.name] and ended != tag.name:
            opened = self._open.pop()
            ended = opened.name
            self._within[ended] -= 1
            if opened.replace is not None:
                self.selection.replace_since(opened.mark, opened.start, tag.start, opened.replace)


def _is_hidden(tag: Markup) -> bool:
    attributes = tag.attributes
    unseen = _UNSEEN.search(attributes.get("style", "")) is not None
    return "hidden" in attributes or attributes.get("aria-hidden") == "true" or unseen


def _raised(words: str, before: str, kind: str) -> str:
    """A superscript: nothing if it refers to a note, `^2` if it is a power; other words, as in 4th, stay."""
    mark = words.strip()
    if not mark or is_reference(mark, bare=bool(_REFERENCE_CLASS.search(kind))):
        return ""
    if mark.isdecimal():
        return f"^{mark}" if _RAISED.search(before) else ""
    if mark[0] in "-−" and mark[1:].isdecimal():
        return f"^-{mark[1:]}"
    return words


def last_closers(found: Iterable[Markup]) -> dict[str, int]:
    """For each name, the start of its last closing tag."""
    return {markup.name: markup.start for markup in found if markup.closing}


__all__ = ["CODE_LEFT_OUT", "Document", "last_closers"]
