"""Range checks for every number given by a caller, a file or an option."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

_LONGEST = 60  # characters of a value shown in a message


@dataclass(frozen=True)
class Range:
    """The numbers from `least` to `most`, inclusive. Infinity and NaN are in no range, and booleans are not numbers.

    Args:
        least: the smallest number.
        most: the largest number.
        whole: allow integers only.
        above: exclude `least` itself.
        note: an explanation shown in messages, such as "0 is greedy".
    """

    least: float
    most: float
    whole: bool = False
    above: bool = False
    note: str = ""

    def check(self, name: str, value: Any, exception: type[Exception] | None = None) -> Any:
        """Return a value of any numeric type as a plain int or float, or raise if it is not in the range.

        Use the result rather than the value: JSON, torch and others accept only plain numbers.

        Args:
            name: the name of the value, for the message.
            value: the value to check.
            exception: the type to raise instead of both errors, for values that come from a file.

        Raises:
            TypeError: the value is not a number, or not an integer where one is required.
            ValueError: the value is out of range.
        """
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            raise (exception or TypeError)(f"{name} is {shown(value)}; expected {self}.")
        if (number := _number(value)) not in self:
            raise (exception or ValueError)(f"{name}={shown(value)} must be {self}.")
        return number

    def __contains__(self, value: Any) -> bool:
        return bool(self.least <= value <= self.most) and not (self.above and value == self.least)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        begins = f"above {_plain(self.least)} and at most" if self.above else f"from {_plain(self.least)} to"
        return f"{kind} {begins} {_plain(self.most)}" + (f" ({self.note})" if self.note else "")


def check_numbers(ranges: Mapping[str, Range], values: Mapping[str, Any]) -> dict[str, Any]:
    """Check one value per range, and return them as plain numbers.

    Raises:
        TypeError, ValueError: as `Range.check`.
    """
    return {name: allowed.check(name, values[name]) for name, allowed in ranges.items()}


def check_fields(ranges: Mapping[str, Range], owner: Any) -> None:
    """Check attributes of an object, which may be a frozen dataclass, and make them plain numbers.

    Raises:
        TypeError, ValueError: as `Range.check`.
    """
    for name, number in check_numbers(ranges, vars(owner)).items():
        object.__setattr__(owner, name, number)


def check_given(ranges: Mapping[str, Range], values: Mapping[str, Any]) -> dict[str, Any]:
    """Check the values that have a range and are not None, and return these as plain numbers.

    Raises:
        TypeError, ValueError: as `Range.check`.
    """
    given = {name: allowed for name, allowed in ranges.items() if values.get(name) is not None}
    return check_numbers(given, values)


def shown(value: Any) -> str:
    """Format a value for a message: short, on one line, and in ASCII."""
    try:
        text = ascii(value)
    except ValueError:  # Python does not format integers of more than 4300 digits
        text = f"an integer of {value.bit_length()} bits" if isinstance(value, int) else type(value).__name__
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _number(value: Any) -> float:
    """An `Integral` as an int, another `Real` as a float."""
    if isinstance(value, Integral):
        return int(value)
    try:
        return float(value)
    except OverflowError:  # a fraction beyond all floats
        return math.inf


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


__all__ = ["Range", "check_fields", "check_given", "check_numbers", "shown"]
