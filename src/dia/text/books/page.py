"""Read a Markdown or HTML file as a book. A file without several headings of one level is one chapter."""

import re
from pathlib import Path

from dia.text.books.book import Book, Chapter
from dia.text.books.headings import (
    Heading,
    chapter_level,
    chapters_at,
    has_words,
    html_headings,
    markdown_headings,
    page_content,
)
from dia.text.files.source import read_script
from dia.text.markup.html.tags import markup_in
from dia.text.markup.markdown.reader import FRONT_MATTER

_FIELD = re.compile(r"""^(title|author)[ \t]*[:=][ \t]*(["']?)([^\n]+?)\2[ \t]*$""", re.MULTILINE | re.IGNORECASE)


def read_page(path: Path) -> Book:
    """Read a Markdown or HTML file.

    Raises:
        ValueError: it is not text, too large, or in an encoding that cannot be detected.
        OSError: it cannot be read.
    """
    script = read_script(path)
    text = script.text.replace("\r\n", "\n").replace("\r", "\n")
    if script.text_format == "html":
        content = page_content(text)
        headings, facts = list(html_headings(content)), _html_facts(text)
    else:
        content = text
        headings, facts = list(markdown_headings(text)), _front_matter(text)
    title = facts.get("title") or _first_of_the_highest(headings)
    if chapter_level(headings) is None:  # as it is: the reader of scripts knows what is beside the article
        whole = Chapter(script.text, script.text_format, title)
        chapters = [whole] if has_words(whole.text, whole.text_format) else []
    else:
        chapters = chapters_at(content, script.text_format, headings)
    return Book(tuple(chapters), title, facts.get("author", ""))


def _first_of_the_highest(headings: list[Heading]) -> str:
    """The only heading above the chapters; empty if there is none."""
    highest = [heading for heading in headings if heading.level == min(one.level for one in headings)]
    return highest[0].title if len(highest) == 1 else ""


def _front_matter(text: str) -> dict[str, str]:
    found = FRONT_MATTER.match(text)
    return {field[1].lower(): field[3].strip() for field in _FIELD.finditer(found[0])} if found else {}


def _html_facts(text: str) -> dict[str, str]:
    facts: dict[str, str] = {}
    start = None
    for markup in markup_in(text):
        if markup.name == "title" and not facts.get("title"):
            if markup.closing and start is not None:
                facts["title"] = _plain(text[start : markup.start])
            start = markup.end
        elif markup.name == "meta" and markup.attributes.get("name", "").lower() == "author":
            facts.setdefault("author", markup.attributes.get("content", "").strip())
        elif markup.name == "body":
            break
    return facts


def _plain(written: str) -> str:
    import html

    return " ".join(html.unescape(written).split())


__all__ = ["read_page"]
