"""The voices of a dialogue by their pitch. Knows waveforms; knows nothing of words or of Dia."""

import numpy as np
from recogniser import RECOGNISER_RATE, Audio, median_pitch


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
