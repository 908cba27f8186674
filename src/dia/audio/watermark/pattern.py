"""The pattern of a watermark: which bands are louder when. Known to embedding and detection; independent of samples.

Time is divided into chips of two slots, and the range of speech into bands. A chip of a band is +1, louder in its
first slot and softer in its second, or -1, the opposite:

    band 2   + -   - +   + -
    band 1   - +   - +   - +
    band 0   + -   + -   - +      -> time: three chips, six slots

The signs repeat after `CHIPS` chips. Half of them are fixed by a key, and are what detection looks for. The others are
also multiplied by the coded bits of a payload.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dia.audio.watermark.payload import CODED_BITS, Payload, encoded

SLOT_MS = 32  # long against the echoes of codecs and of time stretching, short against syllables
CHIPS = 40  # 2.56 s, so that a cut of 3 s holds all of them
LOWEST, HIGHEST, BANDS = 500.0, 6500.0, 48  # Hz; survives a rate of 16 kHz and the filters of mp3 encoders
KEY = b"dia-tts watermark 1"
"""The default key. It is public: everyone can find these watermarks, and imitate them."""

_FIXED = -1


@dataclass(frozen=True, eq=False)
class Pattern:
    """The signs of a key.

    Attributes:
        signs: ±1 [CHIPS, BANDS].
        bit: the number of the coded bit that multiplies each sign [CHIPS, BANDS]; -1 for fixed signs.
    """

    signs: NDArray[np.float64]
    bit: NDArray[np.int64]

    @property
    def fixed(self) -> NDArray[np.float64]:
        """1 where a sign is fixed and 0 elsewhere [CHIPS, BANDS]."""
        return (self.bit == _FIXED).astype(np.float64)

    def with_payload(self, payload: Payload) -> NDArray[np.float64]:
        """The signs of a watermark with a payload [CHIPS, BANDS]."""
        return self.signs * np.append(encoded(payload.bits()), 1.0)[self.bit]


@lru_cache(maxsize=8)
def pattern_of(key: bytes = KEY) -> Pattern:
    """The pattern of a key."""
    words = np.frombuffer(hashlib.shake_256(key).digest(CHIPS * BANDS * 4), "<u4").astype(np.int64)
    order = np.argsort(words >> 1, kind="stable")
    bit = np.full(CHIPS * BANDS, _FIXED)
    data = order[: len(order) // 2]
    bit[data] = np.arange(len(data)) % CODED_BITS
    signs = (1 - 2 * (words & 1)).astype(np.float64)
    return Pattern(signs.reshape(CHIPS, BANDS), bit.reshape(CHIPS, BANDS))


def band_edges() -> NDArray[np.float64]:
    """The edges of the bands in Hz [BANDS + 1]."""
    return np.linspace(LOWEST, HIGHEST, BANDS + 1)


__all__ = ["BANDS", "CHIPS", "HIGHEST", "KEY", "LOWEST", "SLOT_MS", "Pattern", "band_edges", "pattern_of"]
