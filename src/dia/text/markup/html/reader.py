"""HTML as words. Headings, paragraphs, list items and rows end a sentence; what is not text is left out."""

from dia.text.characters.edited import EditedText
from dia.text.markup.document import Document, last_closers
from dia.text.markup.html.elements import is_known
from dia.text.markup.html.tags import Markup, markup_in
from dia.text.markup.selection import Selection
from dia.text.sounds import is_marked_sound


def read_html(source: EditedText, *, english: bool = True) -> tuple[EditedText, list[str]]:
    """Remove the tags of HTML or SSML."""
    found = [markup for markup in markup_in(source.text) if not _is_mark(markup, english)]
    selection = Selection(source.text)
    document = Document(selection, last_closers(found), one_line=True, english=english)
    add_html(document, found, 0, len(source.text))
    return source.edited(selection.edits()), document.all_warnings()


def add_html(document: Document, found: list[Markup], start: int, end: int) -> None:
    """Add `text[start:end]` to a document.

    Args:
        document: what was selected before it.
        found: the tags and entities in this part of the text.
        start: its first character.
        end: after its last character.
    """
    for markup in found:
        document.words(start, markup.start)
        document.obey(markup)
        start = markup.end
    document.words(start, end)


def _is_mark(markup: Markup, english: bool) -> bool:
    """Whether a tag is a mark of a script, such as `<laugh>`."""
    if not markup.name or is_known(markup.name):
        return False
    return is_marked_sound(markup.name.replace("_", " "), english=english)


__all__ = ["add_html", "read_html"]
