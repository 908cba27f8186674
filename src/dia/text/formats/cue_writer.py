"""Write the lines of subtitles as one script, with a tag where the speaker changes."""

import re
from collections.abc import Iterator, Mapping, Sequence

from dia.text.characters.edited import Edit, EditedText
from dia.text.formats.cue_text import VOICE
from dia.text.formats.rolling import Lines
from dia.text.tags import SPEAKERS

_DASH = re.compile(r"[ \t]*(?:[-‐–—](?=[^\W\d_]|[\"'“‘(\[.…¡¿])|[-‐–—][ \t]+(?=\S))[ \t]*")
_CHANGE = re.compile(rf"(?<!\S)>{{2,3}}(?=[ \t\w\"'“])[ \t]*|{VOICE.pattern}")
_LABEL = re.compile(r"[ \t]*(?![a-z])[^\W_][^:\n]{0,40}:(?=[ \t]|$)")


class CueWriter:
    """Collects the text of a script and the position of each of its characters.

    Without names, cues are spoken by S1. In a cue of lines with dashes, each further dash is the other speaker. `>>`
    changes to the other speaker, and a voice to that of its name, from there on. If the lines begin with labels, such
    as `ANN:`, dashes and `>>` mean nothing; labels begin a line of the script, for `dia.text.speakers`.

    Args:
        lines: the lines of all cues.
        names: the speaker of each voice.

    Attributes:
        dialogues: names of cues with two speakers that the file does not name.
    """

    def __init__(self, lines: Sequence[Lines], names: Mapping[str, str]) -> None:
        self.dialogues: dict[str, None] = {}
        self._texts: list[str] = []
        self._positions: list[int] = []
        self._names = names
        changes = sum(_is_dialogue(one) + sum(">>" in line.text for line in one) for one in lines)
        labels = sum(_has_label(line.text) for one in lines for line in one)
        self._tagged = bool(names) or changes > labels
        self._speaker = 0  # of lines without dashes, as an index into SPEAKERS
        self._written: int | None = None  # the speaker of the last tag

    def text(self, length: int) -> EditedText:
        """The script so far. `length` is that of the file."""
        return EditedText("".join(self._texts), tuple(self._positions), length)

    def end_turn(self, pause: str, lines: Lines) -> None:
        """Add the mark of a pause before the lines of the next cue."""
        self._insert(f"\n{pause}\n", lines[0])

    def add(self, name: str, lines: Lines) -> None:
        """Add the lines of a cue."""
        dialogue, further = self._tagged and _is_dialogue(lines), 0
        if dialogue:
            self.dialogues[name] = None
        for number, line in enumerate(lines):
            if dash := _DASH.match(line.text):
                further += dialogue and number > 0
                line = line.edited([Edit(0, dash.end(), "")])
            for change, part in _utterances(line):
                if change is not None:
                    self._change(name, change)
                if part.text.strip():
                    self._say(part, (self._speaker + further) % len(SPEAKERS))

    def _change(self, cue: str, change: re.Match[str]) -> None:
        if change["voice"] is not None:
            self._speaker = SPEAKERS.index(self._names.get(change["voice"], SPEAKERS[0]))
        elif self._tagged and self._texts:
            self._speaker = 1 - self._speaker
            self.dialogues[cue] = None

    def _say(self, line: EditedText, speaker: int) -> None:
        if self._tagged and self._written != speaker:
            self._insert(f"\n[{SPEAKERS[speaker]}] ", line)
            self._written = speaker
        else:
            self._insert("\n" if _LABEL.match(line.text) else " ", line)
        self._texts.append(line.text)
        self._positions += line.positions

    def _insert(self, text: str, before: EditedText) -> None:
        self._texts.append(text)
        self._positions += [before.position(0)] * len(text)


def _is_dialogue(lines: Lines) -> bool:
    """Whether lines with dashes have two speakers. A single dash before all words is no change of speaker."""
    return any(_DASH.match(line.text) for line in lines[1:])


def _has_label(text: str) -> bool:
    return ":" in text and any(_LABEL.match(part) for part in text.split(">>"))


def _utterances(line: EditedText) -> Iterator[tuple[re.Match[str] | None, EditedText]]:
    """The parts of a line, each with the change of speaker before it."""
    change, start = None, 0
    for match in _CHANGE.finditer(line.text):
        yield change, _part(line, start, match.start())
        change, start = match, match.end()
    yield change, _part(line, start, len(line.text))


def _part(line: EditedText, start: int, end: int) -> EditedText:
    return EditedText(line.text[start:end], line.positions[start:end], line.length)


__all__ = ["CueWriter"]
