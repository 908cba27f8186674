"""Who speaks when: the turns of a dialogue by its pauses, and a voice by its pitch.

Knows waveforms; knows nothing of words or of Dia.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from recogniser import Audio

STEP_SECONDS = 0.02
PAUSE_SECONDS = 0.14
QUIET_DECIBELS = -40.0
# What a cut costs in full voice, and what a turn costs that is e times as long as expected: a turn that is 40 % too
# long is as unlikely as a change of speaker without any pause.
LOUD_COST, LENGTH_COST = 4.0, 36.0


def turns(waveform: Audio, sampling_rate: int, expected: Sequence[float], sure: Sequence[float] = ()) -> list[Audio]:
    """Cut a dialogue into its turns, where it is quiet and the turns get about the lengths that are expected.

    All ways to cut it are weighed, by dynamic programming.

    Args:
        waveform: [samples].
        sampling_rate: Hz.
        expected: seconds of each turn.
        sure: how much each length is relied upon, 0 to 1; all fully by default.

    Returns:
        As many waveforms as there are lengths expected, in order; together they are the whole.
    """
    step = max(1, round(STEP_SECONDS * sampling_rate))
    loudness = _loudness(waveform, round(PAUSE_SECONDS * sampling_rate), step)
    edges = _best_cuts(loudness, [seconds / STEP_SECONDS for seconds in expected], sure or [1.0] * len(expected))
    return [waveform[first * step : last * step] for first, last in itertools.pairwise(edges)]


def _loudness(waveform: Audio, width: int, step: int) -> NDArray[np.float64]:
    """How far each moment is from silence, 0 to 1, one every `step` samples; [places]."""
    power = np.convolve(np.asarray(waveform, np.float64) ** 2, np.ones(width) / width, mode="same")[::step]
    power = np.append(power, 0.0)  # the end is a place too
    decibels = 10 * np.log10(np.maximum(power / max(power.max(), 1e-12), 1e-12))
    return np.asarray(1 - np.clip(decibels / QUIET_DECIBELS, 0, 1))


def _best_cuts(loudness: NDArray[np.float64], expected: Sequence[float], sure: Sequence[float]) -> list[int]:
    """The edges of all turns, first and last included, as places in `loudness`."""
    places = np.arange(len(loudness))
    best = np.where(places == 0, 0.0, math.inf)  # cheapest way to end a turn at each place
    origins = []
    for length, weight in zip(expected, sure, strict=True):
        lasted = np.maximum(places[None] - places[:, None], 1e-3)  # [from, to]
        cost = best[:, None] + weight * LENGTH_COST * np.log(lasted / length) ** 2
        cost[lasted < 1] = math.inf
        origins.append(cost.argmin(0))
        best = cost.min(0) + LOUD_COST * loudness
    edges = [len(loudness) - 1]
    for origin in reversed(origins):
        edges.append(int(origin[edges[-1]]))
    return edges[::-1]


def within(pitch: float, reference: float, tolerance: float = 0.10) -> bool:
    """Whether a pitch is near another, both in Hz; NaN, from silence, is near nothing."""
    return bool(abs(pitch - reference) <= tolerance * reference)


def median_pitch(waveform: Audio, sampling_rate: int, lowest: float = 60.0, highest: float = 350.0) -> float:
    """Median fundamental frequency in Hz over the voiced frames of a waveform [samples]; NaN without any.

    Normalised autocorrelation of 50 ms frames, one every 10 ms; a frame is voiced where its peak passes 0.5 and its
    level is within 30 dB of the loudest frame. Of near-equal peaks the shortest lag is taken: a multiple of the
    period correlates as well as the period does.
    """
    frames = _frames(np.asarray(waveform, np.float64), int(0.05 * sampling_rate), int(0.01 * sampling_rate))
    level = np.sqrt((frames**2).mean(-1))
    frames = frames[level > level.max(initial=0.0) * 10 ** (-30 / 20)]
    if len(frames) == 0:
        return float("nan")
    correlation = _autocorrelation(frames)
    shortest, longest = int(sampling_rate / highest), int(sampling_rate / lowest)
    candidates = correlation[:, shortest : longest + 1]
    best = candidates.max(-1)
    voiced = best > 0.5
    if not voiced.any():
        return float("nan")
    lags = shortest + _first_peak(candidates[voiced], 0.9 * best[voiced])
    return float(np.median(sampling_rate / lags))


def _frames(waveform: NDArray[np.float64], width: int, step: int) -> NDArray[np.float64]:
    padded = np.pad(waveform, (0, max(0, width - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[::step]
    return frames - frames.mean(-1, keepdims=True)


def _autocorrelation(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    width = frames.shape[-1]
    spectrum = np.fft.rfft(frames, 2 * width)
    raw = np.fft.irfft(np.abs(spectrum) ** 2)[:, :width]
    overlap = 1 - np.arange(width) / width
    return np.asarray(raw / np.maximum(raw[:, :1], 1e-12) / np.maximum(overlap, 0.1))


def _first_peak(correlation: NDArray[np.float64], threshold: NDArray[np.float64]) -> NDArray[np.int64]:
    inner = correlation[:, 1:-1]
    peak = (inner >= correlation[:, :-2]) & (inner >= correlation[:, 2:]) & (inner >= threshold[:, None])
    return np.where(peak.any(-1), 1 + peak.argmax(-1), correlation.argmax(-1))
