"""Who speaks when: the turns of a dialogue by its pauses, and a voice by its pitch.

Knows waveforms; knows nothing of words or of Dia.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from evaluation.recognizer import Audio
from numpy.typing import NDArray

from dia.audio.dsp.pitch import median_pitch

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


__all__ = ["median_pitch", "turns", "within"]
