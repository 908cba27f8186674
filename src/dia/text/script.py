"""How a dialogue script may be written: `parse` makes turns of it, whoever asks and however long it is.

Knows marks and their meaning. Knows nothing of models, audio or how many bytes an encoder reads.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from dia.text import characters
from dia.text.normalization import spoken_form
from dia.text.prompt_format import FRONTENDS, Frontend
from dia.text.shown import written_words
from dia.text.tags import (
    MAYBE_SOUND,
    NON_VERBAL_TAGS,
    PAUSE_MARK,
    PHONES_IN_BRACES,
    SPEAKER_LINE,
    SPEAKER_TAG,
    SPEAKERS,
    listed_sound,
    nearest,
    sound_of,
)
from dia.text.turns import LETTERS_PER_SECOND, LONGEST_PAUSE, Script, Turn, estimated_seconds

_NAMED = 5  # in a warning; of more the first ones are named
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_MARK = re.compile(
    rf"{SPEAKER_TAG.pattern} *[:：]?|{SPEAKER_LINE.pattern}|{PAUSE_MARK.pattern}", re.IGNORECASE | re.MULTILINE
)
_PAUSE = re.compile(r" *:? *(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9}) *(ms|s)(?:ec(?:ond)?s?)? *", re.IGNORECASE)
_PARAGRAPH_END = re.compile(r"\n\s*\n")
_SPELT_AND_SAID = re.compile(rf"(?<![\w'’-])[\w'’-]+({PHONES_IN_BRACES.pattern})")
_UNCHECKED = (
    "normalize=False: the words are read as they stand. Numbers, abbreviations, symbols and unknown characters are "
    "neither put into words nor checked. Write everything as it is said."
)


def parse(text: str, *, frontend: Frontend = "en", normalize: bool = True) -> Script:
    """Read a script as people write them.

    Speakers are named by `[S1]` (also `[s1]`, `[ S1 ]`, `[Speaker 1]`) anywhere or by `S1:` or `Speaker 1:` at the
    beginning of a line; text without any name is S1's. `[pause:700ms]` and `[pause:1.5s]` ask for silence and cut
    the turn in two. A tag at the very end, which is advised for a single pass of the model, is no turn. All this is so
    in any language.

    With `frontend="en"` words are brought into spoken form (`dia.text.normalization`), and a blank line ends a
    sentence. With "none", or `normalize=False`, the words stay as they are.

    Args:
        text: the script.
        frontend: the `text_frontend` of the checkpoint that is to speak, see `dia.text.prompt_format`.
        normalize: False leaves English as it stands, too, and a warning says what is not checked then.

    Returns:
        The turns, with warnings for what Dia does not speak well; `warnings_for` has those of a single model, too.

    Raises:
        TypeError: text is no str.
        ValueError: nothing is said, a third speaker is named, a pause cannot be understood, or there are characters
            that cannot be spoken (`dia.text.characters`); or there is no such frontend.
    """
    if frontend not in FRONTENDS:
        raise ValueError(f"frontend is {frontend!r}; it must be one of {', '.join(FRONTENDS)}.")
    reader = _Reader(text, frontend == "en" and normalize)
    end = 0
    for mark in _MARK.finditer(reader.written):
        reader.says(end, mark.start())
        end = mark.end()
        if mark[3] is not None:
            reader.pauses(mark[0], mark[3])
        else:
            reader.turns_to(mark[0].strip(), int(mark[1] or mark[2]))
    reader.says(end, len(reader.written))
    if not reader.turns:
        raise ValueError("text is empty: nothing in it can be spoken. Write what is to be said, such as '[S1] Hello.'")
    unchecked = [] if normalize or frontend == "none" else [_UNCHECKED]
    advice = _on_order(reader)
    return Script(tuple(reader.turns), (*unchecked, *advice, *_on_sounds(reader), *reader.warnings()), advice)


class _Reader:
    """Turns as they are read, mark after mark.

    Args:
        text: the script.
        english: bring words into spoken form; else they stay as they are.
    """

    def __init__(self, text: str, english: bool) -> None:
        self.turns: list[Turn] = []
        self.tagged: list[bool] = []  # whether a tag stands right before the turn
        self.english = english
        self._text, self._speaker, self._tagged = text, SPEAKERS[0], False
        self._remarks: dict[str, dict[str, None]] = {}
        self._places: Sequence[int]
        if english:
            self.written, left_out = characters.plain(text)
            self._places = characters.places(text)
            for character in left_out:
                self.remark(character, "cannot be spoken and is left out. Write words, or a sound such as (laughs).")
        else:
            self.written = characters.unchanged(text)
            self._places = range(len(text))

    def remark(self, what: str, fact_and_remedy: str) -> None:
        self._remarks.setdefault(fact_and_remedy, {})[what] = None

    def warnings(self) -> list[str]:
        return [f"{_some(list(names))}: {fact_and_remedy}" for fact_and_remedy, names in self._remarks.items()]

    def turns_to(self, tag: str, number: int) -> None:
        if not 1 <= number <= len(SPEAKERS):
            raise ValueError(
                f"{tag} names another speaker; Dia knows two, [S1] and [S2]. Give the words to one of them."
            )
        self._speaker, self._tagged = SPEAKERS[number - 1], True

    def says(self, start: int, end: int) -> None:
        """Read what stands between two marks, by its place in `written`."""
        written = self.written[start:end]
        said = self._in_english(written) if self.english else _as_it_stands(written)
        if any(character.isalnum() for character in said):
            self.turns.append(self._turn(said, start, end))
            self.tagged.append(self._tagged)
            self._tagged = False
        elif said:
            self.remark(repr(said), "holds no words and is left out. Write what is to be said.")

    def _turn(self, said: str, start: int, end: int) -> Turn:
        begin = self._places[start]
        written = self._text[begin : self._places[end] if end < len(self._places) else None]
        words, offsets = written_words(written)
        span = begin + offsets[0], begin + len(written.rstrip())
        return Turn(self._speaker, said, 0.0, " ".join(words), span, tuple(begin + offset for offset in offsets))

    def _in_english(self, written: str) -> str:
        return spoken_form(_one_paragraph(_BRACKETS.sub(self._bracketed, _without_spelling(written))))

    def _bracketed(self, match: re.Match[str]) -> str:
        """Square brackets that are no mark: those around a sound become round, others go."""
        tag = sound_of(match[0])
        if tag in NON_VERBAL_TAGS:
            return str(tag)
        self.remark(
            match[0], "no mark of a script, so the words are read aloud. Take them out, or write (laughs) and such."
        )
        return f" {match[1]} "

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
        self.turns[-1] = replace(last, pause=pause)


def _one_paragraph(written: str) -> str:
    """Paragraphs in one, each with an end that can be heard."""
    paragraphs = [part.strip() for part in _PARAGRAPH_END.split(written)]
    ended = [f"{part}." if part[-1:].isalnum() else part for part in paragraphs[:-1]]
    return " ".join([*ended, paragraphs[-1]])


def _without_spelling(written: str) -> str:
    """`Nari{n aa1 r iy0}` is shown by its letters and said by its phones."""
    return _SPELT_AND_SAID.sub(r"\1", written) if "{" in written else written


def _as_it_stands(written: str) -> str:
    """The words unchanged, with single blanks; sounds as Dia knows them."""
    for brackets in (_BRACKETS, MAYBE_SOUND):
        written = brackets.sub(lambda match: listed_sound(match[0]) or match[0], written)
    return " ".join(_without_spelling(written).split())


def _on_order(reader: _Reader) -> tuple[str, ...]:
    """What Dia's makers advise about the order of speakers."""
    turns, found = reader.turns, []
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
    return tuple(found)


def _on_sounds(reader: _Reader) -> list[str]:
    """Sounds that Dia does not know."""
    if not reader.english:
        return []
    sounds = {sound for turn in reader.turns for sound in MAYBE_SOUND.findall(turn.text)} - set(NON_VERBAL_TAGS)
    return [_unlisted(sound) for sound in sorted(sounds)[:_NAMED]]


def _unlisted(sound: str) -> str:
    advice = f"Write {close}" if (close := nearest(sound)) else f"Choose one of {' '.join(NON_VERBAL_TAGS)}"
    return f"{sound} is not among the sounds Dia knows and comes out as it likes. {advice}, or take the brackets away."


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(name if len(name) <= 40 else f"{name[:40]}…" for name in names[:_NAMED]) + (
        f" and {more} more" if more > 0 else ""
    )


__all__ = ["LETTERS_PER_SECOND", "Script", "Turn", "estimated_seconds", "parse"]
