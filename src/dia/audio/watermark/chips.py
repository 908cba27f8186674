"""How a recording changes from slot to slot: what the signs of a watermark are compared with.

The level of each band in a slot is compared with the next slot. Most of the sound is the same in both, and what it
changes in neighboring bands or steadily over time is subtracted. Louder events of the sound are limited, and slots
near the level of the background count less, since noise hides the watermark there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dia.audio.watermark.pattern import BANDS, CHIPS, SLOT_MS, band_edges

RATE = 16_000  # Hz
_WINDOW, _HOP = 512, 128  # samples: 32 and 8 ms
_SLOT = SLOT_MS * RATE // 1000 // _HOP  # steps
CHIP = 2 * _SLOT

_LIMIT = 3.0  # dB
_TREND = 0.35  # how much of the differences of the slots before and after is subtracted
_NEAR = 2  # bands on each side
_FLOOR = 1e-7  # of the power of a band: silence is the same in all slots
_BACKGROUND = 10  # percentile of the levels of a band
_HEARD = 3.0, 12.0  # dB above it: from where on a slot counts, and where fully
_LEAST = 0.1  # weight, so that steady sounds count, too

_CLOSE = np.abs(np.subtract.outer(np.arange(BANDS), np.arange(BANDS))) <= _NEAR
_WHITENING = np.eye(BANDS) - _CLOSE / _CLOSE.sum(axis=0)  # [BANDS, BANDS]


@dataclass(frozen=True)
class Speed:
    """How much faster a recording is than the original, such as 1.1.

    Attributes:
        tempo: of time.
        pitch: of frequencies: 1, or that of time, if the recording was not stretched but played faster.
    """

    tempo: float = 1.0
    pitch: float = 1.0


def spectrum(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """The power spectrum [steps, bins] of samples at `RATE`."""
    if len(sound) < _WINDOW:
        return np.zeros((0, _WINDOW // 2 + 1))
    frames = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::_HOP]
    return np.asarray(np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1)) ** 2)


def differences(power: NDArray[np.float64], speed: Speed) -> NDArray[np.float64]:
    """How much louder each band is in the slot from each step on than in the next, weighted, in dB [steps, BANDS]."""
    mean, shift = _means(_levels(power, speed.pitch), _SLOT / speed.tempo), round(_SLOT / speed.tempo)
    found = mean[:-shift] - mean[shift:]
    if not len(found):
        return np.zeros((0, BANDS))
    around = np.pad(found, ((shift, shift), (0, 0)), "edge")
    found = found - _TREND * (around[: len(found)] + around[2 * shift :])
    lowest, highest = np.percentile(mean, _BACKGROUND, axis=0) + np.array(_HEARD)[:, None]
    weight = np.clip((mean[: len(found)] - lowest) / (highest - lowest), _LEAST, 1.0)
    return np.asarray(weight * np.clip(found @ _WHITENING, -_LIMIT, _LIMIT))


def folded(found: NDArray[np.float64], start: int, speed: Speed) -> NDArray[np.float64]:
    """The differences of chips, the first from step `start` on, with later periods added to it [CHIPS, BANDS]."""
    length = CHIP / speed.tempo
    count = int((len(found) - 1 - start) / length) + 1
    steps = np.minimum(len(found) - 1, np.rint(start + np.arange(count) * length).astype(np.int64))
    padded = np.zeros((-(-count // CHIPS) * CHIPS, BANDS))
    padded[:count] = found[steps]
    return np.asarray(padded.reshape(-1, CHIPS, BANDS).sum(axis=0))


def _levels(power: NDArray[np.float64], pitch: float) -> NDArray[np.float64]:
    """The level of each band in dB [steps, BANDS]. Edges of bands divide bins."""
    edges = np.minimum(band_edges() * pitch * _WINDOW / RATE, power.shape[1] - 1)
    whole = np.floor(edges).astype(np.int64)
    below = np.pad(power.cumsum(axis=1), ((0, 0), (1, 0)))[:, whole] + (edges - whole) * power[:, whole]
    return np.asarray(10 * np.log10(np.maximum(np.diff(below, axis=1), 0) + _FLOOR))


def _means(level: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """Means over `length` steps, which need not be whole, from each step on."""
    total = np.pad(level.cumsum(axis=0), ((1, 0), (0, 0)))
    whole, part = int(length), length - int(length)
    upto = (1 - part) * total[whole:-1] + part * total[whole + 1 :]
    return np.asarray((upto - total[: len(upto)]) / length)


__all__ = ["CHIP", "RATE", "Speed", "differences", "folded", "spectrum"]
