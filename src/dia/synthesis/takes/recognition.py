"""What a recogniser hears, and how much of a text that is. Knows waveforms and words; knows nothing of takes.

Any function of a waveform and its rate that answers with a text is a recogniser; the one made here is pocketsphinx's,
small and without a network, with the English that comes with it.
"""

import re
from collections.abc import Callable, Sequence
from operator import eq
from typing import TypeAlias

import numpy as np
import soxr

from dia.audio.waveform import Waveform
from dia.text.tags import TAG

Recogniser: TypeAlias = Callable[[Waveform, int], str]

_RATE = 16_000
_EDGE_SECONDS, _EDGE_NOISE = 0.2, 3e-4  # its voice detection wants something to begin from
_UNSPOKEN = re.compile(TAG.pattern + r"|\([^)]*\)|\{[^}]*\}")  # tags, sounds and phones


def pocketsphinx_recogniser() -> Recogniser:
    """A recogniser of English. Each call of it stands alone; give every thread its own.

    Raises:
        ImportError: pocketsphinx is not installed.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise ImportError("a recogniser needs pocketsphinx: pip install pocketsphinx") from error
    decoder = Decoder(loglevel="FATAL")

    def hear(audio: Waveform, sampling_rate: int) -> str:
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
    wanted = _words(text)
    return 1 - edit_distance(wanted, _words(heard)) / max(1, len(wanted))


def edit_distance(reference: Sequence[str], heard: Sequence[str], alike: Callable[[str, str], bool] = eq) -> int:
    """Fewest insertions, deletions and substitutions that turn `heard` into `reference`; `alike` words are equal."""
    row = list(range(len(heard) + 1))
    for i, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, word in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (not alike(expected, word)))
    return row[-1]


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", _UNSPOKEN.sub(" ", text).lower())


__all__ = ["agreement", "edit_distance", "pocketsphinx_recogniser"]
