"""The words of a line of a subtitle, without tags, positions and descriptions of sounds."""

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from dia.text.characters.edited import Edit, EditedText
from dia.text.sounds import is_marked_sound
from dia.text.tags import PAUSE_MARK, SPEAKER_TAG

_STYLES = "i|b|u|s|em|strong|span|font|c|v|lang|ruby|rt|p|div|center"
_MARKUP = re.compile(
    r"<v(?:\.[^\s<>.]{1,40}){0,9}[ \t]+(?P<voice>[^<>]{1,200})>"
    rf"|(?P<tag></?(?:{_STYLES})(?:[.\s/][^<>]{{0,300}})?>|<\d[\d:.]{{3,20}}>)"
    r"|(?P<space><br\s{0,9}/?>|\\[Nh])"
    r"|(?P<code>\{\\[^{}]{0,300}\}|\{[A-Za-z]:[^{}]{0,99}\})"
    r"|(?P<entity>&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)"
    r"|(?P<music>[♩♪♫♬🎵🎶]+)"
    r"|(?P<square>\[[^\[\]]{0,120}\])"
    r"|(?P<round>\([^()]{0,120}\))"
)
_MARKS = frozenset("<\\{&[(♩♪♫♬🎵🎶")  # the first characters of all these
VOICE = re.compile(r"\n(?P<voice>[^\n]*)\n")  # lines of a file contain no line breaks
_SUNG = re.compile(r"^[ \t]*(#)[ \t]+.*\S[ \t]*(#)[ \t]*$")


@dataclass
class Remarks:
    """What the lines of a file contain beside words. The keys are in the order of the file.

    Attributes:
        english: whether sounds are looked for in English words.
        descriptions: descriptions of sounds that are left out, such as `[door slams]`.
        sung: names of the cues that are sung.
    """

    english: bool = True
    descriptions: dict[str, None] = field(default_factory=dict)
    sung: dict[str, None] = field(default_factory=dict)


def spoken_line(line: EditedText, cue: str, remarks: Remarks) -> EditedText:
    """A line as plain text, in which the tag `<v Alice>` is written as `VOICE` matches it.

    Args:
        line: the line as it is in the file.
        cue: the name of its cue.
        remarks: receives what is left out.
    """
    if not _MARKS.isdisjoint(line.text):
        line = line.edited(_edits(line.text, cue, remarks))
    if sung := _SUNG.match(line.text):
        remarks.sung[cue] = None
        line = line.edited(Edit(*sung.span(number), "") for number in (1, 2))
    return line


def _edits(text: str, cue: str, remarks: Remarks) -> Iterator[Edit]:
    for match in _MARKUP.finditer(text):
        stand_in = _stand_in(match, cue, remarks)
        if stand_in != match[0]:
            yield Edit(match.start(), match.end(), stand_in)


def _stand_in(match: re.Match[str], cue: str, remarks: Remarks) -> str:
    kind = match.lastgroup
    if kind == "voice":
        return f"\n{' '.join(html.unescape(match['voice']).split())}\n"
    if kind in ("square", "round"):
        return _bracketed(match, remarks)
    if kind == "entity":
        return _character(match[0])
    if kind == "music":
        remarks.sung[cue] = None
    return " " if kind == "space" else ""


def _character(entity: str) -> str:
    """The character of an entity; nothing for a mark of direction or a joiner, the entity itself if it is unknown."""
    character = html.unescape(entity)
    if any(unicodedata.category(one) in ("Cc", "Cf", "Cs") for one in character):
        return ""
    return " " if character.isspace() else character


def _bracketed(match: re.Match[str], remarks: Remarks) -> str:
    """A mark of a script or a sound, or words in round brackets within a sentence; other descriptions are left out."""
    written = match[0]
    if SPEAKER_TAG.fullmatch(written) or PAUSE_MARK.fullmatch(written):
        return written
    if is_marked_sound(written[1:-1], english=remarks.english):
        return written
    if match.lastgroup == "round" and not _is_description(match):
        return written
    remarks.descriptions[written] = None
    return ""


def _is_description(match: re.Match[str]) -> bool:
    """Whether words in round brackets describe a sound: they are in capitals, or alone on their line."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    return match[0].isupper() or not (before.strip(" \t-–—>") or after.strip())


__all__ = ["VOICE", "Remarks", "spoken_line"]
