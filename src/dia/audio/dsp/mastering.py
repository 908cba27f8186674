"""Bring speech to the level that audiobook publishers ask for, and measure it. Independent of files and chapters.

Both work on blocks, so that memory is small however long the speech is.

Shapes: N samples, M blocks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dia.audio.waveform import Waveform

Blocks = NDArray[np.float64]

# The numbers of ACX, an exchange of audiobooks, in dBFS: the level of a chapter, its peak, the noise in its pauses.
RMS_RANGE = -23.0, -18.0
PEAK_LIMIT = -3.0
FLOOR_LIMIT = -60.0

_TARGET = -20.0  # dBFS; in the middle, and what the encoder changes is less than the rest
CEILING = -4.0  # dBFS of samples; encoders raise peaks by some tenths
_LOUDEST_GAIN = 40.0  # dB; what is softer still is silence with noise
_PAUSE, _PAUSE_SECONDS = -45.0, 0.15  # dBFS and seconds; softer and longer is a pause, and is lowered
_LOWERED = -70.0  # dBFS; the level of the noise in pauses afterwards
_BLOCK_SECONDS = 0.001
_HOLD, _SMOOTH = 8, 5  # blocks; the gain is lowered before a peak. _HOLD must be larger than _SMOOTH
_WINDOW_SECONDS = 0.5  # the noise floor is the level of the quietest window
_WINDOW_BLOCK = 0.01  # seconds
_SPEECH_RANGE = 20.0  # dB below the level of a chapter; a window that is louder is no pause
_SILENCE = -120.0  # dBFS of digital silence


@dataclass(frozen=True)
class Levels:
    """The levels of a chapter in dBFS.

    Attributes:
        rms: the level.
        peak: of the loudest sample.
        floor: of the quietest half second; None if there is no pause of this length.
    """

    rms: float
    peak: float
    floor: float | None

    def faults(self) -> list[str]:
        """What is outside of the limits of ACX; empty if nothing is."""
        lowest, highest = RMS_RANGE
        found = []
        if not lowest <= self.rms <= highest:
            found.append(f"level {self.rms:.1f} dB, expected {lowest:g} to {highest:g} dB")
        if self.peak > PEAK_LIMIT:
            found.append(f"peak {self.peak:.1f} dB, expected at most {PEAK_LIMIT:g} dB")
        if self.floor is not None and self.floor > FLOOR_LIMIT:
            found.append(f"noise floor {self.floor:.1f} dB, expected at most {FLOOR_LIMIT:g} dB")
        return found


class LevelMeter:
    """Measures speech that is passed in parts.

    Args:
        sampling_rate: Hz.
    """

    def __init__(self, sampling_rate: int) -> None:
        self._block = max(1, round(_WINDOW_BLOCK * sampling_rate))
        self._rest = np.zeros(0, np.float32)
        self._powers: list[Blocks] = []
        self._peak, self._sum, self._count = 0.0, 0.0, 0

    def add(self, samples: Waveform, speech: bool = True) -> None:
        """Measure further samples [N].

        Args:
            samples: the samples.
            speech: whether the noise floor is also looked for in them; not in silence that was added.
        """
        self._peak = max(self._peak, float(np.abs(samples).max(initial=0.0)))
        self._sum += float(np.square(samples, dtype=np.float64).sum())
        self._count += len(samples)
        if not speech:
            return
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) // self._block * self._block
        self._powers.append(_powers(joined[:whole], self._block))
        self._rest = joined[whole:]

    def levels(self) -> Levels:
        """The levels of all samples so far."""
        rms = _decibels(self._sum / max(1, self._count))
        return Levels(rms, _decibels(self._peak**2), self._floor(rms))

    def _floor(self, rms: float) -> float | None:
        powers, window = np.concatenate([np.zeros(0), *self._powers]), round(_WINDOW_SECONDS / _WINDOW_BLOCK)
        if len(powers) < window:
            return None
        sums = np.concatenate([[0.0], np.cumsum(powers)])
        floor = _decibels(float((sums[window:] - sums[:-window]).min()) / window)
        return floor if floor < rms - _SPEECH_RANGE else None


class Mastering:
    """Raises or lowers speech to the level, limits its peaks and lowers the noise in its pauses.

    Pass all speech to `measure` first, then the same speech to `apply`.

    Args:
        sampling_rate: Hz.
        silence: seconds of silence that will be added, which count for the level.
        ceiling: the highest peak in dBFS.
    """

    def __init__(self, sampling_rate: int, silence: float = 0.0, ceiling: float = CEILING) -> None:
        self._step = max(1, round(_BLOCK_SECONDS * sampling_rate))
        self._silence, self._ceiling = silence / _BLOCK_SECONDS, 10 ** (ceiling / 20)
        self._rest = np.zeros(0, np.float32)
        self._peaks, self._block_powers = list[Blocks](), list[Blocks]()
        self._gains: Blocks | None = None
        self._position = 0

    def measure(self, samples: Waveform) -> None:
        """Measure further samples [N]."""
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) // self._step * self._step
        self._note(joined[:whole])
        self._rest = joined[whole:]

    def apply(self, samples: Waveform) -> Waveform:
        """Process further samples [N], after all have been measured."""
        if self._gains is None:
            self._gains = self._plan()
        end = self._position + len(samples)
        first, last = max(0, self._position // self._step - 1), min(len(self._gains), end // self._step + 2)
        centers = np.arange(first, last) * self._step + (self._step - 1) / 2
        gains = np.interp(np.arange(self._position, end), centers, self._gains[first:last])
        self._position = end
        return np.asarray(samples * gains, np.float32)

    def _note(self, samples: Waveform) -> None:
        if len(samples):
            self._peaks.append(np.abs(samples).reshape(-1, self._step).max(axis=1).astype(np.float64))
            self._block_powers.append(_powers(samples, self._step))

    def _plan(self) -> Blocks:
        """The gain of each block, [M]."""
        self._note(np.pad(self._rest, (0, -len(self._rest) % self._step)))
        peaks, powers = (np.concatenate([np.zeros(0), *blocks]) for blocks in (self._peaks, self._block_powers))
        if not peaks.max(initial=0.0):
            return np.ones(max(1, len(peaks)))
        highest = _minimum(self._ceiling / np.maximum(peaks, 1e-9), _HOLD)
        low, high = -_LOUDEST_GAIN, _LOUDEST_GAIN
        for _ in range(16):  # halves 80 dB to a thousandth; the level of peaks in a block is less exact
            gain = (low + high) / 2
            limited = _limited(highest, 10 ** (gain / 20))
            level = _decibels(float((powers * limited**2).sum()) / (len(powers) + self._silence))
            low, high = (low, gain) if level > _TARGET else (gain, high)
        gains = _limited(highest, 10 ** (low / 20))
        return gains * _lowered_pauses(powers * gains**2)


def _limited(highest: Blocks, gain: float) -> Blocks:
    """The gain of each block, [M], such that no sample exceeds the ceiling, also between the centers of blocks.

    Args:
        highest: the highest gain that the peaks around each block allow, [M].
        gain: the gain elsewhere.
    """
    return _averaged(np.minimum(gain, highest), _SMOOTH)


def _lowered_pauses(powers: Blocks) -> Blocks:
    """The further gain of each block, [M], which is below 1 in pauses with noise."""
    loud = _averaged(powers, 10) > 10 ** (_PAUSE / 10)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], loud, [True]]).astype(np.int8))).reshape(-1, 2)
    gains = np.ones(len(powers))
    for start, end in edges:
        if (end - start) * _BLOCK_SECONDS >= _PAUSE_SECONDS:
            level = _decibels(float(powers[start:end].mean()))
            gains[start:end] = 10 ** (min(0.0, _LOWERED - level) / 20)
    return _averaged(gains, 10)


def _minimum(values: Blocks, reach: int) -> Blocks:
    """The least value within `reach` blocks on both sides, [M]."""
    padded = np.pad(values, reach, mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).min(axis=1))


def _averaged(values: Blocks, reach: int) -> Blocks:
    """The mean within `reach` blocks on both sides, [M]."""
    sums = np.concatenate([[0.0], np.cumsum(np.pad(values, reach, mode="edge"))])
    return np.asarray((sums[2 * reach + 1 :] - sums[: -2 * reach - 1]) / (2 * reach + 1))


def _powers(samples: Waveform, step: int) -> Blocks:
    return np.asarray(np.square(samples.reshape(-1, step), dtype=np.float64).mean(axis=1))


def _decibels(power: float) -> float:
    return max(_SILENCE, 10 * math.log10(power)) if power > 0 else _SILENCE


def summary(levels: Sequence[Levels]) -> str:
    """The range of each level over all chapters."""
    floors = [one.floor for one in levels if one.floor is not None]
    noise = f"noise floor at most {max(floors):.1f} dB" if floors else "no pause to measure the noise in"
    lowest, highest = (pick(one.rms for one in levels) for pick in (min, max))
    return f"level {lowest:.1f} to {highest:.1f} dB, peak at most {max(one.peak for one in levels):.1f} dB, {noise}"


__all__ = ["CEILING", "FLOOR_LIMIT", "PEAK_LIMIT", "RMS_RANGE", "LevelMeter", "Levels", "Mastering", "summary"]
