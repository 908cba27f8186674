"""Markup is not words: the formats in which a text may be written, and the removal of their markup."""

from dia.text.markup.formats import TEXT_FORMATS, check_text_format, without_markup

__all__ = ["TEXT_FORMATS", "check_text_format", "without_markup"]
