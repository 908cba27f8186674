"""What a teacher is: it turns a text, a voice and a tempo into a waveform, and may say when it speaks each phone."""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dia.audio.waveform import Waveform

TEACHERS = ("hibari", "kokoro", "flite")
# Seconds by which a phone is heard before the frames that hibari and Kokoro count for it. Measured: at this shift the
# share of energy above 4 kHz differs most between labels of s, z, sh and those of vowels.
LABEL_LAG = 0.05
_RESPELLED = {"Dia": "Deea"}  # names that hibari and Kokoro read otherwise: Dia has the vowels of Mia, not of Diana
_NAMES = re.compile(rf"\b(?:{'|'.join(_RESPELLED)})\b")


@dataclass(frozen=True)
class Label:
    """One symbol of the teacher's phonetic alphabet, and when it is spoken, in seconds from the first sample."""

    phone: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """Speech of one voice.

    Attributes:
        waveform: mono [N], float32 in -1..1.
        rate: of the waveform, in Hz.
        labels: in the order of time; None if the teacher does not tell them.
    """

    waveform: Waveform
    rate: int
    labels: tuple[Label, ...] | None = None


class Teacher(Protocol):
    """A synthesizer to learn from. The same text, voice and tempo always give the same speech."""

    @property
    def voices(self) -> tuple[str, ...]:
        """The names of its voices."""

    def say(self, text: str, voice: str, tempo: float = 1.0) -> Speech:
        """Speak `text`, in which numbers are written as words.

        Args:
            text: words and punctuation.
            voice: one of `voices`.
            tempo: 1 is the voice's own; 1.1 is a tenth faster.

        Raises:
            ValueError: the teacher has no such voice, or cannot read the text.
        """


def open_teacher(name: str, packages: Path) -> Teacher:
    """Load a teacher.

    Args:
        name: one of `TEACHERS`.
        packages: folder with the downloaded archives, see `dia.training.mini.teacher.natural.packages`.

    Raises:
        ValueError: there is no teacher of this name.
        ImportError: a Python package is missing, or has another version; the message has the command that installs it.
        FileNotFoundError: an archive or a program is missing.
    """
    if name == "hibari":
        from dia.training.mini.teacher.natural.teachers.hibari import HibariTeacher

        return HibariTeacher()
    if name == "kokoro":
        from dia.training.mini.teacher.natural.teachers.kokoro import KokoroTeacher

        return KokoroTeacher(packages)
    if name == "flite":
        from dia.training.mini.teacher.natural.teachers.flite import FliteTeacher

        return FliteTeacher()
    raise ValueError(f"there is no teacher {name!r}. Choose from {', '.join(TEACHERS)}.")


def respelled(text: str) -> str:
    """A text with some names spelled so that hibari and Kokoro say them right.

    >>> respelled("Ask Dia, not Diana.")
    'Ask Deea, not Diana.'
    """
    return _NAMES.sub(lambda name: _RESPELLED[name[0]], text)


def timed(phones: Sequence[str], frames: Iterable[int], frame_seconds: float, start: float = 0.0) -> list[Label]:
    """Labels of consecutive phones that last a number of frames each.

    >>> timed("ab", [2, 1], 0.5)
    [Label(phone='a', start=0.0, end=1.0), Label(phone='b', start=1.0, end=1.5)]
    """
    edges = [start + frame_seconds * edge for edge in itertools.accumulate(frames, initial=0)]
    return [Label(phone, *span) for phone, span in zip(phones, itertools.pairwise(edges), strict=True)]


def checked_voice(voice: str, voices: Sequence[str]) -> str:
    """`voice`, if it is one of `voices`.

    Raises:
        ValueError: it is not.
    """
    if voice not in voices:
        raise ValueError(f"voice: there is no {voice!r}. Choose from {', '.join(voices)}.")
    return voice
