"""Other voices from one: pitch and formants are moved with the WORLD vocoder (pyworld), the timing stays."""

import math
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dia.audio.waveform import Waveform
from dia.training.mini.teacher.natural import packages

SEPARATOR = "*"  # between the voice and the change in the name of a voice, as in `heart*0.6/0.88`
_FACTORS = 0.4, 2.5  # the least and the largest
_PITCH = {"f0_floor": 70.0, "f0_ceil": 500.0}  # Hz, in which the pitch is looked for
_FLOOR = 1e-16  # of a power spectrum, for its logarithm


def unchanged(voice: str) -> str:
    """The name of a voice before its pitch and formants were changed."""
    return voice.partition(SEPARATOR)[0]


@dataclass(frozen=True)
class Change:
    """How a voice is changed.

    Attributes:
        pitch: factor of the fundamental frequency.
        formants: factor of the frequencies of the spectral envelope; below 1 is a longer vocal tract.
        melody: factor of the distance of the pitch, in semitones, from its mean; above 1 is livelier.
    """

    pitch: float = 1.0
    formants: float = 1.0
    melody: float = 1.0

    @classmethod
    def of(cls, name: str) -> Self:
        """The change after the `SEPARATOR` in the name of a voice: one to three factors divided by `/`.

        >>> Change.of("heart*0.6/0.88")
        Change(pitch=0.6, formants=0.88, melody=1.0)

        Raises:
            ValueError: it is not one to three numbers from 0.4 to 2.5.
        """
        factors = name.partition(SEPARATOR)[2].split("/")
        try:
            values = [float(factor) for factor in factors]
        except ValueError:
            values = []
        low, high = _FACTORS
        if not 1 <= len(values) <= 3 or not all(low <= value <= high for value in values):
            raise ValueError(
                f"voice: {name!r} does not end in a change such as {SEPARATOR}0.6/0.88/1.1: pitch, formants and "
                f"melody, each {low} to {high}."
            )
        return cls(*values)


def changed(waveform: Waveform, rate: int, change: Change) -> Waveform:
    """The same speech in another voice, of the same length. Silence stays as it is.

    Args:
        waveform: mono [N], in -1..1.
        rate: in Hz.
        change: what is changed.

    Raises:
        ImportError: pyworld is not installed in the version of `packages.PYTHON_PACKAGES`.
    """
    pyworld = _vocoder()
    signal = waveform.astype(np.float64)
    rough, times = pyworld.dio(signal, rate, **_PITCH)
    pitch = pyworld.stonemask(signal, rough, times, rate)
    voiced = pitch > 0
    if not voiced.any():
        return waveform
    envelope = pyworld.cheaptrick(signal, pitch, times, rate)
    noise = pyworld.d4c(signal, pitch, times, rate)
    mean = math.exp(float(np.log(pitch[voiced]).mean()))
    moved = np.where(voiced, mean * change.pitch * (np.maximum(pitch, 1.0) / mean) ** change.melody, 0.0)
    wider = np.exp(_stretched(np.log(envelope + _FLOOR), change.formants))
    spoken = pyworld.synthesize(moved, wider, np.clip(_stretched(noise, change.formants), 0.0, 1.0), rate)
    return np.asarray(np.clip(spoken[: len(waveform)], -1.0, 1.0), np.float32)


@cache
def _vocoder() -> Any:
    packages.need("setuptools", "pyworld")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "pkg_resources is deprecated")
        import pyworld
    return pyworld


def _stretched(spectra: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Spectra [T, F] whose frequencies are multiplied by `factor`."""
    last = spectra.shape[1] - 1
    places = np.minimum(np.arange(last + 1) / factor, last)
    below = np.floor(places).astype(np.int64)
    above, weight = np.minimum(below + 1, last), places - below
    return np.ascontiguousarray((1 - weight) * spectra[:, below] + weight * spectra[:, above])


__all__ = ["SEPARATOR", "Change", "changed", "unchanged"]
