"""Screenplays in Fountain (fountain.io): the dialogue, with a label for each speaker.

The packages on PyPI (fountain, jouvence, screenplain) are unmaintained or return texts without their positions.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from dia.text.characters.edited import EditedText
from dia.text.formats.content import Content
from dia.text.formats.lines import Line, lines_of
from dia.text.formats.names import speakers_of
from dia.text.listing import first_names
from dia.text.sounds import is_marked_sound
from dia.text.speakers.mapping import in_python_and_command

NARRATOR = "NARRATOR"

_REMOVED = "\ue000"  # stands for each character of a note or comment, so that positions stay the same
_TITLE_PAGE = re.compile(
    r"(?:title|credit|authors?|source|notes|draft date|date|contact|copyright|revision)[ \t]{0,9}:", re.IGNORECASE
)
_HEADING = re.compile(r"\.(?!\.)\S|(?:INT|EXT|EST|INT\.?/EXT|I/E)[. ]", re.IGNORECASE)
_CHARACTER = re.compile(r"(?P<forced>@)?(?P<name>[^()^]+)(?:\([^()]*\)[ \t]*)*\^?[ \t]*")
_LONGEST_NAME = 100  # characters, with what is in brackets after it
_PARENTHETICAL = re.compile(r"[ \t]*\([^()]*\)[ \t]*")
_NOT_SPOKEN = ("#", "=", ">")  # sections, synopses and page breaks, transitions and centered titles
_MARKS = re.compile(rf"{_REMOVED}+|\\(?=[*_])|(?<![\\/*])\*{{1,3}}|(?<![\w\\])_(?=\S)|(?<=[^\s\\])_(?!\w)|^[ \t]*[~!]")

Kind = Literal["character", "dialogue", "parenthetical", "action"]


class _Element(NamedTuple):
    kind: Kind
    line: Line


def screenplay(source: EditedText, speakers: Mapping[str, str] | None = None, english: bool = True) -> Content:
    """Read a screenplay as a script of its dialogue.

    Spoken are the lines after the name of a character. Sounds and pauses among their parentheticals, such as
    `(laughs)` and `(beat)`, are kept. Two speeches at the same time are spoken one after the other. Not spoken are
    the title page, scene headings, actions, transitions, sections, synopses, notes `[[…]]`, comments `/* … */`, and
    other parentheticals.

    Args:
        source: the content of the file.
        speakers: S1 or S2 for the names of characters. With `NARRATOR` among them, actions are spoken, too;
            otherwise a warning names them.
        english: whether sounds are looked for in English words; otherwise only the listed ones are known.

    Raises:
        ValueError: there is no dialogue, or more than two speakers.
    """
    narrated = any(name.upper() == NARRATOR for name in speakers or {})
    actions = list[str]()
    speeches = list(_speeches(source, narrated, english, actions))
    if not speeches:
        raise ValueError(
            "text contains no dialogue. In a Fountain screenplay, dialogue is a character's name in capitals after a "
            "blank line, and the words on the lines after it."
        )
    names, warnings = speakers_of((name for name, _, _ in speeches), speakers)
    if actions:
        python, option = in_python_and_command([*names, NARRATOR])
        warnings.append(
            f"{first_names(actions)}: actions are not spoken. If they should be, pass speakers={python} ({option})."
        )
    texts, positions, last = list[str](), list[int](), ""
    for name, begins, line in speeches:
        speaker = f"[{names[name]}]" if names else ""
        before = " " if not begins else f"\n{speaker} " if speaker != last else "\n\n"
        texts += [before, line.text]
        positions += [line.position(0)] * len(before)
        positions += line.positions
        last = speaker
    text = EditedText("".join(texts), tuple(positions), source.length)
    return Content(text, warnings=warnings, names=names)


class _Said(NamedTuple):
    """What is spoken of a line, who speaks, and whether it begins a speech."""

    name: str
    begins: bool
    line: EditedText


def _speeches(source: EditedText, narrated: bool, english: bool, actions: list[str]) -> Iterator[_Said]:
    name, begins = "", True
    for kind, line in _elements(source.text):
        if kind == "character":
            name, begins = _name(line.text), True
            continue
        if kind == "action":
            begins = True
        said = _said(kind, line, source, english)
        if said is not None and (kind != "action" or narrated):
            yield _Said(NARRATOR if kind == "action" else name, begins, said)
            begins = False
        elif said is not None and kind == "action":
            actions.append(said.text.strip())


def _said(kind: Kind, line: Line, source: EditedText, english: bool) -> EditedText | None:
    """What is spoken of a line, if anything."""
    written = EditedText(line.text, source.positions[line.start : line.end], source.length)
    plain = written.sub(_MARKS, "")
    if kind == "parenthetical" and not is_marked_sound(plain.text.strip(" \t()"), english=english):
        return None
    return plain if plain.text.strip() else None


def _name(line: str) -> str:
    match = _CHARACTER.fullmatch(line.replace(_REMOVED, "").strip())
    assert match is not None
    return match["name"].strip()


def _elements(text: str) -> Iterator[_Element]:
    """The lines that may be spoken, with their kinds."""
    lines = [line for line in lines_of(_without_notes(text)) if not line.text or line.text.strip(_REMOVED)]
    speaking, before = False, ""
    for line, after in pairwise([*_without_title_page(lines), None]):
        assert line is not None
        if not line.text.strip():
            speaking = speaking and len(line.text) >= 2  # two spaces keep a speech together
        elif speaking:
            yield _Element("parenthetical" if _PARENTHETICAL.fullmatch(line.text) else "dialogue", line)
        elif not before.strip() and after is not None and after.text.strip() and _is_character(line.text):
            speaking = True
            yield _Element("character", line)
        elif not (_HEADING.match(line.text) or line.text.lstrip().startswith(_NOT_SPOKEN) or _is_transition(line)):
            yield _Element("action", line)
        before = line.text


def _is_transition(line: Line) -> bool:
    return line.text.isupper() and line.text.rstrip().endswith(":")


def _is_character(text: str) -> bool:
    if len(text) > _LONGEST_NAME or _HEADING.match(text) or text.lstrip().startswith((*_NOT_SPOKEN, "!", "~")):
        return False
    match = _CHARACTER.fullmatch(text.replace(_REMOVED, "").strip())
    if match is None or not any(character.isalpha() for character in match["name"]):
        return False
    return match["forced"] is not None or (match["name"].isupper() and not match["name"].rstrip().endswith(":"))


def _without_title_page(lines: Sequence[Line]) -> Sequence[Line]:
    if not lines or not _TITLE_PAGE.match(lines[0].text):
        return lines
    end = next((index for index, line in enumerate(lines) if not line.text.strip()), len(lines))
    return lines[end:]


def _without_notes(text: str) -> str:
    """The text with `_REMOVED` for each character of comments, and of notes, which end at a blank line."""
    for begin, end, pattern in (("/*", "*/", None), ("[[", "]]", re.compile(r"\n[ \t]?\r?\n"))):
        text = _masked(text, begin, end, pattern)
    return text


def _masked(text: str, begin: str, end: str, limit: re.Pattern[str] | None) -> str:
    parts, kept = list[str](), 0
    start, close, stop = text.find(begin), -1, -1
    while start >= 0:
        if close < start + len(begin):
            close = text.find(end, start + len(begin))
        if close < 0:
            break
        if limit is not None and stop < start:
            blank = limit.search(text, start)
            stop = blank.start() if blank else len(text)
        if limit is not None and stop < close:
            start = text.find(begin, stop)
            continue
        after = close + len(end)
        parts += [text[kept:start], _REMOVED * (after - start)]
        kept = after
        start = text.find(begin, after)
    return "".join([*parts, text[kept:]])


__all__ = ["NARRATOR", "screenplay"]
