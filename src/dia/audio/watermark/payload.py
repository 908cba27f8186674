"""What a watermark says: a model and a seed in 64 bits, protected by a checksum and a convolutional code.

Independent of sound.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MODEL_BITS, _SEED_BITS, _CHECK_BITS = 15, 32, 16
_MEMORY = 6  # bits of the shift register
_POLYNOMIALS = 0o133, 0o171, 0o165  # of rate 1/3 and constraint length 7, the best by free distance (15)
_TAPS = [[polynomial >> at & 1 for at in reversed(range(_MEMORY + 1))] for polynomial in _POLYNOMIALS]
_STATES = 1 << _MEMORY

PAYLOAD_BITS = 1 + _SEED_BITS + _MODEL_BITS + _CHECK_BITS
CODED_BITS = (PAYLOAD_BITS + _MEMORY) * len(_POLYNOMIALS)


@dataclass(frozen=True)
class Payload:
    """The content of a watermark.

    Attributes:
        model: the fingerprint of the model's name, see `model_fingerprint`.
        seed: the seed; None if it is not known, or needs more than 32 bits.
    """

    model: int
    seed: int | None = None

    @classmethod
    def of(cls, model: str, seed: int | None) -> "Payload":
        """The payload for the name of a model and a seed."""
        return cls(model_fingerprint(model), seed if seed is not None and 0 <= seed < 1 << _SEED_BITS else None)

    def bits(self) -> NDArray[np.int64]:
        """The payload as bits [64], with its checksum."""
        known = self.seed is not None
        number = (int(known) << _SEED_BITS | (self.seed or 0)) << _MODEL_BITS | self.model
        size = PAYLOAD_BITS - _CHECK_BITS
        number = number << _CHECK_BITS | _checksum(number, size)
        return np.array([number >> shift & 1 for shift in reversed(range(PAYLOAD_BITS))], np.int64)

    @classmethod
    def from_bits(cls, bits: NDArray[np.int64]) -> "Payload | None":
        """The payload of bits [64]; None if the checksum is wrong. One in 65 536 random payloads passes."""
        number = int("".join(map(str, bits.tolist())), 2)
        number, check = number >> _CHECK_BITS, number & ((1 << _CHECK_BITS) - 1)
        if check != _checksum(number, PAYLOAD_BITS - _CHECK_BITS):
            return None
        seed = number >> _MODEL_BITS & ((1 << _SEED_BITS) - 1)
        return cls(number & ((1 << _MODEL_BITS) - 1), seed if number >> (_MODEL_BITS + _SEED_BITS) else None)


def model_fingerprint(model: str) -> int:
    """15 bits of a hash of a model's name. Different names have different fingerprints, but for one in 32 768."""
    digest = hashlib.sha256(" ".join(model.split()).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") >> (32 - _MODEL_BITS)


def encoded(bits: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bits [N] as coded signs ±1 [3 (N + 6)]; +1 is a 0."""
    coded = np.stack([np.convolve(bits, taps) & 1 for taps in _TAPS], axis=1)
    return 1.0 - 2.0 * coded.reshape(-1)


def decoded(soft: NDArray[np.float64]) -> NDArray[np.int64]:
    """The most likely bits [N] for soft signs [3 (N + 6)], by the Viterbi algorithm."""
    steps = soft.reshape(-1, len(_POLYNOMIALS))
    score = np.full(_STATES, -np.inf)
    score[0] = 0.0
    choices = []
    for step in steps:
        options = score[_BEFORE] + _SIGNS @ step  # [states, 2]
        choice = options.argmax(axis=1)
        score = options[_EACH, choice]
        choices.append(choice)
    state, bits = 0, list[int]()
    for choice in reversed(choices):
        bits.append(state >> (_MEMORY - 1))
        state = int(_BEFORE[state, choice[state]])
    return np.array(bits[::-1][:-_MEMORY], np.int64)


def _checksum(number: int, size: int) -> int:
    """CRC-16/CCITT of a number of `size` bits."""
    register = 0xFFFF
    for shift in reversed(range(size)):
        carry = (register >> 15 ^ number >> shift) & 1
        register = (register << 1 & 0xFFFF) ^ (0x1021 if carry else 0)
    return register


def _trellis() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The two states before each state [states, 2], and the signs of the steps from them [states, 2, 3]."""
    before, signs = np.zeros((_STATES, 2), np.int64), np.zeros((_STATES, 2, len(_POLYNOMIALS)))
    for state in range(_STATES):
        for last in (0, 1):  # the oldest bit of the register, which the step drops
            register = state << 1 | last
            before[state, last] = register & (_STATES - 1)
            signs[state, last] = [1.0 - 2.0 * ((register & poly).bit_count() & 1) for poly in _POLYNOMIALS]
    return before, signs


_BEFORE, _SIGNS = _trellis()
_EACH = np.arange(_STATES)

__all__ = ["CODED_BITS", "PAYLOAD_BITS", "Payload", "decoded", "encoded", "model_fingerprint"]
