"""Estimate the fundamental frequency of a voice over time. Independent of words and codes."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

LOWEST, HIGHEST = 60.0, 350.0

_FRAME_SECONDS, _STEP_SECONDS = 0.05, 0.01
_VOICED = 0.5  # normalized autocorrelation at the period
_QUIET_DECIBELS = -30.0
_NEARLY = 0.9


def pitches(
    waveform: ArrayLike, sampling_rate: int, lowest: float = LOWEST, highest: float = HIGHEST
) -> NDArray[np.float64]:
    """The fundamental frequencies in Hz of the voiced frames of a waveform [N], in order, at steps of 10 ms.

    Uses the normalized autocorrelation of 50 ms frames. A frame is voiced if its peak exceeds 0.5 and its level is
    within 30 dB of the loudest frame. Among peaks of similar height, the one with the shortest lag is chosen, because
    multiples of the period correlate as well as the period.
    """
    frames = _frames(np.asarray(waveform, np.float64), sampling_rate)
    level = np.sqrt((frames**2).mean(-1))
    frames = frames[level > level.max(initial=0.0) * 10 ** (_QUIET_DECIBELS / 20)]
    if len(frames) == 0:
        return np.zeros(0)
    shortest, longest = int(sampling_rate / highest), int(sampling_rate / lowest)
    candidates = _autocorrelation(frames)[:, shortest : longest + 1]
    best = candidates.max(-1)
    voiced = best > _VOICED
    if not voiced.any():
        return np.zeros(0)
    return np.asarray(sampling_rate / (shortest + _first_peak(candidates[voiced], _NEARLY * best[voiced])))


def median_pitch(waveform: ArrayLike, sampling_rate: int, lowest: float = LOWEST, highest: float = HIGHEST) -> float:
    """The median of `pitches` in Hz; NaN if no frame is voiced."""
    found = pitches(waveform, sampling_rate, lowest, highest)
    return float(np.median(found)) if len(found) else float("nan")


def _frames(waveform: NDArray[np.float64], sampling_rate: int) -> NDArray[np.float64]:
    width, step = int(_FRAME_SECONDS * sampling_rate), int(_STEP_SECONDS * sampling_rate)
    padded = np.pad(waveform, (0, max(0, width - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[::step]
    return np.asarray(frames - frames.mean(-1, keepdims=True))


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


__all__ = ["HIGHEST", "LOWEST", "median_pitch", "pitches"]
