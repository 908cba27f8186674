"""Subtitles as a script: the words of their cues, with the speakers and pauses that the file gives."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from dia.text.characters.edited import EditedText
from dia.text.formats.content import Content
from dia.text.formats.cue_text import VOICE, Remarks, spoken_line
from dia.text.formats.cue_writer import CueWriter
from dia.text.formats.names import speakers_of
from dia.text.formats.rolling import Lines, without_repeats
from dia.text.formats.subtitles import SRT_EXAMPLE, VTT_EXAMPLE, Cue, srt_cues, vtt_cues
from dia.text.listing import first_names
from dia.text.turns import CueTime

LONG_GAP = 2.0  # seconds between cues that become a pause; shorter ones are the time to read a subtitle
GAP_PAUSE = "[pause:1s]"
LONGEST_SILENCE = 3600.0  # seconds before a cue whose time is kept; more is a mistake in the times
_CUE_END = "[pause:0ms]"  # ends a turn without silence
_READERS = {"srt": (srt_cues, SRT_EXAMPLE), "vtt": (vtt_cues, VTT_EXAMPLE)}


def captions(
    source: EditedText,
    text_format: str,
    keep_timing: bool = False,
    speakers: Mapping[str, str] | None = None,
    english: bool = True,
) -> Content:
    """Read subtitles as a script.

    The words are those of the cues, without tags and without descriptions such as `[door slams]`. The speakers are
    those of voice tags, `<v Alice>`; see `CueWriter` for cues with dashes and `>>`. A gap of `LONG_GAP` seconds or
    more between two cues becomes `GAP_PAUSE`.

    Args:
        source: the content of the file.
        text_format: "srt" or "vtt".
        keep_timing: keep the times of the cues, and end a turn with each of them.
        speakers: S1 or S2 for the names of voices.
        english: whether sounds are looked for in English words; otherwise only the listed ones are known.

    Raises:
        ValueError: the file has no cues, or a line is invalid; the message gives its number.
    """
    read, example = _READERS[text_format]
    cues, remarks = read(source.text), Remarks(english)
    if not cues:
        raise ValueError(f"text contains no subtitles. Write the times of a cue as {example}, then its words.")
    lines, rolling = without_repeats(cues, [_lines(source, cue, remarks) for cue in cues])
    spoken = [(cue, words) for cue, words in zip(cues, lines, strict=True) if any(map(_has_words, words))]
    names, notes = speakers_of(_voices(lines), speakers)
    writer, before = CueWriter([words for _, words in spoken], names), list[Cue]()
    for cue, words in spoken:
        if before and (keep_timing or cue.start - before[-1].end >= LONG_GAP):
            writer.end_turn(_CUE_END if keep_timing else GAP_PAUSE, words)
        writer.add(cue.name, words)
        before.append(cue)
    warnings = [*notes, *_warnings(remarks, rolling, writer.dialogues), *_time_warnings(before, keep_timing)]
    if keep_timing:
        _check_silence(before)
    text, starts = writer.text(source.length), [words[0].position(0) for _, words in spoken]
    return Content(text, "plain", warnings, names, *((_times(before), starts) if keep_timing else ()))


def _lines(source: EditedText, cue: Cue, remarks: Remarks) -> Lines:
    """The lines of a cue as plain text, without those that are then blank."""
    written = (
        EditedText(source.text[line.start : line.end], source.positions[line.start : line.end], source.length)
        for line in cue.lines
    )
    lines = [spoken_line(line, cue.name, remarks) for line in written]
    return [line for line in lines if line.text.strip()]


def _voices(cues: Iterable[Lines]) -> Iterator[str]:
    """The names of the voices that say something."""
    for line in (line for lines in cues for line in lines if _has_words(line)):
        yield from (voice["voice"] for voice in VOICE.finditer(line.text))


def _has_words(line: EditedText) -> bool:
    text = VOICE.sub(" ", line.text) if "\n" in line.text else line.text
    return any(character.isalnum() for character in text)


def _times(cues: Sequence[Cue]) -> list[CueTime]:
    """The times in which the words of cues are to be spoken: until the cue ends or the next one starts."""
    nexts = [*(cue.start for cue in cues), float("inf")][1:]
    ends = (min(cue.end, after) if after > cue.start else cue.end for cue, after in zip(cues, nexts, strict=True))
    return [CueTime(cue.name, cue.start, end) for cue, end in zip(cues, ends, strict=True)]


def _check_silence(cues: Sequence[Cue]) -> None:
    """Reject times that make hours of silence."""
    for end, cue in zip([0.0, *(cue.end for cue in cues)], cues, strict=False):
        if cue.start - end > LONGEST_SILENCE:
            raise ValueError(
                f"cue {cue.name} starts at {cue.start:.0f} s, after {cue.start - end:.0f} s of silence; at most "
                f"{LONGEST_SILENCE:.0f} s are kept. Subtract a fixed offset from all times, or omit keep_timing."
            )


def _warnings(remarks: Remarks, rolling: bool, dialogues: dict[str, None]) -> Iterator[str]:
    if rolling:
        yield "the cues repeat lines of the cues before them (rolling captions). Each line is spoken once."
    if remarks.descriptions:
        yield f"{first_names(remarks.descriptions)}: not spoken. Write a sound such as (laughs) to hear one."
    if remarks.sung:
        yield f"{_cues(remarks.sung)}: sung words are spoken. Remove them if they should not be heard."
    if dialogues:
        yield (
            f"{_cues(dialogues)}: two speakers without names, who become S1 and S2. Write [S1] and [S2] before the "
            f"words to choose the speakers."
        )


def _time_warnings(cues: Sequence[Cue], keep_timing: bool) -> Iterator[str]:
    if invalid := [cue.name for cue in cues if cue.invalid_end]:
        yield f"{_cues(invalid)}: the end is before the start and is ignored. Correct the times."
    pairs = list(pairwise(cues))
    if early := [after.name for before, after in pairs if after.start < before.start]:
        yield f"{_cues(early)}: starts before the cue before it. Cues are spoken in the order of the file; sort them."
    overlaps = [before.name for before, after in pairs if before.start < after.start < before.end]
    if keep_timing and overlaps:
        yield f"{_cues(overlaps)}: overlaps the next cue and is to end when that starts. Correct the times."


def _cues(names: Sequence[str] | dict[str, None]) -> str:
    return f"cue{'s' if len(names) > 1 else ''} {first_names(names)}"


__all__ = ["GAP_PAUSE", "LONG_GAP", "captions"]
