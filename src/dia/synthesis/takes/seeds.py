"""Seeds: the numbers that torch's generators take, and those that follow from one. Imports no torch."""

from dia.runtime.limits import SEED

_UNSIGNED = 2**64


def check_seed(seed: int | None) -> None:
    """Refuse what no generator takes; None is fine.

    Raises:
        TypeError: it is no whole number.
        ValueError: it does not fit into 64 bits.
    """
    if seed is not None:
        SEED.check("seed", seed)


def later_seed(seed: int, steps: int) -> int:
    """The seed `steps` after another one; after the last, 2**64 - 1, comes 0.

    >>> later_seed(7, 2), later_seed(2**64 - 1, 2), later_seed(-1, 1)
    (9, 1, 0)
    """
    later = seed + steps
    return later if later < _UNSIGNED else later % _UNSIGNED


__all__ = ["check_seed", "later_seed"]
