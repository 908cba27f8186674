"""Put a watermark into speech, in chunks of any length.

Every 16 ms, the bands of a window of 32 ms are made louder or softer by `DEPTH` decibels, as the pattern says. The
change is a fixed part of the sound in the same band at the same time, which masks it, and silence remains silence.
"""

import math
from collections.abc import Generator
from contextlib import closing
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dia.audio.watermark.pattern import BANDS, CHIPS, KEY, SLOT_MS, band_edges, pattern_of
from dia.audio.watermark.payload import Payload
from dia.audio.waveform import Waveform, checked_rate, full_scale

DEPTH = 1.3  # dB
_STEP = 32  # samples; hops are multiples of it, so that their transforms are fast
_FRAMES = 256  # windows at once
_SMOOTH = np.array([0.25, 0.5, 0.25])  # over frequencies, so that gains have short impulse responses


class Watermarker:
    """Watermarks one clip. The result has the length of the clip and depends on its samples alone, not on the chunks.

    Args:
        sampling_rate: Hz.
        payload: what the watermark says.
        key: the secret of the pattern; the default one is public.
        channels: the number of channels, which are watermarked alike.

    Raises:
        ValueError: the rate is not valid.
    """

    def __init__(self, sampling_rate: int, payload: Payload, key: bytes = KEY, channels: int = 1) -> None:
        self._rate = checked_rate(sampling_rate, "sampling_rate")
        self._hop = _STEP * max(1, round(self._rate * SLOT_MS / 2000 / _STEP))
        window = np.sin(np.pi * (np.arange(2 * self._hop) + 0.5) / (2 * self._hop))  # its squares add up to 1
        window = window.astype(np.float32)
        gains = _gains(pattern_of(key).with_payload(payload), 2 * self._hop, self._rate)
        self._window, self._gains = (window, gains) if channels == 1 else (window[:, None], gains[:, :, None])
        self._empty = (self._hop,) if channels == 1 else (self._hop, channels)
        self._pending = np.zeros(self._empty, np.float32)  # samples from the start of the next window
        self._overlap = np.zeros(self._empty, np.float32)
        self._frame, self._skip = 0, self._hop  # the first window begins a hop before the clip

    def process(self, samples: Waveform) -> Waveform:
        """The watermarked samples that are complete after further samples [N] or [N, channels].

        These are all but the last 16 to 32 ms.
        """
        self._pending = np.concatenate([self._pending, samples], dtype=np.float32)
        hop, done = self._hop, list[Waveform]()
        count = len(self._pending) // hop - 1
        for first in range(0, count, _FRAMES):
            last = min(first + _FRAMES, count)
            done.append(self._next(self._pending[first * hop : (last + 1) * hop]))
        self._pending = self._pending[max(0, count) * hop :]
        made = np.concatenate(done) if done else self._pending[:0]
        skipped = min(self._skip, len(made))
        self._skip -= skipped
        return made[skipped:]

    def finish(self) -> Waveform:
        """The remaining samples."""
        left = len(self._pending) - (self._skip if self._frame == 0 else 0)
        rest = self.process(np.zeros((2 * self._hop, *self._empty[1:]), np.float32))
        return rest[: max(0, left)]

    def _next(self, samples: Waveform) -> Waveform:
        """The result for so many whole hops, except for the last. Each window is transformed by itself, so that chunks
        cannot change how it is rounded.
        """
        hops = samples.reshape(-1, *self._empty)
        frames = np.concatenate([hops[:-1], hops[1:]], axis=1)  # windows that overlap by half
        numbers = self._frame + np.arange(len(frames))
        self._frame += len(frames)
        sounding = frames.any(axis=tuple(range(1, frames.ndim)))
        slots = numbers[sounding] * self._hop * 1000 // (self._rate * SLOT_MS) % (2 * CHIPS)
        spectra = np.fft.rfft(self._window * frames[sounding], axis=1) * self._gains[slots]
        frames[sounding] = self._window * np.fft.irfft(spectra, axis=1)
        before = np.concatenate([self._overlap[None], frames[:-1, self._hop :]])
        self._overlap = frames[-1, self._hop :].copy()
        made: Waveform = (before + frames[:, : self._hop]).reshape(-1, *self._empty[1:])
        return made


def watermarked(samples: Waveform, sampling_rate: int, payload: Payload, key: bytes = KEY) -> Waveform:
    """A clip [N] or [N, channels] with a watermark, as float32. PCM is accepted, too.

    Raises:
        ValueError: the samples have another shape, or are not finite or far beyond ±1, or the rate is not valid.
    """
    clip = full_scale(np.asarray(samples), "samples")
    if clip.ndim not in (1, 2) or (clip.ndim == 2 and not clip.shape[1]):
        raise ValueError(f"samples has shape {list(clip.shape)}; expected [N] or [N, channels].")
    channels = 1 if clip.ndim == 1 else clip.shape[1]
    marker = Watermarker(sampling_rate, payload, key, channels)
    made = [marker.process(clip.reshape(len(clip)) if channels == 1 else clip), marker.finish()]
    return np.concatenate(made).reshape(clip.shape)


def watermarked_stream(
    chunks: Generator[Waveform, None, None], marker: Watermarker
) -> Generator[Waveform, None, None]:
    """The chunks of a clip with a watermark; chunks of the result are up to 32 ms behind those of the clip."""
    with closing(chunks):
        for chunk in chunks:
            if len(made := marker.process(chunk)):
                yield made
    if len(made := marker.finish()):
        yield made


def _gains(signs: NDArray[np.float64], window: int, rate: int) -> NDArray[np.float32]:
    """The gains of frequencies [2 CHIPS, window / 2 + 1] in each slot, for signs [CHIPS, BANDS]."""
    levels = signs.astype(np.float32) @ _levels_of_bands(window, rate)
    return np.exp(np.stack([levels, -levels], axis=1)).reshape(2 * CHIPS, -1)  # the second slot is the opposite


@lru_cache(maxsize=16)
def _levels_of_bands(window: int, rate: int) -> NDArray[np.float32]:
    """The logarithm of the gain of each frequency when a band is made louder [BANDS, window / 2 + 1]."""
    hertz = np.fft.rfftfreq(window, 1 / rate)
    band = np.searchsorted(band_edges(), hertz, side="right") - 1
    inside = np.pad(band == np.arange(BANDS)[:, None], ((0, 0), (1, 1)))
    smooth = sum(weight * inside[:, at : at + len(hertz)] for at, weight in enumerate(_SMOOTH))
    return np.asarray(math.log(10) / 20 * DEPTH * smooth, np.float32)


__all__ = ["DEPTH", "Watermarker", "watermarked", "watermarked_stream"]
