"""Speech recognition, and the word accuracy of its result. Independent of takes.

A recognizer is any function that takes a waveform and its sampling rate and returns a text. The one provided here uses
pocketsphinx, which is small and works offline with the English model it includes.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import soxr

from dia.audio.waveform import Waveform
from dia.text.edit_distance import edit_distance
from dia.text.tags import TAG

Recognizer: TypeAlias = Callable[[Waveform, int], str]

_RATE = 16_000
_EDGE_SECONDS, _EDGE_NOISE = 0.2, 3e-4  # pocketsphinx's voice detection needs some noise before the speech
_UNSPOKEN = re.compile(TAG.pattern + r"|\([^)]*\)|\{[^}]*\}")  # tags, sounds and phones


def pocketsphinx_recognizer() -> Recognizer:
    """A recognizer for English. Calls are independent of each other; use a separate recognizer in each thread.

    Raises:
        ImportError: pocketsphinx is not installed.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise ImportError("the recognizer needs pocketsphinx. Run: pip install pocketsphinx") from error
    decoder = Decoder(loglevel="FATAL")

    def recognize(audio: Waveform, sampling_rate: int) -> str:
        speech = np.pad(soxr.resample(audio, sampling_rate, _RATE), round(_EDGE_SECONDS * _RATE))
        noisy = speech + _EDGE_NOISE * np.random.default_rng(0).standard_normal(len(speech))
        decoder.start_utt()
        decoder.process_raw((np.clip(noisy, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()

        hypothesis = decoder.hyp()
        return "" if hypothesis is None else str(hypothesis.hypstr)

    return recognize


def word_accuracy(text: str, recognized: str) -> float:
    """1 minus the word error rate of a recognized text: 1 if every word is correct, 0 or less if none is.

    Speaker tags, non-verbal tags and punctuation are ignored.

    >>> word_accuracy("[S1] Good morning! (laughs)", "good warning")
    0.5
    """
    expected = _words(text)
    return 1 - edit_distance(expected, _words(recognized)) / max(1, len(expected))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", _UNSPOKEN.sub(" ", text).lower())


__all__ = ["pocketsphinx_recognizer", "word_accuracy"]
