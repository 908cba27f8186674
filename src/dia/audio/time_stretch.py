"""Tempo without pitch: speech made faster or slower by joining pieces of itself where they look alike (WSOLA).

Knows waveforms and rates. Knows nothing of speech, of codes or of files.

A block of the result is cross-faded from how the sound just made would go on, to the piece of the input that is due;
which piece exactly is searched for nearby, so that the two are in phase and the pitch periods stay whole:

    input    |----due-2----|=due-1=|~~goes on~~|--------|==due==|------     rate 2: every second piece is left out
    result                 |=due-1=|~~goes on~~ → ==due==|

Written here because what there is does not stream and is no longer kept (audiotsm), pulls in librosa or a compiler's
work (PyTSMod, python-stretch) or needs a program beside Python (pyrubberband); it takes fewer lines than an adapter.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dia.audio.waveform import Waveform

SLOWEST, FASTEST = 0.5, 2.0

_BLOCK_SECONDS = 0.02
_SEARCH_SECONDS = 0.01  # to both sides: together more than the longest period of a voice
_STRAYING = 1e-3  # what the furthest piece has to be better by than the one that is due


class Tempo:
    """A waveform changed while it comes; all that `push` and `close` return, joined, is what `stretched` makes of it.

    About 50 ms are held back until more has come.

    Args:
        rate: how many times as fast, 0.5 to 2.
        sampling_rate: Hz.

    Raises:
        ValueError: one of them is out of range.
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
        self._begin = self._goes_on = 0
        self._taken = self._blocks = 0

    def push(self, samples: ArrayLike) -> Waveform:
        """Take the next samples [N]; returns what is certain now. Raises ValueError for any other shape."""
        new = _checked_samples(samples)
        self._taken += len(new)
        if self._rate == 1.0:
            return new.astype(np.float32)
        self._input = np.concatenate([self._input, new])
        return self._made(self._taken)

    def close(self) -> Waveform:
        """The rest; in all there are round(N / rate) samples."""
        missing = round(self._taken / self._rate) - self._blocks * self._block
        if self._rate == 1.0 or missing <= 0:
            return np.zeros(0, np.float32)
        # Mirrored, the end goes on without a jump.
        room = self._ahead + math.ceil(self._block * self._rate) + self._block
        self._input = np.pad(self._input, (0, room), mode="symmetric")
        return self._made(self._taken + room)[:missing]

    def _made(self, available: int) -> Waveform:
        """All blocks that `available` samples are enough for."""
        made = []
        while (due := round(self._blocks * self._block * self._rate)) + self._ahead <= available:
            made.append(self._next_block(due))
        self._forget(due)
        return np.concatenate([*made, np.zeros(0)]).astype(np.float32)

    def _next_block(self, due: int) -> NDArray[np.float64]:
        going_on = self._piece(self._goes_on, self._block)
        found = self._most_alike(going_on, due) if self._blocks else due
        self._goes_on = found + self._block
        self._blocks += 1
        return going_on + self._fade * (self._piece(found, self._block) - going_on)

    def _most_alike(self, wanted: NDArray[np.float64], due: int) -> int:
        """Where near `due` the input goes on most like `wanted`, by normalised correlation."""
        first = max(0, due - self._search)
        around = self._piece(first, due + self._search - first + len(wanted))
        energies = np.cumsum(np.append(0.0, around**2))
        norms = np.sqrt(np.maximum(energies[len(wanted) :] - energies[: -len(wanted)], 1e-9))
        likeness = np.correlate(around, wanted, "valid") / (norms * math.sqrt(max(float(wanted @ wanted), 1e-9)))
        # A slope, not a ridge: of places that are equally alike and equally far, rounding must not choose.
        strayed = (first + np.arange(len(likeness)) - due) / self._search
        return first + int(np.argmax(likeness - _STRAYING * np.abs(strayed + 0.1)))

    def _piece(self, start: int, length: int) -> NDArray[np.float64]:
        return self._input[start - self._begin : start - self._begin + length]

    def _forget(self, due: int) -> None:
        """Drop the input that is no longer needed; mirroring at the end needs the last of it."""
        needed = min(self._goes_on, due - self._search, self._taken - 3 * self._ahead)
        if needed > self._begin:
            self._input, self._begin = self._input[needed - self._begin :], needed


def stretched(waveform: ArrayLike, rate: float, sampling_rate: int) -> Waveform:
    """Make a waveform faster or slower at the same pitch.

    Args:
        waveform: [N], float.
        rate: how many times as fast, 0.5 to 2; 1 gives the samples back as they are.
        sampling_rate: Hz.

    Returns:
        float32 [round(N / rate)].

    Raises:
        ValueError: `rate` or `sampling_rate` is out of range, or the waveform is not [N].
    """
    tempo = Tempo(rate, sampling_rate)
    return np.concatenate([tempo.push(waveform), tempo.close()])


def _checked_rate(rate: float) -> float:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not SLOWEST <= rate <= FASTEST:
        raise ValueError(f"rate is {rate!r}; speech can be made {SLOWEST:g} to {FASTEST:g} times as fast.")
    return float(rate)


def _checked_samples(samples: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(samples, np.float64)
    if array.ndim != 1:
        raise ValueError(f"the waveform has shape {array.shape}; expected [samples], mono.")
    return array


__all__ = ["FASTEST", "SLOWEST", "Tempo", "stretched"]
