"""Something like a voice without anybody's: harmonics that rise and fall, in syllables, over a little noise."""

from collections.abc import Generator

import numpy as np

RATE = 16_000


def streamed(samples: np.ndarray, size: int, closed: list[str]) -> Generator[np.ndarray, None, None]:
    """Samples in chunks of `size`; adds to `closed` when it ends or is closed."""
    try:
        for start in range(0, len(samples), size):
            yield samples[start : start + size]
    finally:
        closed.append("closed")


def talking(seconds: float, hertz: float = 120.0, rate: int = RATE) -> np.ndarray:
    """float32 [N] at `rate`, of a peak near 0.5; the pitch wavers by a tenth around `hertz`."""
    times = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * hertz * (times - 0.1 * np.cos(2 * np.pi * 0.7 * times) / (2 * np.pi * 0.7))
    harmonics = sum(np.sin(number * phase + number) / number for number in range(1, 15))
    syllables = np.clip(0.2 + np.sin(2 * np.pi * 3 * times + 0.5), 0, 1)
    noise = np.random.default_rng(0).normal(size=len(times))
    return (0.2 * harmonics * syllables + 0.0005 * noise).astype(np.float32)
