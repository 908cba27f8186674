"""Time stretching: change the tempo of audio without its pitch, by WSOLA. Independent of speech, codes and files.

Each block of the result is a cross-fade from the continuation of the previous block to the next piece of the input.
The exact position of that piece is searched for nearby, so that both are in phase and pitch periods stay intact:

    input    |---------|=previous=|~continuation~|--------|==next==|------     rate 2: every second piece is skipped
    result             |=previous=|~continuation~ → ==next==|

The available packages either do not stream and are unmaintained (audiotsm), need librosa or a compiler (PyTSMod,
python-stretch), or need an external program (pyrubberband). This file is shorter than an adapter for one of them.
"""

import math
from collections.abc import Generator
from contextlib import closing
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dia.audio.waveform import Waveform

SLOWEST, FASTEST = 0.5, 2.0

_BLOCK_SECONDS = 0.02
_SEARCH_SECONDS = 0.01  # in both directions, together more than the longest period of a voice
_OFFSET_PENALTY = 1e-3  # the correlation by which the furthest piece must exceed the nearest


class Tempo:
    """Stretches a waveform incrementally. The concatenated results of `push` and `close` equal those of `stretched`.

    The result lags behind the input by about 50 ms.

    Args:
        rate: the tempo relative to the input, 0.5 to 2.
        sampling_rate: Hz.

    Raises:
        ValueError: `rate` or `sampling_rate` is out of range.
    """

    def __init__(self, rate: float, sampling_rate: int) -> None:
        self._rate = _checked_rate(rate)
        if sampling_rate <= 0:
            raise ValueError(f"sampling_rate is {sampling_rate}; expected Hz above 0.")
        self._block = max(2, round(_BLOCK_SECONDS * sampling_rate))
        self._search = max(1, round(_SEARCH_SECONDS * sampling_rate))
        self._ahead = 2 * self._block + self._search
        self._fade = 0.5 - 0.5 * np.cos(np.pi * (np.arange(self._block) + 0.5) / self._block)
        self._input = np.zeros(0)  # from sample `_begin` on
        self._begin = self._continuation = 0
        self._received = self._blocks = 0

    def push(self, samples: ArrayLike) -> Waveform:
        """Add the next samples [N], and return the samples that are ready. Raises ValueError for any other shape."""
        new = _checked_samples(samples)
        self._received += len(new)
        if self._rate == 1.0:
            return new.astype(np.float32)
        self._input = np.concatenate([self._input, new])
        return self._stretch(self._received)

    def close(self) -> Waveform:
        """Return the remaining samples. The total is round(N / rate)."""
        missing = round(self._received / self._rate) - self._blocks * self._block
        if self._rate == 1.0 or missing <= 0:
            return np.zeros(0, np.float32)
        # Mirror the end so that the continuation has no jump.
        padding = self._ahead + math.ceil(self._block * self._rate) + self._block
        self._input = np.pad(self._input, (0, padding), mode="symmetric")
        return self._stretch(self._received + padding)[:missing]

    def _stretch(self, available: int) -> Waveform:
        """All further blocks for which `available` samples suffice."""
        blocks = []
        while (due := round(self._blocks * self._block * self._rate)) + self._ahead <= available:
            blocks.append(self._next_block(due))
        self._drop_input(due)
        return np.concatenate([*blocks, np.zeros(0)]).astype(np.float32)

    def _next_block(self, due: int) -> NDArray[np.float64]:
        continuation = self._piece(self._continuation, self._block)
        found = self._best_match(continuation, due) if self._blocks else due
        self._continuation = found + self._block
        self._blocks += 1
        return continuation + self._fade * (self._piece(found, self._block) - continuation)

    def _best_match(self, wanted: NDArray[np.float64], due: int) -> int:
        """The position near `due` at which the input is most similar to `wanted`, by normalized correlation."""
        first = max(0, due - self._search)
        around = self._piece(first, due + self._search - first + len(wanted))
        energies = np.cumsum(np.append(0.0, around**2))
        norms = np.sqrt(np.maximum(energies[len(wanted) :] - energies[: -len(wanted)], 1e-9))
        similarity = np.correlate(around, wanted, "valid") / (norms * math.sqrt(max(float(wanted @ wanted), 1e-9)))
        # The 0.1 makes the penalty asymmetric, so that rounding does not decide between equally distant positions.
        offset = (first + np.arange(len(similarity)) - due) / self._search
        return first + int(np.argmax(similarity - _OFFSET_PENALTY * np.abs(offset + 0.1)))

    def _piece(self, start: int, length: int) -> NDArray[np.float64]:
        return self._input[start - self._begin : start - self._begin + length]

    def _drop_input(self, due: int) -> None:
        """Drop the input that is no longer needed. The last part is kept for mirroring at the end."""
        needed = min(self._continuation, due - self._search, self._received - 3 * self._ahead)
        if needed > self._begin:
            self._input, self._begin = self._input[needed - self._begin :], needed


def stretched(waveform: ArrayLike, rate: float, sampling_rate: int) -> Waveform:
    """Change the tempo of a waveform at the same pitch.

    Args:
        waveform: [N], float.
        rate: the tempo relative to the input, 0.5 to 2; 1 returns the samples unchanged.
        sampling_rate: Hz.

    Returns:
        float32 [round(N / rate)].

    Raises:
        ValueError: `rate` or `sampling_rate` is out of range, or the waveform is not [N].
    """
    tempo = Tempo(rate, sampling_rate)
    return np.concatenate([tempo.push(waveform), tempo.close()])


def stretched_stream(
    stream: Generator[Waveform, None, object], rate: float, sampling_rate: int
) -> Generator[Waveform, None, None]:
    """A stream at `rate` times its speed. Closing it closes the source.

    Raises:
        ValueError: the rate is out of range.
    """
    tempo = Tempo(rate, sampling_rate)
    with closing(stream):
        for samples in stream:
            if len(paced := tempo.push(samples)):
                yield paced
    if len(rest := tempo.close()):
        yield rest


def _checked_rate(rate: float) -> float:
    if isinstance(rate, bool) or not isinstance(rate, Real) or not SLOWEST <= rate <= FASTEST:
        raise ValueError(f"rate is {rate!r}; use a number from {SLOWEST:g} to {FASTEST:g}.")
    return float(rate)


def _checked_samples(samples: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(samples, np.float64)
    if array.ndim != 1:
        raise ValueError(f"the waveform has shape {array.shape}; expected [samples], mono.")
    return array


__all__ = ["FASTEST", "SLOWEST", "Tempo", "stretched", "stretched_stream"]
