"""Numbers within bounds: the one check of every number that a caller, a file or an option gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

_LONGEST = 60  # characters of a value in a message


@dataclass(frozen=True)
class Range:
    """The numbers from `least` to `most`, both included. Infinity and NaN are in no range, and True is no number.

    Args:
        least: the smallest.
        most: the greatest.
        whole: integers only.
        above: `least` itself is excluded.
        note: what one of the numbers means, such as "greedy at 0".
    """

    least: float
    most: float
    whole: bool = False
    above: bool = False
    note: str = ""

    def check(self, name: str, value: Any, exception: type[Exception] | None = None) -> None:
        """Refuse what is not in the range.

        Args:
            name: what the caller calls the value.
            value: what was given.
            exception: raised in the place of both errors, for callers whose values come from a file.

        Raises:
            TypeError: it is no number, or not whole.
            ValueError: it is out of range.
        """
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            raise (exception or TypeError)(f"{name} is {shown(value)}; expected {self}.")
        if value not in self:
            raise (exception or ValueError)(f"{name}={shown(value)} must be {self}.")

    def __contains__(self, value: Any) -> bool:
        return bool(self.least <= value <= self.most) and not (self.above and value == self.least)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        begins = f"above {_plain(self.least)} and at most" if self.above else f"from {_plain(self.least)} to"
        return f"{kind} {begins} {_plain(self.most)}" + (f" ({self.note})" if self.note else "")


def check_numbers(ranges: Mapping[str, Range], values: Mapping[str, Any]) -> None:
    """Check a value for every range.

    Raises:
        TypeError, ValueError: as `Range.check`.
    """
    for name, allowed in ranges.items():
        allowed.check(name, values[name])


def check_given(ranges: Mapping[str, Range], values: Mapping[str, Any]) -> None:
    """Check the values that have a range and are given; None stands for what is not.

    Raises:
        TypeError, ValueError: as `Range.check`.
    """
    check_numbers({name: allowed for name, allowed in ranges.items() if values.get(name) is not None}, values)


def shown(value: Any) -> str:
    """A value for a message: short, on one line, and printable on every terminal."""
    try:
        text = ascii(value)
    except ValueError:  # Python writes out no integer of more than 4300 digits
        text = f"an integer of {value.bit_length()} bits" if isinstance(value, int) else type(value).__name__
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


__all__ = ["Range", "check_given", "check_numbers", "shown"]
