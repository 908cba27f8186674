"""File formats with a structure of their own: subtitles (SubRip, WebVTT) and screenplays (Fountain)."""

from dia.text.formats.reading import read_format

__all__ = ["read_format"]
