"""A book as plain values, and `read_book`, which chooses the reader for a file."""

from dataclasses import dataclass
from pathlib import Path

from dia.text.markup.formats import TextFormat

SUFFIXES = (".epub", ".docx", ".md", ".markdown", ".html", ".htm", ".xhtml")


@dataclass(frozen=True)
class Chapter:
    """A part of a book.

    Attributes:
        text: its words, with its heading.
        text_format: how they are written.
        title: of its heading or of the table of contents; empty if there is none.
    """

    text: str
    text_format: TextFormat = "plain"
    title: str = ""


@dataclass(frozen=True)
class Book:
    """A book.

    Attributes:
        chapters: those that have words, in order; at least one.
        title: empty if it is unknown.
        author: several are separated by commas; empty if unknown.
    """

    chapters: tuple[Chapter, ...]
    title: str = ""
    author: str = ""


def read_book(path: str | Path) -> Book:
    """Read a book.

    Args:
        path: a file whose name ends in one of `SUFFIXES`.

    Raises:
        ValueError: the format is unknown, the file is damaged, protected or too large, or has no words.
        OSError: it cannot be read.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path} is not a book. Known are files that end in {', '.join(SUFFIXES)}.")
    try:
        book = _read(path, suffix)
    except RecursionError:
        raise ValueError(f"{path}: its elements are nested too deeply. Export the document again.") from None
    if not book.chapters:
        raise ValueError(f"{path} contains no words. If its pages are pictures, recognize their text first.")
    return book


def _read(path: Path, suffix: str) -> Book:
    if suffix == ".epub":
        from dia.text.books.epub import read_epub

        return read_epub(path)
    if suffix == ".docx":
        from dia.text.books.docx import read_docx

        return read_docx(path)
    from dia.text.books.page import read_page

    return read_page(path)


__all__ = ["SUFFIXES", "Book", "Chapter", "read_book"]
