"""Choose the channels of a recording to mix: those with speech, unless they cancel each other out.

Shapes: N samples, C channels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dia.audio.dsp.noise import detect_speech
from dia.audio.waveform import CHANNELS

_BASS = {6: 3, 8: 3}  # index of the low-frequency effects channel in 5.1 and 7.1 surround sound
_SOFTER = 20.0  # dB; a channel this far below the loudest contains only echo of the others
_LOSS = 0.7  # of the level that uncorrelated channels would have when mixed; below it, they cancel


def as_channels(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Convert samples [N], [N, C] or [C, N] to [N, C].

    Raises:
        ValueError: the array is empty or has another shape.
    """
    if array.size == 0:
        raise ValueError(f"{name} is empty; pass a recording with samples.")
    if array.ndim == 1:
        return array[:, None]
    if array.ndim != 2 or min(array.shape) > CHANNELS:
        raise ValueError(f"{name} has shape {array.shape}; expected [samples] or up to {CHANNELS} channels.")
    return array if array.shape[0] > array.shape[1] else array.T


def channels_to_mix(channels: NDArray[np.floating[Any]], sampling_rate: int) -> tuple[list[int], bool]:
    """The indices of the channels to average, and whether the others are excluded because they cancel.

    Args:
        channels: [N, C], without DC offset or rumble.
        sampling_rate: Hz.
    """
    bass = _BASS.get(channels.shape[1])
    voices = [index for index in range(channels.shape[1]) if index != bass]
    found = {index: detect_speech(channels[:, index].astype(np.float32), sampling_rate) for index in voices}
    spoken = [index for index in voices if found[index].spans] or voices
    loudest = max(spoken, key=lambda index: found[index].speech)
    kept = [index for index in spoken if found[index].speech >= found[loudest].speech - _SOFTER]
    power = (channels[:, kept].astype(np.float64) ** 2).mean(axis=0)
    mixed = np.sqrt((channels[:, kept].mean(axis=1) ** 2).mean())
    uncorrelated = np.sqrt(power.sum()) / len(kept)
    return ([loudest], True) if mixed < _LOSS * uncorrelated else (kept, False)


__all__ = ["as_channels", "channels_to_mix"]
