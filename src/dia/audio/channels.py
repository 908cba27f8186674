"""The channels of a recording as one: those that have sound are averaged, unless they cancel each other out.

Shapes: N samples, C channels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dia.audio.noise import heard

MOST = 8  # channels of a recording; 7.1 sound has as many

_BASS = {6: 3, 8: 3}  # the channel for deep effects, of 5.1 and 7.1 sound
_SOFTER = 20.0  # dB below the loudest a channel holds no more than the echo of the others
_LOSS = 0.7  # of what the channels would be together if they were of unlike sound; below they cancel


def as_channels(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Samples [N], [N, C] or [C, N] as [N, C].

    Raises:
        ValueError: it is empty, or has another shape.
    """
    if array.size == 0:
        raise ValueError(f"{name} is empty; give a recording with samples.")
    if array.ndim == 1:
        return array[:, None]
    if array.ndim != 2 or min(array.shape) > MOST:
        raise ValueError(f"{name} has shape {array.shape}; a recording is [samples] or up to {MOST} channels.")
    return array if array.shape[0] > array.shape[1] else array.T


def sounding(channels: NDArray[np.floating[Any]], sampling_rate: int) -> tuple[list[int], bool]:
    """Which channels are to be averaged, and whether the others are left out because they cancel.

    Args:
        channels: [N, C], without constant offset or rumble.
        sampling_rate: Hz.
    """
    bass = _BASS.get(channels.shape[1])
    voices = [index for index in range(channels.shape[1]) if index != bass]
    found = {index: heard(channels[:, index].astype(np.float32), sampling_rate) for index in voices}
    spoken = [index for index in voices if found[index].spans] or voices
    loudest = max(spoken, key=lambda index: found[index].speech)
    kept = [index for index in spoken if found[index].speech >= found[loudest].speech - _SOFTER]
    power = (channels[:, kept].astype(np.float64) ** 2).mean(axis=0)
    together = np.sqrt((channels[:, kept].mean(axis=1) ** 2).mean())
    unlike = np.sqrt(power.sum()) / len(kept)
    return ([loudest], True) if together < _LOSS * unlike else (kept, False)


__all__ = ["MOST", "as_channels", "sounding"]
