"""Speech in a recording, told apart from the recording's own noise: where it begins and ends, and how loud either is.

Measures levels of 10 ms in decibels of full scale. Knows nothing of words, codes or files. `dia.audio.silence` does
the same for generated speech, whose background is silent.

Shapes: N samples, M moments of 10 ms.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dia.audio.filters import without_bass
from dia.audio.waveform import Waveform

Levels = NDArray[np.float64]

SILENT = -75.0  # dB of full scale; speech below has 6 steps of 16 bits, too few to hear words

_MOMENT_SECONDS = 0.01
_NOTHING = -90.0  # dB: about the last bit of 16. Quieter moments are digital silence, which says nothing of the noise
_SMOOTH = 5  # moments that the noise is averaged over; single moments of hum or rumble vary too much
_STEADY_MOMENTS = 40  # no sound of speech is steady for 0.4 s
_STEADY_DECIBELS = 6.0  # by which noise varies meanwhile
_LOUDEST_MOMENTS = 30  # a click is shorter, a syllable longer than this share of it can hide
_BELOW = 4.0, 0.02  # at most 2 % of the moments are more than 4 dB below noise: it is under all of the recording
_ABOVE = 6.0  # dB above the noise where sound begins
_MASKED_MOMENTS = 5  # by which speech may begin and end below the noise; less than half of `_GAP_MOMENTS`
_SOFTEST = 55.0  # dB below the loudest speech, where no noise is found
_PAUSE = 30.0  # dB below the loudest speech there is a pause, where no noise is louder
_BASS = 200.0  # Hz, below which sound counts less: there hum and rumble are loud, and speech is elsewhere, too
_GAP_MOMENTS = 30  # sound that is further from other sound stands alone
_FADE_SECONDS = 0.01
_SHORTEST_MOMENTS = 8  # what stands alone and is shorter is a click, or a touch of the microphone


@dataclass(frozen=True)
class Heard:
    """What is heard in a recording.

    Attributes:
        spans: samples of each stretch of sound, [(first, behind the last), …], with 0.3 s of quiet between at least;
            empty where nothing stands out.
        speech: dB of full scale, of the loudest 0.3 s.
        noise: dB of full scale; None where there is no steady noise.
    """

    spans: tuple[tuple[int, int], ...]
    speech: float
    noise: float | None

    @property
    def first(self) -> int:
        """Where sound begins."""
        return self.spans[0][0] if self.spans else 0

    @property
    def last(self) -> int:
        """Behind the last sound."""
        return self.spans[-1][1] if self.spans else 0


def heard(audio: Waveform, sampling_rate: int) -> Heard:
    """Find the sound in a recording: what is 6 dB above its noise or, without noise, within 55 dB of the loudest.

    Clicks that stand alone are left out.

    Args:
        audio: [N], one channel.
        sampling_rate: Hz.
    """
    levels, step = _levels(audio, sampling_rate), max(1, round(_MOMENT_SECONDS * sampling_rate))
    speech = float(_smoothed(levels, _LOUDEST_MOMENTS).max(initial=-math.inf))
    noise = noise_level(levels)
    least = max(_NOTHING, speech - _SOFTEST) if noise is None else noise + _ABOVE
    if speech < max(SILENT, least):  # silent, or too little above the noise to tell one from the other
        return Heard((), speech, noise)
    more = 0 if noise is None else _MASKED_MOMENTS
    found = [(max(0, first - more) * step, (end + more) * step) for first, end in _stretches(levels > least)]
    spans = ((first, min(len(audio), end)) for first, end in found)
    return Heard(tuple(spans), speech, noise)


def pauses(audio: Waveform, sampling_rate: int, least: float = 0.08) -> list[tuple[int, int]]:
    """The samples of each pause in speech, [(first, behind the last), …], the quiet at both ends included.

    Args:
        audio: [N].
        sampling_rate: Hz.
        least: seconds that a pause lasts; the closure of a "p" or a "t" may be nearly as long.
    """
    levels, step = _levels(audio, sampling_rate), max(1, round(_MOMENT_SECONDS * sampling_rate))
    noise, speech = noise_level(levels), _smoothed(levels, _LOUDEST_MOMENTS).max(initial=_NOTHING)
    quiet = levels < max(speech - _PAUSE, -math.inf if noise is None else noise + _ABOVE)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8))).reshape(-1, 2)
    long = edges[np.diff(edges)[:, 0] * _MOMENT_SECONDS >= least]
    return [(int(first) * step, min(len(audio), int(end) * step)) for first, end in long]


def noise_level(levels: Levels) -> float | None:
    """The level, in dB, of the noise under a whole recording; None where there is none, or no pause to hear it in.

    Noise is the quietest stretch of 0.4 s that is steady, if nearly nothing is quieter. Speech is not steady for so
    long, so that soft speech is not taken for noise.

    Args:
        levels: dB of full scale, [M].
    """
    smooth = _smoothed(levels, _SMOOTH)
    sounding = smooth[smooth > _NOTHING]
    if len(smooth) < _STEADY_MOMENTS:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(smooth, _STEADY_MOMENTS)
    steady = windows[(np.ptp(windows, axis=1) <= _STEADY_DECIBELS) & (windows.min(axis=1) > _NOTHING)]
    if not len(steady):
        return None
    level = float(np.median(steady, axis=1).min())
    below, share = _BELOW
    return level if np.mean(sounding < level - below) <= share else None


def without_pauses(
    audio: Waveform, sampling_rate: int, spans: Sequence[tuple[int, int]], longest: float, left: float
) -> tuple[Waveform, list[tuple[int, int]]]:
    """Shorten the pauses between stretches of sound.

    Args:
        audio: [N].
        sampling_rate: Hz.
        spans: the stretches, as `Heard.spans`.
        longest: seconds; longer pauses are shortened.
        left: seconds that are left of them, half of it to either side.

    Returns:
        The waveform, and the stretches in it.
    """
    half, pieces, start, moved = round(left / 2 * sampling_rate), list[Waveform](), 0, list(spans[:1])
    for (_, end), (first, last) in pairwise(spans):
        if first - end > longest * sampling_rate:
            pieces.append(audio[start : end + half])
            start = first - half
        earlier = start - sum(map(len, pieces))
        moved.append((first - earlier, last - earlier))
    return _joined([*pieces, audio[start:]], round(_FADE_SECONDS * sampling_rate)), moved


def _joined(pieces: Sequence[Waveform], fade: int) -> Waveform:
    """Pieces one after another; where they meet, each fades to nothing and the next rises from it."""
    joined = np.concatenate(pieces)
    rising = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
    for place in np.cumsum([len(piece) for piece in pieces])[:-1]:
        joined[place - fade : place] *= 1 - rising
        joined[place : place + fade] *= rising
    return joined


def _levels(audio: Waveform, sampling_rate: int) -> Levels:
    """dB of full scale of each moment, [M], without most of the bass."""
    step = max(1, round(_MOMENT_SECONDS * sampling_rate))
    if not len(audio):
        return np.zeros(0)
    padded = np.pad(without_bass(audio, sampling_rate, _BASS), (0, -len(audio) % step))
    power = (padded.reshape(-1, step) ** 2).mean(axis=1)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))


def _smoothed(levels: Levels, moments: int) -> Levels:
    """The level of each stretch of `moments`, in dB; as many as there are stretches."""
    if len(levels) < moments:
        return levels
    return np.asarray(10 * np.log10(np.convolve(10 ** (levels / 10), np.full(moments, 1 / moments), "valid")))


def _stretches(loud: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Moments of each stretch of sound that is no click, from the first to behind the last."""
    places = np.flatnonzero(loud)
    if not len(places):
        return []
    cuts = np.flatnonzero(np.diff(places) > _GAP_MOMENTS) + 1
    found = [group for group in np.split(places, cuts) if len(group) >= _SHORTEST_MOMENTS]
    return [(int(group[0]), int(group[-1]) + 1) for group in found]


__all__ = ["SILENT", "Heard", "heard", "noise_level", "pauses", "without_pauses"]
