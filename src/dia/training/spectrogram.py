"""Spectrograms in decibels, and their plots."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WINDOW_SECONDS = 0.032
FLOOR_DECIBELS = -80.0


def spectrogram(waveform: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Decibels relative to the maximum, [frequencies, frames], from Hann windows of 32 ms that overlap by 3/4."""
    size = max(16, round(WINDOW_SECONDS * rate))
    padded = np.pad(waveform.astype(np.float32), size // 2 + size % 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[:: size // 4]
    power = np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)).T ** 2
    decibels = 10 * np.log10(np.maximum(power, 1e-12) / max(float(power.max(initial=0.0)), 1e-12))
    return np.maximum(decibels, FLOOR_DECIBELS).astype(np.float32)


def draw_spectrogram(waveform: NDArray[np.float32], rate: int, path: Path) -> bool:
    """Plot `waveform` [N] at `rate` Hz to a PNG file; without matplotlib, print a line and return False."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no spectrograms, because matplotlib is not installed. Run: pip install matplotlib")
        return False
    figure = Figure(figsize=(6.0, 2.4), dpi=80, layout="constrained")
    axes = figure.subplots()
    extent = (0.0, len(waveform) / rate, 0.0, rate / 2000)
    axes.imshow(spectrogram(waveform, rate), origin="lower", aspect="auto", extent=extent, cmap="magma")
    axes.set_xlabel("seconds")
    axes.set_ylabel("kHz")
    figure.savefig(path, format="png")
    return True
