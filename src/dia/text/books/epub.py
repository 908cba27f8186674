"""Read an EPUB file as a book: its documents in reading order, divided where the table of contents says."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import Element

from dia.text.books.archive import Archive, named, resolved, words_of
from dia.text.books.book import Book, Chapter
from dia.text.books.contents import Entry, entries_of_navigation, entries_of_ncx, main_entries
from dia.text.books.headings import chapters_at, has_words, html_headings, page_content
from dia.text.files.decoding import decoded
from dia.text.markup.html.elements import VOID
from dia.text.markup.html.tags import Markup, markup_in

_BODY = re.compile(r"<body\b[^<>]*>", re.IGNORECASE)

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_DOCUMENTS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_NCX = "application/x-dtbncx+xml"
_ENCODING = re.compile(rb"""^<\?xml[^>]{0,80}encoding=["']([\w.-]{1,40})["']""")
# Page numbers and notes, which interrupt the text.
_BESIDE_TEXT = re.compile(r"(?<![\w-])(?:doc-)?(?:pagebreak|noteref|(?:foot|end|rear)notes?)(?![\w-])")


@dataclass(frozen=True)
class _Package:
    """What the package document says.

    Attributes:
        title: of the book.
        author: of the book.
        documents: the members with text, in reading order.
        navigation: the table of contents of EPUB 3; empty if there is none.
        ncx: that of EPUB 2.
    """

    title: str
    author: str
    documents: tuple[str, ...]
    navigation: str
    ncx: str


def read_epub(path: Path) -> Book:
    """Read an EPUB 2 or 3 file. Page numbers and notes are left out, and so are documents outside the reading order.

    Raises:
        ValueError: it is damaged, too large, or protected (DRM).
        OSError: it cannot be read.
    """
    with Archive(path) as archive:
        package = _package(archive)
        _check_protection(archive, package)
        entries = _entries(archive, package)
        texts = [(name, _document(archive, name)) for name in package.documents]
    chapters = list(_divided(texts, entries)) if entries else list(_by_document(texts))
    return Book(tuple(chapters), package.title, package.author)


def _package(archive: Archive) -> _Package:
    root_file = next(named(archive.xml(_CONTAINER), "rootfile"), None)
    name = "" if root_file is None else root_file.get("full-path", "")
    root = archive.xml(name)
    items = {item.get("id", ""): item for item in named(root, "item")}
    spine = next(named(root, "spine"), None)
    navigation = next((item for item in items.values() if "nav" in item.get("properties", "").split()), None)
    ncx = items.get("" if spine is None else spine.get("toc", ""))
    if ncx is None:
        ncx = next((item for item in items.values() if item.get("media-type") == _NCX), None)
    members = {key: _member(item, name) for key, item in items.items()}
    shown = (reference.get("idref", "") for reference in named(root, "itemref") if reference.get("linear") != "no")
    texts = (key for key in shown if key in items and items[key].get("media-type") in _DOCUMENTS)
    authors = (words_of(creator) for creator in named(root, "creator"))
    return _Package(
        title=words_of(next(named(root, "title"), None)),
        author=", ".join(dict.fromkeys(filter(None, authors))),
        documents=tuple(dict.fromkeys(members[key] for key in texts if items[key] is not navigation)),
        navigation=_member(navigation, name),
        ncx=_member(ncx, name),
    )


def _member(item: Element | None, package: str) -> str:
    return "" if item is None else resolved(item.get("href", ""), package)[0]


def _check_protection(archive: Archive, package: _Package) -> None:
    """Refuse encrypted text. Fonts may be encrypted: they are not read."""
    if _ENCRYPTION not in archive:
        return
    for reference in named(archive.xml(_ENCRYPTION), "CipherReference"):
        if resolved(reference.get("URI", ""), "")[0] in package.documents:
            raise ValueError(f"{archive.path} is protected (DRM), so its text cannot be read. Use a copy without it.")


def _entries(archive: Archive, package: _Package) -> list[Entry]:
    """The chapters of the table of contents; none if there is no usable one."""
    found: list[Entry] = []
    if package.navigation in archive:
        found = list(entries_of_navigation(_document(archive, package.navigation, whole=True), package.navigation))
    if not found and package.ncx in archive:
        found = list(entries_of_ncx(archive.xml(package.ncx), package.ncx))
    chosen = main_entries(entry for entry in found if entry.document in package.documents)
    return chosen if len(chosen) > 1 else []


def _document(archive: Archive, name: str, whole: bool = False) -> str:
    content = archive.read(name)
    declared = _ENCODING.match(content.removeprefix(b"\xef\xbb\xbf"))
    encoding = declared[1].decode() if declared else "utf-8"
    unicode = encoding.lower().startswith("utf")  # `decoded` tells these from their byte order mark
    text = decoded(content, f"{archive.path}, {name}", None if unicode else encoding).text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if whole else _without_notes(_body(text))


def _body(text: str) -> str:
    start, end = _BODY.search(text), text.lower().rfind("</body")
    return text[start.end() : end] if start and start.end() <= end else page_content(text)


def _without_notes(text: str) -> str:
    """HTML without page numbers, notes and references to them."""
    kept, start, hidden = list[str](), 0, list[str]()
    for markup in markup_in(text):
        if hidden:
            _follow(hidden, markup)
            start = start if hidden else markup.end
        elif markup.opens and markup.name not in VOID and _is_beside_text(markup):
            kept.append(text[start : markup.start])
            hidden, start = [markup.name], markup.start
    return "".join([*kept, text[start:]])


def _follow(hidden: list[str], markup: Markup) -> None:
    """Count elements of the name that is hidden, up to its end."""
    if markup.name == hidden[0]:
        if markup.closing:
            hidden.pop()
        elif markup.opens:
            hidden.append(markup.name)


def _is_beside_text(markup: Markup) -> bool:
    attributes = markup.attributes
    return bool(_BESIDE_TEXT.search(f"{attributes.get('epub:type', '')} {attributes.get('role', '')}"))


def _by_document(texts: Sequence[tuple[str, str]]) -> Iterator[Chapter]:
    """A chapter for each document; a single one is divided at its headings."""
    if len(texts) == 1:
        yield from chapters_at(texts[0][1], "html", list(html_headings(texts[0][1])))
        return
    for _, text in texts:
        heading = next(html_headings(text), None)
        if has_words(text, "html"):
            yield Chapter(text, "html", heading.title if heading else "")


def _divided(texts: Sequence[tuple[str, str]], entries: Sequence[Entry]) -> Iterator[Chapter]:
    """A chapter for each entry, up to the next one, over any number of documents."""
    title, parts = "", list[str]()
    for name, text in texts:
        cuts = _cuts(text, [entry for entry in entries if entry.document == name])
        starts = [0, *cuts, len(text)]
        for number, (start, end) in enumerate(pairwise(starts)):
            if number:
                yield from _chapter(parts, title)
                title, parts = cuts[start], []
            parts.append(text[start:end])
    yield from _chapter(parts, title)


def _chapter(parts: Sequence[str], title: str) -> Iterator[Chapter]:
    text = "\n".join(part for part in parts if part.strip())
    if has_words(text, "html"):
        heading = None if title else next(html_headings(text), None)
        yield Chapter(text, "html", heading.title if heading else title)


def _cuts(text: str, entries: Sequence[Entry]) -> dict[int, str]:
    """The title for each place where a chapter begins, in the order of the text."""
    places = _places(text)
    cuts: dict[int, str] = {}
    for entry in entries:
        cuts.setdefault(places.get(entry.fragment, 0), entry.title)
    return dict(sorted(cuts.items()))


def _places(text: str) -> dict[str, int]:
    """The start of each element that has an id."""
    found: dict[str, int] = {}
    for markup in markup_in(text):
        if markup.name and not markup.closing:
            for attribute in ("id", "name"):
                if key := markup.attributes.get(attribute):
                    found.setdefault(key, markup.start)
    return found


__all__ = ["read_epub"]
