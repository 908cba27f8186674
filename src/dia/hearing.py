"""What a recogniser hears, and how much of a text that is. Knows waveforms and words; knows nothing of takes.

Any function of a waveform and its rate that answers with a text is a recogniser; the one made here is pocketsphinx's,
small and without a network, with the English that comes with it.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import soxr

from dia.silence import Audio

Recogniser: TypeAlias = Callable[[Audio, int], str]

_RATE = 16_000
_EDGE_SECONDS, _EDGE_NOISE = 0.2, 3e-4  # its voice detection wants something to begin from


def pocketsphinx_recogniser() -> Recogniser:
    """A recogniser of English. Each call of it stands alone; give every thread its own.

    Raises:
        ImportError: pocketsphinx is not installed.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise ImportError("a recogniser needs pocketsphinx: pip install 'dia-tts[asr]'") from error
    decoder = Decoder(loglevel="FATAL")

    def hear(audio: Audio, sampling_rate: int) -> str:
        speech = np.pad(soxr.resample(audio, sampling_rate, _RATE), round(_EDGE_SECONDS * _RATE))
        noisy = speech + _EDGE_NOISE * np.random.default_rng(0).standard_normal(len(speech))
        decoder.start_utt()
        decoder.process_raw((np.clip(noisy, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        heard = decoder.hyp()
        return "" if heard is None else str(heard.hypstr)

    return hear


def agreement(text: str, heard: str) -> float:
    """1 less the word error rate of what was heard of a text: 1 for every word, 0 or less for none.

    Speakers' tags, non-verbal tags and punctuation count for nothing.

    >>> agreement("[S1] Good morning! (laughs)", "good warning")
    0.5
    """
    wanted, words = _words(text), _words(heard)
    row = list(range(len(words) + 1))
    for i, expected in enumerate(wanted, 1):
        diagonal, row[0] = row[0], i
        for j, word in enumerate(words, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != expected))
    return 1 - row[-1] / max(1, len(wanted))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", re.sub(r"\[S[12]\]|\([^)]*\)", " ", text).lower())


__all__ = ["agreement", "pocketsphinx_recogniser"]
