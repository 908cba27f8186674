"""Neural networks that judge speech: a Whisper recognizer, a predictor of mean opinion scores, a speaker encoder.

Their limits: Whisper guesses likely words from context, so it may transcribe unclear speech correctly; Distill-MOS
penalizes codec artifacts heavily and ignores words; the speaker encoder measures little besides the voice.

All weights are in wheels: `pip install -e '.[teacher]'` for Whisper, and without their dependencies
`distillmos xls-r-sqa resemblyzer` (with `webrtcvad-wheels librosa`).
"""

import importlib.util
import re
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soxr
import torch
from evaluation.recognizer import edit_distance, words_of

from dia.audio.waveform import Waveform
from dia.text.english.normalization import spoken_form
from dia.training.mini.teacher.natural.recognition import load_whisper

RATE = 16_000  # Hz; all three expect this


class Errors(NamedTuple):
    """The number of wrong words in a sentence, at most all of them, and the number of words."""

    wrong: int
    words: int


class Whisper:
    """Whisper tiny.en on the CPU. `hear` returns text; `errors` counts wrong words, with numbers spelled out.

    Raises:
        ImportError: a package is missing.
    """

    def __init__(self, threads: int = 1) -> None:
        self._model = load_whisper(threads)

    def hear(self, waveform: Waveform, sampling_rate: int) -> str:
        """What is heard in a mono waveform [N]."""
        segments, _ = self._model.transcribe(
            _at_rate(waveform, sampling_rate), language="en", beam_size=5, condition_on_previous_text=False
        )
        return " ".join(segment.text.strip() for segment in segments)

    def errors(self, text: str, waveform: Waveform, sampling_rate: int) -> Errors:
        """Word errors, at most one for each word of the text, so that a single runaway sentence does not dominate.

        A compound may be written as one word or as two, and a time as 9:30 or 9.30.
        """
        heard_text = timed(self.hear(waveform, sampling_rate), text)
        reference, heard = words_of(_spelled(text)), words_of(_spelled(heard_text))
        wrong = edit_distance(compounded(reference, heard), compounded(heard, reference))
        return Errors(min(wrong, len(reference)), len(reference))


class OpinionScore:
    """Distill-MOS, 1 (bad) to 5 (excellent).

    Raises:
        ImportError: a package is missing.
    """

    def __init__(self) -> None:
        _need("distillmos", "xls_r_sqa")
        if (
            "torchaudio" not in sys.modules and importlib.util.find_spec("torchaudio") is None
        ):  # imported for reading files, which is not used here
            sys.modules["torchaudio"] = types.ModuleType("torchaudio")
        from distillmos import ConvTransformerSQAModel

        self._model = ConvTransformerSQAModel().eval()

    def __call__(self, waveform: Waveform, sampling_rate: int) -> float:
        """The predicted mean opinion score of a mono waveform [N]."""
        with torch.inference_mode():
            return float(self._model(torch.from_numpy(_at_rate(waveform, sampling_rate))[None])[0])


class Speakers:
    """Voices as unit vectors [256] of resemblyzer's encoder; their dot product is the similarity, up to 1.

    Raises:
        ImportError: a package is missing.
    """

    def __init__(self) -> None:
        _need("resemblyzer", "webrtcvad", "librosa")
        from resemblyzer import VoiceEncoder

        self._encoder: Any = VoiceEncoder("cpu", verbose=False)

    def __call__(self, waveform: Waveform, sampling_rate: int) -> Waveform:
        """The voice of a mono waveform [N]."""
        from resemblyzer import preprocess_wav

        return np.asarray(self._encoder.embed_utterance(preprocess_wav(waveform, sampling_rate)), np.float32)


def typical(voices: Sequence[Waveform]) -> Waveform:
    """The mean of several voices of `Speakers`, a unit vector again."""
    mean = np.mean(voices, axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def compounded(words: Sequence[str], others: Sequence[str]) -> list[str]:
    """`words`, with neighbours joined that `others` write as one word.

    >>> compounded(["on", "git", "hub"], ["on", "github"])
    ['on', 'github']
    """
    found = list[str]()
    for word in words:
        if found and found[-1] + word in others:
            found[-1] += word
        else:
            found.append(word)
    return found


def timed(heard: str, text: str) -> str:
    """`heard`, with those times of `text` that it writes with a point, as in British English, written with a colon.

    >>> timed("It starts at 9.30 and costs 9.50.", "It starts at 9:30 and costs 9.50.")
    'It starts at 9:30 and costs 9.50.'
    """
    times = {f"{hour}.{minute}" for hour, minute in re.findall(r"\b(\d{1,2}):(\d\d)\b", text)}
    return re.sub(r"\b\d{1,2}\.\d\d\b", lambda m: m[0].replace(".", ":") if m[0] in times else m[0], heard)


def _spelled(text: str) -> str:
    return spoken_form("".join(character for character in text if character.isascii())).replace("-", " ")


def _at_rate(waveform: Waveform, sampling_rate: int) -> Waveform:
    return np.ascontiguousarray(soxr.resample(np.asarray(waveform, np.float32), sampling_rate, RATE), np.float32)


def _need(*packages: str) -> None:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise ImportError(f"{', '.join(missing)} is missing; {Path(__file__).name} lists what to install.")
