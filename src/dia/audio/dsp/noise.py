"""Detect speech in a noisy recording: its position, its level and the level of the noise.

Works on the levels of 10 ms blocks in dBFS. Independent of words, codes and files. `dia.audio.dsp.silence` does
the same for generated speech, whose background is silent.

Shapes: N samples, M blocks of 10 ms.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dia.audio.dsp.filters import high_pass
from dia.audio.waveform import Waveform

Levels = NDArray[np.float64]

SILENT = -75.0  # dBFS; at 16 bits, speech below has only 6 quantization steps, too few to understand

_BLOCK_SECONDS = 0.01
_NOTHING = -90.0  # dBFS, about the last of 16 bits; quieter blocks are digital silence and do not contain the noise
_SMOOTH = 5  # blocks over which noise is averaged; single blocks of hum or rumble vary too much
_STEADY_BLOCKS = 40  # no sound of speech is steady for 0.4 s
_STEADY_DECIBELS = 6.0  # variation of steady noise in that time
_LOUDEST_BLOCKS = 30  # averaging over 0.3 s, longer than a click, keeps clicks from determining the level
_BELOW = 4.0, 0.02  # at most 2 % of the blocks are more than 4 dB below the noise, because it is always present
_ABOVE = 6.0  # dB above the noise; louder blocks are sound
_MASKED_BLOCKS = 5  # speech may begin earlier and end later, masked by noise; less than half of `_GAP_BLOCKS`
_SOFTEST = 55.0  # dB below the loudest speech; threshold of sound in a recording without noise
_PAUSE = 30.0  # dB below the loudest speech; threshold of a pause, unless the noise is louder
_BASS = (
    200.0  # Hz; frequencies below are attenuated, because hum and rumble are loud there and speech is not only there
)
_GAP_BLOCKS = 30  # sounds that are further apart are separate
_FADE_SECONDS = 0.01
_SHORTEST_BLOCKS = 8  # a shorter separate sound is a click or a touch of the microphone


@dataclass(frozen=True)
class DetectedSpeech:
    """The sound in a recording.

    Attributes:
        spans: the samples of each section of sound, [(start, end), …], with at least 0.3 s between them; empty if no
            sound stands out from the noise.
        speech: the level of the loudest 0.3 s in dBFS.
        noise: the level of the noise in dBFS; None if there is no steady noise.
    """

    spans: tuple[tuple[int, int], ...]
    speech: float
    noise: float | None

    @property
    def first(self) -> int:
        """The first sample of sound."""
        return self.spans[0][0] if self.spans else 0

    @property
    def last(self) -> int:
        """The end of the last sound, exclusive."""
        return self.spans[-1][1] if self.spans else 0


def detect_speech(audio: Waveform, sampling_rate: int) -> DetectedSpeech:
    """Find the sound in a recording: louder than its noise by 6 dB or, without noise, within 55 dB of the loudest.

    Isolated clicks are ignored, and so is quiet sound that is steady for 0.4 s, such as the rest of a hum or a fan
    that is switched on.

    Args:
        audio: [N], one channel.
        sampling_rate: Hz.
    """
    levels, step = _levels(audio, sampling_rate), max(1, round(_BLOCK_SECONDS * sampling_rate))
    speech = float(_smoothed(levels, _LOUDEST_BLOCKS).max(initial=-math.inf))
    noise = noise_level(levels)
    least = max(_NOTHING, speech - _SOFTEST) if noise is None else noise + _ABOVE
    if speech < max(SILENT, least):  # silent, or too close to the noise to distinguish them
        return DetectedSpeech((), speech, noise)
    sound = (levels > least) & ~(_steady(levels) & (levels < speech - _PAUSE))
    margin = 0 if noise is None else _MASKED_BLOCKS
    found = [(max(0, first - margin) * step, (end + margin) * step) for first, end in _sections(sound)]
    spans = ((first, min(len(audio), end)) for first, end in found)
    return DetectedSpeech(tuple(spans), speech, noise)


def pauses(audio: Waveform, sampling_rate: int, least: float = 0.08) -> list[tuple[int, int]]:
    """The samples of each pause in speech, [(start, end), …], including silence at both ends of the recording.

    Args:
        audio: [N].
        sampling_rate: Hz.
        least: the minimum length of a pause in seconds; the closure of a "p" or a "t" may be nearly as long.
    """
    levels, step = _levels(audio, sampling_rate), max(1, round(_BLOCK_SECONDS * sampling_rate))
    noise, speech = noise_level(levels), _smoothed(levels, _LOUDEST_BLOCKS).max(initial=_NOTHING)
    quiet = levels < max(speech - _PAUSE, -math.inf if noise is None else noise + _ABOVE)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8))).reshape(-1, 2)
    long = edges[np.diff(edges)[:, 0] * _BLOCK_SECONDS >= least]
    return [(int(first) * step, min(len(audio), int(end) * step)) for first, end in long]


def noise_level(levels: Levels) -> float | None:
    """The background noise level of a recording in dBFS; None without noise, or without a pause to measure it in.

    Noise is the quietest steady section of 0.4 s, if almost nothing is quieter. Soft speech is not mistaken for noise,
    because speech is not steady for that long.

    Args:
        levels: dBFS, [M].
    """
    smooth = _smoothed(levels, _SMOOTH)
    sounding = smooth[smooth > _NOTHING]
    if len(smooth) < _STEADY_BLOCKS:
        return None
    windows, even = _windows(smooth)
    steady = windows[even & (windows.min(axis=1) > _NOTHING)]
    if not len(steady):
        return None
    level = float(np.median(steady, axis=1).min())
    below, share = _BELOW
    return level if np.mean(sounding < level - below) <= share else None


def _windows(smooth: Levels) -> tuple[Levels, NDArray[np.bool_]]:
    """Every 0.4 s of smoothed levels, [M - 39, 40], and whether each is steady."""
    windows = np.lib.stride_tricks.sliding_window_view(smooth, _STEADY_BLOCKS)
    return windows, np.ptp(windows, axis=1) <= _STEADY_DECIBELS


def _steady(levels: Levels) -> NDArray[np.bool_]:
    """Whether each block [M] is in 0.4 s of steady sound."""
    steady = np.zeros(len(levels), bool)
    if len(levels) >= _STEADY_BLOCKS:
        for first in np.flatnonzero(_windows(_smoothed(levels, _SMOOTH))[1]):
            steady[first : first + _STEADY_BLOCKS] = True
    return steady


def shorten_pauses(
    audio: Waveform, sampling_rate: int, spans: Sequence[tuple[int, int]], longest: float, shortened: float
) -> tuple[Waveform, list[tuple[int, int]]]:
    """Shorten long pauses between sections of sound.

    Args:
        audio: [N].
        sampling_rate: Hz.
        spans: the sections, as `DetectedSpeech.spans`.
        longest: seconds; longer pauses are shortened.
        shortened: the new length of these pauses in seconds, half from each end.

    Returns:
        The waveform, and the sections in it.
    """
    half, pieces, start, moved = round(shortened / 2 * sampling_rate), list[Waveform](), 0, list(spans[:1])
    for (_, end), (first, last) in pairwise(spans):
        if first - end > longest * sampling_rate:
            pieces.append(audio[start : end + half])
            start = first - half
        earlier = start - sum(map(len, pieces))
        moved.append((first - earlier, last - earlier))
    return _joined([*pieces, audio[start:]], round(_FADE_SECONDS * sampling_rate)), moved


def _joined(pieces: Sequence[Waveform], fade: int) -> Waveform:
    """Concatenate pieces, each with a fade-out before and a fade-in after a joint."""
    joined = np.concatenate(pieces)
    rising = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
    for joint in np.cumsum([len(piece) for piece in pieces])[:-1]:
        joined[joint - fade : joint] *= 1 - rising
        joined[joint : joint + fade] *= rising
    return joined


def _levels(audio: Waveform, sampling_rate: int) -> Levels:
    """The level of each block in dBFS, [M], after a high-pass filter."""
    step = max(1, round(_BLOCK_SECONDS * sampling_rate))
    if not len(audio):
        return np.zeros(0)
    padded = np.pad(high_pass(audio, sampling_rate, _BASS), (0, -len(audio) % step))
    power = (padded.reshape(-1, step) ** 2).mean(axis=1)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))


def _smoothed(levels: Levels, blocks: int) -> Levels:
    """The moving average of the levels over `blocks`, in dB, [M - blocks + 1]; unchanged if there are fewer levels."""
    if len(levels) < blocks:
        return levels
    return np.asarray(10 * np.log10(np.convolve(10 ** (levels / 10), np.full(blocks, 1 / blocks), "valid")))


def _sections(loud: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The start and end blocks of each section of sound that is not a click."""
    indices = np.flatnonzero(loud)
    if not len(indices):
        return []
    cuts = np.flatnonzero(np.diff(indices) > _GAP_BLOCKS) + 1
    found = [group for group in np.split(indices, cuts) if len(group) >= _SHORTEST_BLOCKS]
    return [(int(group[0]), int(group[-1]) + 1) for group in found]


__all__ = ["SILENT", "DetectedSpeech", "detect_speech", "noise_level", "pauses", "shorten_pauses"]
