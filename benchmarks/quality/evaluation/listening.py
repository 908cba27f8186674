"""Find the turns of a dialogue by its pauses, and compare pitches. Independent of words and of Dia."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dia.audio.waveform import Waveform

STEP_SECONDS = 0.02
PAUSE_SECONDS = 0.14
QUIET_DECIBELS = -40.0
# The cost of a cut at full loudness, and of a turn that is e times as long as expected: a turn that is 40 % too long
# is as unlikely as a change of speaker without a pause.
LOUD_COST, LENGTH_COST = 4.0, 36.0


def turns(
    waveform: Waveform, sampling_rate: int, expected: Sequence[float], sure: Sequence[float] = ()
) -> list[Waveform]:
    """Cut a dialogue into its turns at quiet places, so that the turns have about the expected lengths.

    Dynamic programming finds the best of all ways to cut it.

    Args:
        waveform: [samples].
        sampling_rate: Hz.
        expected: seconds of each turn.
        sure: the confidence in each length, 0 to 1; by default 1.

    Returns:
        As many waveforms as there are lengths expected, in order; together they are the whole.
    """
    step = max(1, round(STEP_SECONDS * sampling_rate))
    loudness = _loudness(waveform, round(PAUSE_SECONDS * sampling_rate), step)
    edges = _best_cuts(loudness, [seconds / STEP_SECONDS for seconds in expected], sure or [1.0] * len(expected))
    return [waveform[first * step : last * step] for first, last in itertools.pairwise(edges)]


def _loudness(waveform: Waveform, width: int, step: int) -> NDArray[np.float64]:
    """The distance from silence, 0 to 1, one every `step` samples; [places]."""
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
    """Whether a pitch is near another, both in Hz; False for NaN, which silence has."""
    return bool(abs(pitch - reference) <= tolerance * reference)


__all__ = ["turns", "within"]
