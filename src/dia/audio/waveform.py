"""The array type of audio inside the package."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Waveform: TypeAlias = npt.NDArray[np.float32]
"""Samples with ±1 full scale: [N], or [N, channels] if a function says so."""

__all__ = ["Waveform"]
