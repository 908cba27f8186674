"""Tones to stand for recordings."""

import numpy as np
from tiny_codec import RATE


def tone(seconds=1.0, level=0.5, rate=RATE, pitch=200.0):
    return (level * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)).astype(np.float32)
