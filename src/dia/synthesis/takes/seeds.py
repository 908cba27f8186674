"""Seeds for torch generators, and the seeds derived from them. Does not import torch."""

from dia.runtime.limits import SEED

_UNSIGNED = 2**64


def checked_seed(seed: int | None) -> int | None:
    """A seed as a plain int; an error if torch generators do not accept it. None is allowed.

    Raises:
        TypeError: the seed is not an integer.
        ValueError: the seed does not fit in 64 bits.
    """
    return None if seed is None else SEED.check("seed", seed)


def later_seed(seed: int, steps: int) -> int:
    """The seed `steps` after another one; it wraps around from 2**64 - 1 to 0.

    >>> later_seed(7, 2), later_seed(2**64 - 1, 2), later_seed(-1, 1)
    (9, 1, 0)
    """
    later = seed + steps
    return later if later < _UNSIGNED else later % _UNSIGNED


__all__ = ["checked_seed", "later_seed"]
