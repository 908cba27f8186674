"""The voices of a dialogue by their pitch. Knows waveforms; knows nothing of words or of Dia."""

import numpy as np
from numpy.typing import NDArray
from recogniser import RECOGNISER_RATE, Audio


def quietest_moment(waveform: Audio, sampling_rate: int, share: float, reach: float = 0.2) -> int:
    """The sample between two turns: the middle of the quietest 0.12 s around `share` of the waveform.

    Args:
        waveform: [samples], two turns.
        sampling_rate: Hz.
        share: where the pause is expected, as a part of the whole.
        reach: how far from there it may be, as a part of the whole.
    """
    width = max(1, int(0.12 * sampling_rate))
    energy = np.convolve(np.asarray(waveform, np.float64) ** 2, np.ones(width) / width, mode="same")
    first, last = (int(len(waveform) * min(1.0, max(0.0, share + sign * reach))) for sign in (-1, 1))
    return first + int(energy[first : max(last, first + 1)].argmin())


def dialogue_pitches(waveform: Audio, sampling_rate: int, share: float) -> tuple[float, float]:
    """Median pitch in Hz of both turns of a dialogue whose second turn begins at about `share` of it."""
    if len(waveform) < sampling_rate // 4:
        return float("nan"), float("nan")
    moment = quietest_moment(waveform, sampling_rate, share)
    return median_pitch(waveform[:moment], sampling_rate), median_pitch(waveform[moment:], sampling_rate)


def pitch_error(pitch: float, teacher: Audio) -> float:
    """Relative difference of a pitch in Hz from the teacher's own, whose speech is at `RECOGNISER_RATE`."""
    expected = median_pitch(teacher, RECOGNISER_RATE)
    return abs(pitch - expected) / expected


def near(error: float, tolerance: float = 0.15) -> bool:
    """Whether a relative error is within tolerance; NaN, from silence, is not."""
    return bool(error <= tolerance)


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
