"""Find tags, comments and entities in a text, in linear time however malformed it is.

`html.parser` of the standard library reads the attributes of each tag. It does not read whole texts, because it takes
minutes for 100 kB of unclosed tags.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser

_START = re.compile(r"<(?:!--|!\[CDATA\[|[!?]|/?(?P<name>[A-Za-z][\w:.-]*))|\]\]>|&#?\w")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")
_STOP = re.compile(r"[\"'<>]")
_RAW_TEXT = {"script", "style", "textarea", "title", "xmp"}  # elements that contain no tags
_LONGEST_TAG = 4000  # characters of a tag whose attributes are read
_CLOSERS = {"<!--": "-->", "<![CDATA[": "]]>"}


@dataclass(frozen=True)
class Markup:
    """A part of a text that is not words, `text[start:end]`.

    Args:
        start: its first character.
        end: after its last character.
        source: its characters.
        name: of a tag, in lower case; empty for a comment, a declaration or an entity.
        closing: whether it is a closing tag.
        stand_in: the characters that an entity stands for.
    """

    start: int
    end: int
    source: str
    name: str = ""
    closing: bool = False
    stand_in: str = ""

    @property
    def opens(self) -> bool:
        """Whether it opens an element that a closing tag ends."""
        return bool(self.name) and not self.closing and not self.source.endswith("/>")

    @cached_property
    def attributes(self) -> dict[str, str]:
        """The attributes of a tag; names are in lower case."""
        if "=" not in self.source and " " not in self.source:
            return {}
        return _Attributes.of(self.source) if len(self.source) <= _LONGEST_TAG else {}


class _Attributes(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    @classmethod
    def of(cls, tag: str) -> dict[str, str]:
        parser = cls()
        parser.feed(tag)
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found = {name: value or "" for name, value in attrs}


def markup_in(text: str, start: int = 0, end: int | None = None) -> Iterator[Markup]:
    """The tags, comments, declarations and entities in `text[start:end]`, in order."""
    end = len(text) if end is None else end
    lacking: set[str] = set()  # closers that no longer occur
    in_cdata = False
    while found := _START.search(text, start, end):
        start = found.end()
        after = _end(text, found, end, lacking)
        if after is None or (found[0] == "]]>" and not in_cdata):
            continue
        in_cdata = found[0] == "<![CDATA[" or (in_cdata and found[0] != "]]>")
        if found[0][0] == "&":
            if (stand_in := html.unescape(text[found.start() : after])) != text[found.start() : after]:
                yield Markup(found.start(), after, text[found.start() : after], stand_in=stand_in)
                start = after
            continue
        name = (found["name"] or "").lower()
        markup = Markup(found.start(), after, text[found.start() : after], name, found[0][1:2] == "/")
        yield markup
        start = after
        if name in _RAW_TEXT and markup.opens:
            start = _raw_end(text, name, start, end, lacking)


def _end(text: str, found: re.Match[str], end: int, lacking: set[str]) -> int | None:
    """The end of what starts at a match, or None if it is text."""
    if found[0][0] == "&":
        entity = _ENTITY.match(text, found.start(), end)
        return entity.end() if entity else None
    if found[0] in ("<![CDATA[", "]]>"):
        return found.end()  # what it contains are words
    if closer := _CLOSERS.get(found[0]):
        at = _find(text, closer, found.end(), end, lacking)
        return None if at is None else at + len(closer)
    return _tag_end(text, found.end(), end, lacking)


def _tag_end(text: str, start: int, end: int, lacking: set[str]) -> int | None:
    """The end of a tag whose name ends at `start`. Quoted values may contain `<` and `>`."""
    while stop := _STOP.search(text, start, end):
        if stop[0] == ">":
            return stop.end()
        if stop[0] == "<":
            return None
        start = stop.end()
        if text[max(0, stop.start() - 3) : stop.start()].rstrip().endswith("="):
            closer = _find(text, stop[0], start, end, lacking)
            if closer is None:
                return None
            start = closer + 1
    return None


def _find(text: str, closer: str, start: int, end: int, lacking: set[str]) -> int | None:
    if closer in lacking:
        return None
    at = text.find(closer, start, end)
    if at < 0:
        lacking.add(closer)
        return None
    return at


def _raw_end(text: str, name: str, start: int, end: int, lacking: set[str]) -> int:
    """The start of the tag that closes an element without tags; its own start if there is none."""
    if name in lacking:
        return start
    closer = re.compile(rf"</{name}\b", re.IGNORECASE).search(text, start, end)
    if closer is None:
        lacking.add(name)
        return start
    return closer.start()


__all__ = ["Markup", "markup_in"]
