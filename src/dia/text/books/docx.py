"""Read a Word document (.docx) as a book: its paragraphs in order, divided at its headings."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from dia.text.books.archive import Archive, local_name, named, words_of
from dia.text.books.book import Book
from dia.text.books.headings import Heading, chapters_at

_DOCUMENT, _STYLES, _FACTS = "word/document.xml", "word/styles.xml", "docProps/core.xml"
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)  # the names of built-in styles are English in any language
_CONTENTS = re.compile(r"toc (?:[1-9]|heading)|table of (?:figures|authorities)", re.IGNORECASE)
# Deleted words, the second copy of a text box, and paragraphs in a paragraph, which are read on their own.
_NOT_READ = {"del", "moveFrom", "Fallback", "p", "pPr"}
_CHARACTERS = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def read_docx(path: Path) -> Book:
    """Read a Word document. Footnotes, comments, headers, deleted and hidden words are left out.

    Raises:
        ValueError: it is damaged, protected or too large.
        OSError: it cannot be read.
    """
    with Archive(path) as archive:
        body = archive.xml(_DOCUMENT)
        styles = _style_names(archive.xml(_STYLES)) if _STYLES in archive else {}
        facts = archive.xml(_FACTS) if _FACTS in archive else None
    text, headings = _text(body, styles)
    title, author = (words_of(next(named(facts, name), None)) if facts is not None else "" for name in _FACT_NAMES)
    return Book(tuple(chapters_at(text, "plain", headings)), title, author)


_FACT_NAMES = ("title", "creator")


def _text(body: Element, styles: dict[str, str]) -> tuple[str, list[Heading]]:
    """The paragraphs, separated by blank lines, and the headings among them."""
    paragraphs, headings, length = list[str](), list[Heading](), 0
    for paragraph in _paragraphs(body):
        words, style = "".join(_words(paragraph)).strip(), _style(paragraph, styles)
        if not words or _CONTENTS.fullmatch(style):
            continue
        if level := _level(style):
            headings.append(Heading(length, level, " ".join(words.split())))
        paragraphs.append(words)
        length += len(words) + 2
    return "\n\n".join(paragraphs), headings


def _level(style: str) -> int | None:
    """The level of a heading: 1 for a title, which stands above the headings; None for other paragraphs."""
    if style.lower() == "title":
        return 1
    found = _HEADING.fullmatch(style)
    return int(found[1]) + 1 if found else None


def _paragraphs(element: Element) -> Iterator[Element]:
    for child in element:
        name = local_name(child)
        if name == "p":
            yield child
        if name not in _NOT_READ - {"p"}:
            yield from _paragraphs(child)


def _words(element: Element) -> Iterator[str]:
    for child in element:
        name = local_name(child)
        if name == "t":
            yield child.text or ""
        elif name in _CHARACTERS:
            yield _CHARACTERS[name]
        elif name not in _NOT_READ and not (name == "r" and _is_hidden(child)):
            yield from _words(child)


def _is_hidden(run: Element) -> bool:
    return any(_value(mark) not in ("0", "false") for mark in named(run, "vanish"))


def _style(paragraph: Element, styles: dict[str, str]) -> str:
    """The name of a paragraph's style; empty if it has none."""
    properties = next((child for child in paragraph if local_name(child) == "pPr"), None)
    style = None if properties is None else next(named(properties, "pStyle"), None)
    key = "" if style is None else _value(style)
    return styles.get(key, key)


def _style_names(root: Element) -> dict[str, str]:
    """The names of styles by their ids; a style that is based on a heading counts as that heading."""
    names, bases = dict[str, str](), dict[str, str]()
    for style in named(root, "style"):
        key = next((value for name, value in style.items() if name.endswith("styleId")), "")
        names[key] = next((_value(name) for name in named(style, "name")), key)
        bases[key] = next((_value(base) for base in named(style, "basedOn")), "")
    return {key: _heading_above(key, names, bases) for key in names}


def _heading_above(key: str, names: dict[str, str], bases: dict[str, str]) -> str:
    name, seen = names[key], {key}
    while not _level(names.get(key, "")):
        key = bases.get(key, "")
        if not key or key in seen:
            return name
        seen.add(key)
    return names[key]


def _value(element: Element) -> str:
    return next((value for name, value in element.items() if name.rpartition("}")[2] == "val"), "")


__all__ = ["read_docx"]
