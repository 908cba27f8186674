"""The sounds between words, made by arithmetic: laughs, a beep, claps, a whistle, a sigh.

Knows waveforms only. Knows nothing of texts, of the teacher or of codes.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

Wave = NDArray[np.float64]
Generator = np.random.Generator


def laughs(rng: Generator, pitch: float, rate: int) -> Wave:
    """Four to six breathy "ha", each shorter, lower and softer than the one before."""
    parts = []
    for index in range(int(rng.integers(4, 7))):
        length = int(rate * rng.uniform(0.10, 0.13))
        fall = 1.5 * 0.93**index * np.linspace(1.08, 0.92, length)
        voice = _voiced(pitch * fall * rng.uniform(0.97, 1.03), rate)
        vowel = _formant(voice, 750, rate) + 0.6 * _formant(voice, 1200, rate) + 0.15 * _formant(voice, 2600, rate)
        breath = _band(rng.standard_normal(length), 900, 4000, rate) * 0.15
        parts.append((vowel / np.abs(vowel).max() + breath) * _hump(length, 0.25) * 0.85**index)
        parts.append(np.zeros(int(rate * rng.uniform(0.05, 0.08))))
    return np.concatenate(parts)


def beep(rng: Generator, pitch: float, rate: int) -> Wave:
    """A steady tone of 1 kHz."""
    length = int(rate * rng.uniform(0.35, 0.5))
    return np.sin(2 * np.pi * 1000 * np.arange(length) / rate) * _edges(length, rate)


def claps(rng: Generator, pitch: float, rate: int) -> Wave:
    """Three to five bursts of noise that die away at once."""
    parts = []
    for _ in range(int(rng.integers(3, 6))):
        length = int(rate * rng.uniform(0.16, 0.22))
        decay = np.exp(-np.arange(length) / (rate * rng.uniform(0.012, 0.02)))
        parts.append(_band(rng.standard_normal(length), 700, 3500, rate) * decay * rng.uniform(0.8, 1.0))
    return np.concatenate(parts)


def whistles(rng: Generator, pitch: float, rate: int) -> Wave:
    """A pure tone that rises, then falls, between 1.3 and 2.6 kHz."""
    length = int(rate * rng.uniform(0.6, 0.8))
    low, high = rng.uniform(1300, 1500), rng.uniform(2300, 2600)
    glide = low + (high - low) * np.sin(np.pi * np.linspace(0, 1, length))
    tone = np.sin(2 * np.pi * np.cumsum(glide) / rate)
    return (tone + 0.02 * _band(rng.standard_normal(length), 1000, 4000, rate)) * _edges(length, rate)


def sighs(rng: Generator, pitch: float, rate: int) -> Wave:
    """Breath through an open mouth: noise that swells quickly, sinks slowly and darkens."""
    length = int(rate * rng.uniform(0.7, 0.95))
    noise = rng.standard_normal(length)
    bright, dark = _band(noise, 800, 3200, rate), _band(noise, 300, 1200, rate)
    fade = np.linspace(1, 0, length)
    return (fade * bright + (1 - fade) * dark) * np.sin(np.pi * np.linspace(0, 1, length) ** 0.5) ** 2


SOUNDS: dict[str, Callable[[Generator, float, int], Wave]] = {
    "(laughs)": laughs,
    "(beep)": beep,
    "(claps)": claps,
    "(whistles)": whistles,
    "(sighs)": sighs,
}


def sound(tag: str, rng: Generator, pitch: float, rate: int, peak: float = 0.35) -> NDArray[np.int16]:
    """The sound of a tag as int16 at `rate` Hz, a little different every time.

    Args:
        tag: one of `SOUNDS`.
        rng: of all that varies.
        pitch: fundamental frequency of who laughs, in Hz.
        rate: sampling rate in Hz, 8000 or more.
        peak: the loudest sample, of full scale.
    """
    wave = SOUNDS[tag](rng, pitch, rate)
    wave = wave / np.abs(wave).max() * peak * rng.uniform(0.85, 1.1)
    return (wave * 32767).astype(np.int16)


def _voiced(pitch: Wave, rate: int) -> Wave:
    """Pulses of a voice whose pitch in Hz is given for every sample, with a slope of 12 dB an octave."""
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    harmonics = range(1, int(0.4 * rate / pitch.max()))
    return np.sum([np.cos(number * phase) / number**1.5 for number in harmonics], axis=0)


def _formant(wave: Wave, centre: float, rate: int) -> Wave:
    return _band(wave, centre / 1.2, centre * 1.2, rate, order=1)


def _band(wave: Wave, low: float, high: float, rate: int, order: int = 2) -> Wave:
    return np.asarray(sosfilt(butter(order, [low, min(high, 0.45 * rate)], "bandpass", fs=rate, output="sos"), wave))


def _hump(length: int, rise: float) -> Wave:
    """From 0 up to 1 within the first `rise` of the length, and down to 0."""
    ramp = np.linspace(0, 1, length)
    up, down = np.minimum(ramp / rise, 1), np.maximum(ramp - rise, 0) / (1 - rise)
    return np.minimum(np.sin(np.pi / 2 * up), np.cos(np.pi / 2 * down))


def _edges(length: int, rate: int, seconds: float = 0.015) -> Wave:
    ramp = np.arange(length) / (rate * seconds)
    return np.minimum(1, np.minimum(ramp, ramp[::-1]))
