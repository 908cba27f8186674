"""Parse a dialogue script into turns. All entry points use `parse`, for texts of any length.

Independent of models, audio and the length limit of an encoder.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dia.text.characters import unicode
from dia.text.characters.edited import EditedText
from dia.text.english.normalization import spoken_form
from dia.text.english.numbers.dates import ambiguous_dates
from dia.text.formats.reading import read_format
from dia.text.formats.transcript import without_times
from dia.text.listing import first_names
from dia.text.markup.formats import TextFormat, check_text_format, without_markup
from dia.text.prompt_format import FRONTENDS, Frontend
from dia.text.sounds import marked_sounds, sound_of
from dia.text.speakers import Labeled, tagged
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
)
from dia.text.turns import LETTERS_PER_SECOND, LONGEST_PAUSE, Script, Turn, estimated_seconds
from dia.text.word_alignment import written_words

_NAMED = 5  # unknown sounds, each with a warning of its own
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_MARK = re.compile(
    rf"{SPEAKER_TAG.pattern} *[:：]?|{SPEAKER_LINE.pattern}|{PAUSE_MARK.pattern}", re.IGNORECASE | re.MULTILINE
)
_PAUSE = re.compile(r" *:? *(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9}) *(ms|s)(?:ec(?:ond)?s?)? *", re.IGNORECASE)
_SPELT_AND_SAID = re.compile(rf"(?<![\w'’-])[\w'’-]+({PHONES_IN_BRACES.pattern})")
# What transcribers, captioners and typesetters write in brackets; it is never spoken.
_NOT_WORDS = re.compile(
    r"(?:inaudible|unintelligible|indistinct|crosstalk|cross-talk|background noise|blank page|illustration|footnote|"
    r"sidenote|transcriber|pg\.?|page)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_DIRECTION = re.compile(r"\s*\(([a-z][^()\n]{1,60})\)")  # (smiling) at the beginning of a turn
_ASIDE_OR_DIRECTION = re.compile(r"(?<=[.!?…]) \(([a-z][a-z' -]{2,40})\)(?= [\"']?[A-Z])")
_MOST_WORDS = 4  # of a direction in square brackets
_UNCHECKED = (
    "normalize=False: numbers, abbreviations, symbols and unknown characters are neither spelled out nor checked. "
    "Write everything as it is spoken."
)


def parse(
    text: str | EditedText,
    *,
    frontend: Frontend = "en",
    normalize: bool = True,
    speakers: Mapping[str, str] | None = None,
    text_format: TextFormat = "plain",
    keep_timing: bool = False,
) -> Script:
    """Parse a script.

    Speakers are named by `[S1]` (also `[s1]`, `[ S1 ]`, `[Speaker 1]`) anywhere, or by `S1:` or `Speaker 1:` at the
    beginning of a line; text before the first name belongs to S1. `[pause:700ms]` and `[pause:1.5s]` insert silence
    and split the turn. A tag at the very end, as recommended for a single pass of the model, does not start a turn.
    Names of speakers, such as `JOHN:`, count as tags and are not spoken; see docs/scripts.md.
    These rules apply to any language.

    With `frontend="en"`, words are converted to spoken form (`dia.text.english.normalization`), and list items,
    headings, lines of verse and paragraphs become sentences (`dia.text.english.lines`). With "none" or
    `normalize=False`, words are unchanged.

    Args:
        text: the script, or one from which markup was removed; spans then refer to the author's text.
        frontend: the `text_frontend` of the checkpoint, see `dia.text.prompt_format`.
        normalize: False leaves English words unchanged, too, and adds a warning that they are not checked. Only names
            in `speakers` are then looked for.
        speakers: S1 or S2 for the names of speakers in the script, such as `{"JOHN": "S1"}`; by default the first two
            names are S1 and S2. An empty dict means that there are no names.
        text_format: how the text is written, see `dia.text.markup`. Unmistakable markup is removed from "plain" text,
            too, unless `normalize` is False.
        keep_timing: keep the times of subtitles, as the `cue` of each turn.

    Returns:
        The turns, with warnings about what Dia does not speak well; `warnings_for` adds those for a particular model.

    Raises:
        TypeError: text is not a str, or speakers is not a dict of them.
        ValueError: the script has no words, names a third speaker, or contains an invalid pause or characters that
            cannot be spoken (`dia.text.characters.unicode`); or `frontend` or `text_format` is unknown; or a
            line of a file format is invalid; or `keep_timing` is true for a text without times.
    """
    if frontend not in FRONTENDS:
        raise ValueError(f"frontend is {frontend!r}; it must be one of {', '.join(FRONTENDS)}.")
    source = text if isinstance(text, EditedText) else EditedText.of(unicode.checked(text))
    english = frontend == "en" and normalize
    check_text_format(text_format)
    content = read_format(
        source, text_format, keep_timing=keep_timing, plain=normalize, speakers=speakers, english=english
    )
    source, notes = content.text, content.warnings
    if normalize or content.text_format != "plain":
        source, found = without_markup(source, content.text_format, english=english)
        notes += found
    if content.names:  # they are tags already
        labeled = Labeled(source, [], content.names)
    else:
        labeled = tagged(source, speakers, guess=normalize, author=text if isinstance(text, str) else None)
    source = labeled.text
    if normalize and content.text_format == "plain" and not labeled.names:
        source, found = without_times(source)
        notes += found
    source, found = marked_sounds(source, english=english)
    notes += found
    reader = _Reader(source, english)
    reader.read()
    if not reader.turns:
        raise ValueError("text is empty or contains no words. Write the words to speak, such as '[S1] Hello.'")
    unchecked = [] if normalize or frontend == "none" else [_UNCHECKED]
    advice = _speaker_advice(reader)
    warnings = (*notes, *labeled.warnings, *unchecked, *advice, *_sound_advice(reader), *reader.warnings())
    return Script(content.timed(reader.turns), warnings, advice, labeled.names, frontend)


class _Reader:
    """Collects the turns of a script and the warnings about it.

    Args:
        source: the script.
        english: convert words to spoken form; otherwise they are unchanged.
    """

    def __init__(self, source: EditedText, english: bool) -> None:
        self.turns: list[Turn] = []
        self.tagged: list[bool] = []  # whether a tag directly precedes the turn
        self.english = english
        self._source, self._speaker, self._tagged = source, SPEAKERS[0], False
        self._warnings: dict[str, dict[str, None]] = {}
        self._positions: Sequence[int]
        if english:
            self.written, omitted, transliterated = unicode.plain(source.text)
            self._positions = unicode.source_positions(source.text)
            for character in omitted:
                self.warn(character, "cannot be spoken and is omitted. Write words, or a sound such as (laughs).")
            for word, latin in transliterated:
                self.warn(f"{word} (read as {latin})", "not in Latin letters. Write it as it is pronounced.")
        else:
            self.written = unicode.unchanged(source.text)
            self._positions = range(len(source.text))

    def read(self) -> None:
        """Read the whole script, mark by mark."""
        end = 0
        for mark in _MARK.finditer(self.written):
            self.add_words(end, mark.start())
            end = mark.end()
            if mark[3] is not None:
                self.add_pause(mark[0], mark[3])
            else:
                self.set_speaker(mark[0].strip(), int(mark[1] or mark[2]))
        self.add_words(end, len(self.written))

    def warn(self, item: str, fact_and_remedy: str) -> None:
        self._warnings.setdefault(fact_and_remedy, {})[item] = None

    def warnings(self) -> list[str]:
        return [f"{first_names(list(items))}: {fact_and_remedy}" for fact_and_remedy, items in self._warnings.items()]

    def set_speaker(self, tag: str, number: int) -> None:
        if not 1 <= number <= len(SPEAKERS):
            raise ValueError(
                f"{tag} is not a known speaker; Dia supports [S1] and [S2]. Assign the words to one of them."
            )
        self._speaker, self._tagged = SPEAKERS[number - 1], True

    def add_words(self, start: int, end: int) -> None:
        """Add the text between two marks, `written[start:end]`, as a turn if it contains words."""
        if self.english and self._tagged:
            start = self._after_direction(start, end)
        written = self.written[start:end]
        said = self._in_english(written) if self.english else _unchanged_words(written)
        if any(character.isalnum() for character in said):
            self.turns.append(self._turn(said, start, end))
            self.tagged.append(self._tagged)
            self._tagged = False
        elif said:
            self.warn(repr(said), "contains no words and is omitted. Write the words to speak.")

    def _after_direction(self, start: int, end: int) -> int:
        """The end of a stage direction at the beginning of a turn; the beginning if there is none."""
        direction = _DIRECTION.match(self.written, start, end)
        if direction is None or sound_of(direction[1]) is not None or not self.written[direction.end() : end].strip():
            return start
        self.warn(
            f"({direction[1]})",
            "taken for a stage direction and left out. Write it without brackets to have it spoken.",
        )
        return direction.end()

    def _turn(self, said: str, start: int, end: int) -> Turn:
        begin, source = self._positions[start], self._source
        written = source.text[begin : self._positions[end] if end < len(self._positions) else None]
        words, offsets = written_words(written)
        span = source.span(begin + offsets[0], begin + len(written.rstrip()))
        positions = tuple(source.position(begin + offset) for offset in offsets)
        return Turn(self._speaker, said, 0.0, " ".join(words), span, positions)

    def _in_english(self, written: str) -> str:
        for date in ambiguous_dates(written):
            self.warn(date, "read with the month first. If the day is first, write the name of the month.")
        for aside in _ASIDE_OR_DIRECTION.findall(written):
            if sound_of(aside) is None:
                self.warn(f"({aside})", "read as an aside. Remove it if it is a stage direction.")
        return spoken_form(_BRACKETS.sub(self._bracketed, _without_spelling(written)))

    def _bracketed(self, match: re.Match[str]) -> str:
        """Replace square brackets that are not a mark: by parentheses around a sound, by spaces around other words."""
        tag = sound_of(match[0])
        if tag in NON_VERBAL_TAGS:
            return str(tag)
        if _stands_apart(match):
            self.warn(
                match[0],
                "not a sound that Dia knows, so it is left out. Write its words without brackets to have them spoken.",
            )
            return " "
        self.warn(
            match[0], "not a known mark, so its words are read aloud. Remove them, or write a sound such as (laughs)."
        )
        return f" {match[1]} "

    def add_pause(self, mark: str, written: str) -> None:
        length = _PAUSE.fullmatch(written)
        if length is None:
            raise ValueError(f"{mark[:40]} has no valid length. Write [pause:700ms] or [pause:1.5s].")
        seconds = float(length[1]) / (1000 if length[2].lower() == "ms" else 1)
        if not self.turns:
            if seconds:
                self.warn(mark, "precedes the first words and is ignored. Add silence to the audio instead.")
            return
        last = self.turns[-1]
        pause = round(last.pause + seconds, 3)
        if pause > LONGEST_PAUSE:
            raise ValueError(
                f"{mark} makes a pause of {pause:g} s, but the maximum is {LONGEST_PAUSE:g} s. Shorten it."
            )
        self.turns[-1] = replace(last, pause=pause)


def _stands_apart(brackets: re.Match[str]) -> bool:
    """Whether words in brackets are not part of a sentence: `[Music] Hello.`, but not `[The] company`."""
    before, after = brackets.string[: brackets.start()].rstrip(), brackets.string[brackets.end() :].lstrip()
    if not before and not after:
        return False
    begins = not before or before[-1] in ".!?…:;\"')]"
    apart = begins and not after[:1].islower() and len(brackets[1].split()) <= _MOST_WORDS
    return apart or _NOT_WORDS.fullmatch(brackets[1].strip()) is not None


def _without_spelling(written: str) -> str:
    """Drop the letters of a word that is followed by its phones: `Nari{n aa1 r iy0}` → `{n aa1 r iy0}`."""
    return _SPELT_AND_SAID.sub(r"\1", written) if "{" in written else written


def _unchanged_words(written: str) -> str:
    """The words unchanged, with single spaces; known sounds in their listed form."""
    for brackets in (_BRACKETS, MAYBE_SOUND):
        written = brackets.sub(lambda match: listed_sound(match[0]) or match[0], written)
    return " ".join(_without_spelling(written).split())


def _speaker_advice(reader: _Reader) -> tuple[str, ...]:
    """Warnings from the recommendations of Dia's authors about the order of speakers."""
    turns, found = reader.turns, []
    if any(reader.tagged) and not reader.tagged[0]:
        found.append("the script does not begin with a speaker tag, so its first words belong to S1. Begin with [S1].")
    elif turns[0].speaker != SPEAKERS[0]:
        found.append("the script begins with [S2], but Dia works best if it begins with [S1]. Swap the tags.")
    repeated = [
        index
        for index in range(1, len(turns))
        if reader.tagged[index] and turns[index].speaker == turns[index - 1].speaker and not turns[index - 1].pause
    ]
    if repeated:
        names = first_names([f"turn {index + 1} ([{turns[index].speaker}])" for index in repeated])
        found.append(f"{names}: same speaker as in the previous turn. Alternate [S1] and [S2], or join these turns.")
    return tuple(found)


def _sound_advice(reader: _Reader) -> list[str]:
    """Warnings about sounds that Dia does not know."""
    if not reader.english:
        return []
    sounds = {sound for turn in reader.turns for sound in MAYBE_SOUND.findall(turn.text)} - set(NON_VERBAL_TAGS)
    return [_unlisted(sound) for sound in sorted(sounds)[:_NAMED]]


def _unlisted(sound: str) -> str:
    advice = f"Write {close}" if (close := nearest(sound)) else f"Choose one of {' '.join(NON_VERBAL_TAGS)}"
    return f"{sound} is not a sound that Dia knows, so the result is unpredictable. {advice}, or remove the brackets."


__all__ = ["LETTERS_PER_SECOND", "Script", "Turn", "estimated_seconds", "parse"]
