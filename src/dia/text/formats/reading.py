"""Read the formats of files whose structure is more than markup: subtitles and screenplays."""

from collections.abc import Mapping

from dia.text.characters.edited import EditedText
from dia.text.formats.captions import captions
from dia.text.formats.content import Content
from dia.text.formats.screenplay import screenplay
from dia.text.formats.subtitles import subtitle_format

_TIMED = ("srt", "vtt")


def read_format(
    source: EditedText,
    text_format: str,
    *,
    keep_timing: bool = False,
    plain: bool = True,
    speakers: Mapping[str, str] | None = None,
    english: bool = True,
) -> Content:
    """Read a text in a given format as a script.

    Args:
        source: the text.
        text_format: its format; "markdown", "html" and "plain" are returned unchanged. Subtitles are read by how they
            begin, because many .srt files are WebVTT.
        keep_timing: keep the times of subtitles.
        plain: read "plain" text that unmistakably is a subtitle file as such.
        speakers: S1 or S2 for names of speakers. If `NARRATOR` is among them, the actions of a screenplay are spoken.
        english: whether sounds are looked for in English words; otherwise only the listed ones are known.

    Raises:
        ValueError: a line is invalid; the text has no cues, no dialogue or more than two speakers; or `keep_timing` is
            true for a text without times.
    """
    if text_format in _TIMED or (text_format == "plain" and plain):
        text_format = subtitle_format(source.text) or text_format
    if text_format in _TIMED:
        return captions(source, text_format, keep_timing, speakers, english)
    if keep_timing:
        raise ValueError(
            f"keep_timing needs the times of subtitles, but the text format is {text_format}. Pass subtitles, .srt or "
            f".vtt, or omit keep_timing."
        )
    if text_format == "fountain":
        return screenplay(source, speakers, english)
    return Content(source, text_format)


__all__ = ["read_format"]
