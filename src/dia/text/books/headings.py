"""Divide a text into chapters at its headings. Knows how headings of Markdown and HTML are written."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from markdown_it import MarkdownIt

from dia.text.books.book import Chapter
from dia.text.characters.edited import EditedText
from dia.text.markup.formats import TextFormat, without_markup
from dia.text.markup.html.elements import UNSPOKEN, VOID
from dia.text.markup.html.tags import Markup, markup_in
from dia.text.markup.markdown.reader import FRONT_MATTER

_TAGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_PAGE = ("main", "article", "body")  # the element that holds the text of a page, the most specific first


@dataclass(frozen=True)
class Heading:
    """A heading of a text.

    Attributes:
        start: its first character.
        level: from 1, the highest.
        title: its words.
    """

    start: int
    level: int
    title: str


def chapters_at(text: str, text_format: TextFormat, headings: Sequence[Heading]) -> list[Chapter]:
    """The chapters of a text. They begin at the headings of the highest level of which there are two or more.

    Words before the first of them are a chapter of their own. Parts without words are left out.
    """
    level = chapter_level(headings)
    own = [heading for heading in headings if heading.level == level]
    starts = [0, *(heading.start for heading in own), len(text)]
    before = [heading for heading in headings if heading.start < starts[1]]
    titles = [before[0].title if before else "", *(heading.title for heading in own)]
    spans = zip(pairwise(starts), titles, strict=True)
    parts = (Chapter(text[start:end], text_format, title) for (start, end), title in spans)
    return [chapter for chapter in parts if has_words(chapter.text, text_format)]


def chapter_level(headings: Iterable[Heading]) -> int | None:
    """The highest level of which there are two or more headings; None if there is none."""
    counts = Counter(heading.level for heading in headings)
    return min((level for level, count in counts.items() if count > 1), default=None)


def has_words(text: str, text_format: TextFormat) -> bool:
    """Whether something remains of a text without its markup. What cannot be read counts: its reader explains it."""
    try:
        words, _ = without_markup(EditedText.of(text), text_format)
    except ValueError:
        return True
    return any(character.isalnum() for character in words.text)


def markdown_headings(text: str) -> Iterator[Heading]:
    """The headings of a Markdown document whose line ends are \\n, without those in lists and quotes."""
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    # Front matter would be a heading: it ends in a line of dashes.
    parsed = FRONT_MATTER.sub(lambda found: "\n" * found[0].count("\n"), text)
    tokens = MarkdownIt("commonmark").parse(parsed)
    for token, content in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            parts = (" " if part.type.endswith("break") else part.content for part in content.children or ())
            yield Heading(starts[token.map[0]], int(token.tag[1]), " ".join("".join(parts).split()))


def html_headings(text: str) -> Iterator[Heading]:
    """The headings of HTML, without those in elements that are not spoken, such as navigation."""
    hidden: list[str] = []
    opened: Markup | None = None
    words, start = list[str](), 0
    for markup in markup_in(text):
        if opened is not None:
            words += [text[start : markup.start], markup.stand_in or (" " if markup.name == "br" else "")]
        start = markup.end
        if markup.name in UNSPOKEN and markup.name not in VOID:
            _note_hidden(hidden, markup)
        elif hidden or markup.name not in _TAGS:
            continue
        elif markup.opens:
            opened, words = markup, []
        elif opened is not None:
            yield Heading(opened.start, int(opened.name[1]), " ".join("".join(words).split()))
            opened = None


def _note_hidden(hidden: list[str], markup: Markup) -> None:
    if markup.opens:
        hidden.append(markup.name)
    elif markup.closing and markup.name in hidden:
        while hidden.pop() != markup.name:
            pass


def page_content(text: str) -> str:
    """The article of an HTML page, or its body; the whole text if it has neither."""
    spans: dict[str, list[int]] = {}
    for markup in markup_in(text):
        if markup.name in _PAGE:
            spans.setdefault(markup.name, [markup.end]).append(markup.start)
    for name in _PAGE:
        start, *others = spans.get(name, [0])
        if others and others[-1] >= start:
            return text[start : others[-1]]
    return text


__all__ = [
    "Heading",
    "chapter_level",
    "chapters_at",
    "has_words",
    "html_headings",
    "markdown_headings",
    "page_content",
]
