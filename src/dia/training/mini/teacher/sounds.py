"""Synthetic non-verbal sounds: laughs, a beep, claps, a whistle, a sigh."""

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
    """Three to five bursts of noise that decay quickly."""
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
    """Breath through an open mouth: noise with a quick rise, a slow fall and a falling center frequency."""
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
    """The sound of a tag as int16 [N] at `rate` Hz, with random variation.

    Args:
        tag: one of `SOUNDS`.
        rng: source of the variation.
        pitch: fundamental frequency of the laughing voice in Hz.
        rate: sampling rate in Hz, 8000 or more.
        peak: the largest sample, as a share of full scale.
    """
    wave = SOUNDS[tag](rng, pitch, rate)
    wave = wave / np.abs(wave).max() * peak * rng.uniform(0.85, 1.1)
    return (wave * 32767).astype(np.int16)


def _voiced(pitch: Wave, rate: int) -> Wave:
    """Glottal pulses with the pitch in Hz of each sample, and a slope of 12 dB per octave."""
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    harmonics = range(1, int(0.4 * rate / pitch.max()))
    return np.sum([np.cos(number * phase) / number**1.5 for number in harmonics], axis=0)


def _formant(wave: Wave, center: float, rate: int) -> Wave:
    return _band(wave, center / 1.2, center * 1.2, rate, order=1)


def _band(wave: Wave, low: float, high: float, rate: int, order: int = 2) -> Wave:
    return np.asarray(sosfilt(butter(order, [low, min(high, 0.45 * rate)], "bandpass", fs=rate, output="sos"), wave))


def _hump(length: int, rise: float) -> Wave:
    """An envelope from 0 up to 1 within the share `rise` of the length, then down to 0."""
    ramp = np.linspace(0, 1, length)
    up, down = np.minimum(ramp / rise, 1), np.maximum(ramp - rise, 0) / (1 - rise)
    return np.minimum(np.sin(np.pi / 2 * up), np.cos(np.pi / 2 * down))


def _edges(length: int, rate: int, seconds: float = 0.015) -> Wave:
    ramp = np.arange(length) / (rate * seconds)
    return np.minimum(1, np.minimum(ramp, ramp[::-1]))
