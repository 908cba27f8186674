"""Seeds: the numbers that torch's generators take, and those that follow from one. Imports no torch."""

_UNSIGNED = 2**64
SEEDS = range(-(2**63), _UNSIGNED)  # to a generator a negative one is the same as itself and 2**64


def check_seed(seed: int | None) -> None:
    """Refuse what no generator takes; None is fine.

    Raises:
        TypeError: it is no whole number.
        ValueError: it does not fit into 64 bits.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | None):
        raise TypeError(f"seed is {seed!r}; expected a whole number.")
    if seed is not None and seed not in SEEDS:
        raise ValueError(f"seed={seed} must fit into 64 bits: -(2**63) to 2**64 - 1.")


def later_seed(seed: int, steps: int) -> int:
    """The seed `steps` after another one; after the last, 2**64 - 1, comes 0.

    >>> later_seed(7, 2), later_seed(2**64 - 1, 2), later_seed(-1, 1)
    (9, 1, 0)
    """
    later = seed + steps
    return later if later < _UNSIGNED else later % _UNSIGNED


__all__ = ["SEEDS", "check_seed", "later_seed"]
