"""What a dialogue script is: who says what in turn, how it may be written, how a long one is cut into chunks.

Knows text alone. Knows nothing of models, audio or how many bytes an encoder reads.
"""

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dia.text.characters import plain
from dia.text.chunking import cost_after, even_groups, pieces
from dia.text.normalization import spoken_form
from dia.text.prompt_format import Frontend
from dia.text.tags import (
    MAYBE_SOUND,
    NON_VERBAL_TAGS,
    PAUSE_MARK,
    PHONES_IN_BRACES,
    SPEAKER_TAG,
    SPEAKERS,
    nearest,
    sound_of,
)

BYTES_PER_SECOND = 15.0  # of unhurried English, pauses for breath included
SOUND_SECONDS = 1.0  # what (laughs) and the like take
SHORTEST_SECONDS = 5.0  # under which Dia sounds unnatural, as its makers warn
LONGEST_PAUSE = 60.0

_NAMED = 5  # in a warning; of more the first ones are named
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_MARK = re.compile(
    rf"{SPEAKER_TAG.pattern} *:?|^ *(?:s|speaker) *(\d{{1,9}}) *:|{PAUSE_MARK.pattern}", re.IGNORECASE | re.MULTILINE
)
_PAUSE = re.compile(r" *:? *(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9}) *(ms|s)(?:ec(?:ond)?s?)? *", re.IGNORECASE)
_PARAGRAPH_END = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Turn:
    """What one speaker says without a break.

    Args:
        speaker: S1 or S2.
        text: in spoken form, without the speaker's tag, with sounds such as (laughs) in it.
        pause: seconds of silence after it, to the millisecond.
    """

    speaker: str
    text: str
    pause: float = 0.0

    def __post_init__(self) -> None:
        if self.speaker not in SPEAKERS:
            raise ValueError(f"speaker is {self.speaker!r}; Dia knows {' and '.join(SPEAKERS)}.")
        if not isinstance(self.text, str) or not self.text.strip():
            raise ValueError(f"text is {self.text!r}; a turn says something.")
        if not 0 <= self.pause <= LONGEST_PAUSE:
            raise ValueError(f"pause is {self.pause} s; use 0 to {LONGEST_PAUSE:g} s.")

    def __str__(self) -> str:
        return f"[{self.speaker}] {self.text}" + (f" [pause:{round(1000 * self.pause)}ms]" if self.pause else "")


@dataclass(frozen=True)
class Script:
    """Turns in their order, and what may be wrong with them, each as a fact and its remedy."""

    turns: tuple[Turn, ...]
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not self.turns:
            raise ValueError("turns is empty; a script says something.")

    def __str__(self) -> str:
        """The script, a turn in a line; `parse` makes the same turns of it."""
        return "\n".join(str(turn) for turn in self.turns)

    @property
    def spoken(self) -> str:
        """What the model reads, in one line: a tag where the speaker changes, no pauses."""
        before = (None, *(turn.speaker for turn in self.turns))
        told = (
            turn.text if turn.speaker == last else f"[{turn.speaker}] {turn.text}"
            for last, turn in zip(before, self.turns, strict=False)
        )
        return " ".join(told)

    def chunks(self, seconds: float, rate: float = BYTES_PER_SECOND) -> list["Script"]:
        """Cut into consecutive scripts of at most `seconds` and of even length; nothing is lost or reordered.

        Cuts are made between turns, inside turns between sentences, in sentences over the limit between clauses, in
        such clauses between words; a single word over the limit stays whole. The parts of a turn that is cut are turns
        of the same speaker, the last of them with the pause.

        Args:
            seconds: of speech, estimated; pauses do not count.
            rate: bytes of text a second.

        Raises:
            ValueError: seconds or rate is not above 0.
        """
        for name, value in (("seconds", seconds), ("rate", rate)):
            if not value > 0:
                raise ValueError(f"{name} is {value}; use a number above 0.")
        parts = [part for turn in self.turns for part in _parts(turn, seconds, rate)]
        sizes = [estimated_seconds(f"{part.turn.text} ", rate) for part in parts]
        groups = even_groups(sizes, seconds, [part.cost for part in parts])
        return [_joined(parts[group.start : group.stop]) for group in groups]


def estimated_seconds(text: str, rate: float = BYTES_PER_SECOND) -> float:
    """About how long a text in spoken form takes to say, in seconds; speaker tags and pauses take no time."""
    words = PAUSE_MARK.sub("", SPEAKER_TAG.sub("", text)).lstrip()
    sounds = [sound for sound in MAYBE_SOUND.findall(words) if sound_of(sound) in NON_VERBAL_TAGS]
    words = PHONES_IN_BRACES.sub(lambda phones: "x" * len(phones[0].split()), words)  # about a letter to a phone
    letters = len(words.encode()) - sum(len(sound) for sound in sounds)
    return letters / rate + SOUND_SECONDS * len(sounds)


class _Part(NamedTuple):
    """A piece of a turn, as a turn; what cutting before it costs, 0 where the turn begins."""

    turn: Turn
    cost: float


def _parts(turn: Turn, seconds: float, rate: float) -> list[_Part]:
    texts = pieces(turn.text, seconds, lambda text: estimated_seconds(text, rate))
    pauses = [0.0] * (len(texts) - 1) + [turn.pause]
    costs = [0.0, *(cost_after(text) for text in texts)]
    return [
        _Part(Turn(turn.speaker, text, pause), cost) for text, pause, cost in zip(texts, pauses, costs, strict=False)
    ]


def _joined(parts: Sequence[_Part]) -> Script:
    groups: list[list[Turn]] = []
    for part in parts:
        if part.cost and groups:
            groups[-1].append(part.turn)
        else:
            groups.append([part.turn])
    return Script(
        tuple(Turn(group[0].speaker, " ".join(turn.text for turn in group), group[-1].pause) for group in groups)
    )


def parse(text: str, *, frontend: Frontend = "en", normalize: bool = True) -> Script:
    """Read a script as people write them.

    Speakers are named by `[S1]` (also `[s1]`, `[ S1 ]`, `[Speaker 1]`) anywhere or by `S1:` or `Speaker 1:` at the
    beginning of a line; text without any name is S1's. `[pause:700ms]` and `[pause:1.5s]` ask for silence and cut
    the turn in two. A blank line ends a sentence. Words are brought into spoken form
    (`dia.text.normalization`). A tag at the very end, which is advised for a single pass of the model, is no turn.

    Args:
        text: the script.

    Returns:
        The turns, with warnings for what Dia does not speak well.

    Raises:
        TypeError: text is no str.
        ValueError: nothing is said, a third speaker is named, a pause cannot be understood, or there are characters
            that cannot be spoken (`dia.text.characters.plain`).
    """
    characters = plain(text)
    reader = _Reader()
    for character in characters.left_out:
        reader.remark(character, "cannot be spoken and is left out. Write words, or a sound such as (laughs).")
    written = _BRACKETS.sub(reader.bracketed, characters.text)
    end = 0
    for mark in _MARK.finditer(written):
        reader.says(written[end : mark.start()])
        end = mark.end()
        if mark[3] is not None:
            reader.pauses(mark[0], mark[3])
        else:
            reader.turns_to(mark[0].strip(), int(mark[1] or mark[2]))
    reader.says(written[end:])
    if not reader.turns:
        raise ValueError("text is empty: nothing in it can be spoken. Write what is to be said, such as '[S1] Hello.'")
    return Script(tuple(reader.turns), (*_about(reader), *reader.warnings()))


class _Reader:
    """Turns as they are read, mark after mark."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.tagged: list[bool] = []  # whether a tag stands right before the turn
        self._speaker, self._tagged = SPEAKERS[0], False
        self._remarks: dict[str, dict[str, None]] = {}

    def remark(self, what: str, fact_and_remedy: str) -> None:
        self._remarks.setdefault(fact_and_remedy, {})[what] = None

    def warnings(self) -> list[str]:
        return [f"{_some(list(names))}: {fact_and_remedy}" for fact_and_remedy, names in self._remarks.items()]

    def bracketed(self, match: re.Match[str]) -> str:
        """Square brackets that are no mark: those around a sound become round, others go."""
        if SPEAKER_TAG.fullmatch(match[0]) or PAUSE_MARK.fullmatch(match[0]):
            return match[0]
        tag = sound_of(match[0])
        if tag in NON_VERBAL_TAGS:
            return str(tag)
        self.remark(
            match[0], "no mark of a script, so the words are read aloud. Take them out, or write (laughs) and such."
        )
        return f" {match[1]} "

    def turns_to(self, tag: str, number: int) -> None:
        if not 1 <= number <= len(SPEAKERS):
            raise ValueError(
                f"{tag} names another speaker; Dia knows two, [S1] and [S2]. Give the words to one of them."
            )
        self._speaker, self._tagged = SPEAKERS[number - 1], True

    def says(self, written: str) -> None:
        said = spoken_form(_one_paragraph(written))
        if any(character.isalpha() for character in said):
            self.turns.append(Turn(self._speaker, said))
            self.tagged.append(self._tagged)
            self._tagged = False
        elif said:
            self.remark(repr(said), "holds no words and is left out. Write what is to be said.")

    def pauses(self, mark: str, written: str) -> None:
        length = _PAUSE.fullmatch(written)
        if length is None:
            raise ValueError(f"{mark[:40]} has no length that can be read; write [pause:700ms] or [pause:1.5s].")
        if not self.turns:
            self.remark(mark, "stands before the first words and is left out. Lengthen the sound afterwards instead.")
            return
        seconds = float(length[1]) / (1000 if length[2].lower() == "ms" else 1)
        last = self.turns[-1]
        pause = round(last.pause + seconds, 3)
        if pause > LONGEST_PAUSE:
            raise ValueError(
                f"{mark} makes a pause of {pause:g} s; the longest is {LONGEST_PAUSE:g} s. Write a shorter one."
            )
        self.turns[-1] = Turn(last.speaker, last.text, pause)


def _one_paragraph(written: str) -> str:
    """Paragraphs in one, each with an end that can be heard."""
    paragraphs = [part.strip() for part in _PARAGRAPH_END.split(written)]
    ended = [f"{part}." if part[-1:].isalnum() else part for part in paragraphs[:-1]]
    return " ".join([*ended, paragraphs[-1]])


def _about(reader: _Reader) -> list[str]:
    """What Dia's makers warn of, as far as text tells."""
    turns, found = reader.turns, []
    seconds = sum(estimated_seconds(turn.text) for turn in turns)
    if any(reader.tagged) and not reader.tagged[0]:
        found.append("the script does not begin with a speaker's tag; its first words are S1's. Begin with [S1].")
    elif turns[0].speaker != SPEAKERS[0]:
        found.append("the script begins with [S2]; Dia speaks best when [S1] begins. Exchange the tags.")
    repeated = [
        index
        for index in range(1, len(turns))
        if reader.tagged[index] and turns[index].speaker == turns[index - 1].speaker and not turns[index - 1].pause
    ]
    if repeated:
        names = _some([f"turn {index + 1} ([{turns[index].speaker}])" for index in repeated])
        found.append(f"{names}: the same speaker as in the turn before. Alternate [S1] and [S2], or join such turns.")
    sounds = {sound for turn in turns for sound in MAYBE_SOUND.findall(turn.text)} - set(NON_VERBAL_TAGS)
    found += [_unlisted(sound) for sound in sorted(sounds)[:_NAMED]]
    if seconds < SHORTEST_SECONDS:
        found.append(
            f"the script is about {math.ceil(seconds)} s of speech; under {SHORTEST_SECONDS:g} s Dia may sound "
            f"unnatural. Write more, at least {SHORTEST_SECONDS * BYTES_PER_SECOND:.0f} letters."
        )
    return found


def _unlisted(sound: str) -> str:
    advice = f"Write {close}" if (close := nearest(sound)) else f"Choose one of {' '.join(NON_VERBAL_TAGS)}"
    return f"{sound} is not among the sounds Dia knows and comes out as it likes. {advice}, or take the brackets away."


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(name if len(name) <= 40 else f"{name[:40]}…" for name in names[:_NAMED]) + (
        f" and {more} more" if more > 0 else ""
    )


def read_script(path: str | Path) -> str:
    """The text of a script's file, UTF-8 with or without a byte order mark; `-` is standard input.

    Raises:
        ValueError: the file is not UTF-8; the message names the place.
        OSError: it cannot be read.
    """
    if str(path) == "-":
        source = getattr(sys.stdin, "buffer", None)
        content = sys.stdin.read().encode("utf-8", "surrogatepass") if source is None else source.read()
    else:
        content = Path(path).read_bytes()
    try:
        return str(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        name = "standard input" if str(path) == "-" else path
        raise ValueError(
            f"{name} is not UTF-8: byte {error.start} is 0x{content[error.start]:02X}. Save it as UTF-8."
        ) from None


__all__ = ["BYTES_PER_SECOND", "NON_VERBAL_TAGS", "Script", "Turn", "estimated_seconds", "parse", "read_script"]
