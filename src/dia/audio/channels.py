"""The channels of a recording as one: those that have sound are averaged, unless they cancel each other out.

Shapes: N samples, C channels.
"""

import numpy as np
from numpy.typing import NDArray

from dia.audio.silence import Audio

MOST = 8  # channels of a recording; 7.1 sound has as many

_BASS = {6: 3, 8: 3}  # the channel for deep effects, of 5.1 and 7.1 sound
_SOFTER = 0.1  # of the loudest: a channel 20 dB below it holds the echo of the others, or the noise of its cable
_LOSS = 0.7  # of what the channels would be together if they were of unlike sound; below they cancel


def as_channels(array: NDArray[np.float32], name: str) -> Audio:
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


def sounding(channels: NDArray[np.floating]) -> tuple[list[int], bool]:
    """Which channels are to be averaged, and whether the others were left out because they cancel.

    Args:
        channels: [N, C], without constant offset or rumble, which say nothing of how loud speech is.
    """
    levels = np.sqrt((channels.astype(np.float64) ** 2).mean(axis=0))
    bass = _BASS.get(channels.shape[1])
    loudest = max((index for index in range(len(levels)) if index != bass), key=lambda index: levels[index])
    kept = [index for index in range(len(levels)) if index != bass and levels[index] >= _SOFTER * levels[loudest]]
    together = np.sqrt((channels[:, kept].mean(axis=1, dtype=np.float64) ** 2).mean())
    unlike = np.sqrt((levels[kept] ** 2).sum()) / len(kept)
    return ([loudest], True) if together < _LOSS * unlike else (kept, False)


__all__ = ["MOST", "as_channels", "sounding"]
