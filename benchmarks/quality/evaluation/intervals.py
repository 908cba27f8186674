"""95 % confidence intervals for shares of a count and for rates over items."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Z = 1.959964  # of the normal distribution, for 95 %


class Figure(NamedTuple):
    """A measured value, its 95 % interval (NaN if unknown), and the number of items."""

    value: float
    low: float
    high: float
    of: int

    def shown(self, factor: float = 100, digits: int = 1, unit: str = "") -> str:
        """The value times `factor` with its interval, by default in percent.

        >>> Figure(0.123, 0.1, 0.15, 9).shown(unit=" %")
        '12.3 % [10.0, 15.0]'
        """
        value, low, high = (f"{factor * bound:.{digits}f}" for bound in (self.value, self.low, self.high))
        return f"{value}{unit} [{low}, {high}]"


def share(right: int, of: int) -> Figure:
    """The share `right` / `of`, with Wilson's interval, which also holds at 0 and 1.

    Raises:
        ValueError: `of` is 0.
    """
    if of < 1:
        raise ValueError("of is 0; pass at least one item.")
    p, shrink = right / of, 1 + Z**2 / of
    middle = (p + Z**2 / (2 * of)) / shrink
    half = Z / shrink * math.sqrt(p * (1 - p) / of + Z**2 / (4 * of**2))
    return Figure(p, max(0.0, middle - half), min(1.0, middle + half), of)


def rate(
    parts: Sequence[float] | NDArray[np.int64], wholes: Sequence[float], rounds: int = 5000, seed: int = 0
) -> Figure:
    """Σ parts / Σ wholes with a bootstrap interval: items are drawn with replacement.

    For a paired comparison, pass the differences of two systems on the same items as `parts`.

    Raises:
        ValueError: there are no items.
    """
    if not len(parts) or len(parts) != len(wholes):
        raise ValueError(f"{len(parts)} parts and {len(wholes)} wholes; pass the same number of each, at least one.")
    above, below = np.asarray(parts, float), np.asarray(wholes, float)
    drawn = np.random.default_rng(seed).integers(0, len(above), (rounds, len(above)))
    rates = above[drawn].sum(-1) / below[drawn].sum(-1)
    low, high = np.quantile(rates, (0.025, 0.975))
    return Figure(float(above.sum() / below.sum()), float(low), float(high), len(above))


def certain(value: float, of: int = 1) -> Figure:
    """A value without an interval."""
    return Figure(value, float("nan"), float("nan"), of)
