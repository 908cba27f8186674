"""The formats of a text, and the reader of each.

A reader returns the words with marks that `dia.text.script` knows, such as pauses and blank lines, in place of markup.
"""

from typing import Literal, get_args

from dia.text.characters.edited import EditedText

TextFormat = Literal["plain", "markdown", "html", "srt", "vtt", "fountain"]
TEXT_FORMATS: tuple[str, ...] = get_args(TextFormat)


def check_text_format(text_format: object) -> None:
    """Check the name of a format.

    Raises:
        ValueError: the format is unknown.
    """
    if text_format not in TEXT_FORMATS:
        raise ValueError(f"text_format is {text_format!r}; it must be one of {', '.join(TEXT_FORMATS)}.")


def without_markup(
    source: EditedText, text_format: str = "plain", *, english: bool = True
) -> tuple[EditedText, list[str]]:
    """Remove the markup of a text.

    Args:
        source: the text.
        text_format: one of `TEXT_FORMATS`.
        english: whether the words are English, so that rules about words apply.

    Returns:
        The text without markup, and warnings about what was left out.

    Raises:
        ValueError: the format is unknown, or a tag in the text has an invalid value.
    """
    check_text_format(text_format)
    if text_format == "markdown":
        from dia.text.markup.markdown.reader import read_markdown

        source, warnings = read_markdown(source, english=english)
    elif text_format == "html":
        from dia.text.markup.html.reader import read_html

        source, warnings = read_html(source, english=english)
    else:
        from dia.text.markup.plain import read_plain

        return read_plain(source, english=english)
    return _without_line_marks(source, english), warnings


def _without_line_marks(source: EditedText, english: bool) -> EditedText:
    """Leave out citation marks and divisions of words, which any format may contain."""
    from dia.text.markup.citations import without_citations
    from dia.text.markup.lines import without_divisions

    source, _ = without_citations(source, english=english)
    return without_divisions(source)[0] if english else source


__all__ = ["TEXT_FORMATS", "check_text_format", "without_markup"]
