"""Read the table of contents of an EPUB file, of version 3 (a document in HTML) or 2 (NCX)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from dia.text.books.archive import local_name, named, resolved, words_of
from dia.text.markup.html.tags import markup_in


@dataclass(frozen=True)
class Entry:
    """A line of a table of contents.

    Attributes:
        depth: 0 for the main entries.
        document: the member that it leads to.
        fragment: the id of an element in it; empty for its beginning.
        title: its words.
    """

    depth: int
    document: str
    fragment: str
    title: str


def main_entries(entries: Iterable[Entry]) -> list[Entry]:
    """The entries that begin a chapter: the main ones, and deeper ones that lead to documents of their own.

    A part of a book contains chapters, each a document. Sections of a chapter lead into the chapter's document.
    """
    chosen, seen = list[Entry](), set[str]()
    for entry in entries:
        if entry.depth == 0 or entry.document not in seen:
            chosen.append(entry)
        seen.add(entry.document)
    return chosen


def entries_of_navigation(text: str, name: str) -> Iterator[Entry]:
    """The entries of the navigation document of EPUB 3, the member `name`."""
    depth, kind, link, words, start = -1, "", None, list[str](), 0
    for markup in markup_in(text):
        if link is not None:
            words += [text[start : markup.start], markup.stand_in]
        start = markup.end
        if markup.name == "nav":
            kind = "" if markup.closing else markup.attributes.get("epub:type", "")
            depth = -1
        elif "toc" not in kind.split():
            continue
        elif markup.name == "ol":
            depth += -1 if markup.closing else 1
        elif markup.name == "a" and markup.opens:
            link, words = markup.attributes.get("href", ""), []
        elif markup.name == "a" and link is not None:
            yield Entry(max(0, depth), *resolved(link, name), " ".join("".join(words).split()))
            link = None


def entries_of_ncx(root: Element, name: str) -> Iterator[Entry]:
    """The entries of the NCX of EPUB 2, the member `name`."""
    for navigation in named(root, "navMap"):
        yield from _points(navigation, name, 0)


def _points(parent: Element, name: str, depth: int) -> Iterator[Entry]:
    for point in parent:
        if local_name(point) != "navPoint":
            continue
        content = next((child for child in point if local_name(child) == "content"), None)
        label = next((child for child in point if local_name(child) == "navLabel"), None)
        if content is not None:
            yield Entry(depth, *resolved(content.get("src", ""), name), words_of(label))
        yield from _points(point, name, depth + 1)


__all__ = ["Entry", "entries_of_navigation", "entries_of_ncx", "main_entries"]
