"""Number types for argparse, each with its range; argparse adds the option's name to their errors."""

from argparse import ArgumentTypeError
from collections.abc import Callable

from dia.runtime.ranges import Range


def number_in(allowed: Range) -> Callable[[str], int]:
    """An argument type for the integers of a range."""

    def number(text: str) -> int:
        value = int(text)
        if value not in allowed:
            raise ArgumentTypeError(f"{text:.40} must be {allowed}")
        return value

    return number


def count(text: str) -> int:
    """An integer of 1 or more."""
    return _at_least(int(text), 1)


def non_negative(text: str) -> int:
    """An integer of 0 or more."""
    return _at_least(int(text), 0)


def seed_number(text: str) -> int:
    """A 64-bit integer, signed or unsigned."""
    number = int(text)
    if not -(2**63) <= number < 2**64:
        raise ArgumentTypeError(f"{text} must fit in 64 bits")
    return number


def training_seed(text: str) -> int:
    """An integer from 0 to 2**32 - 1, the range of numpy's generators."""
    if not 0 <= int(text) < 2**32:
        raise ArgumentTypeError(f"{text} must be 0 to 2**32 - 1")
    return int(text)


def positive(text: str) -> float:
    """A number greater than 0."""
    if not 0 < float(text) < float("inf"):
        raise ArgumentTypeError(f"{text} must be greater than 0")
    return float(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    if not 0 <= float(text) <= 1:
        raise ArgumentTypeError(f"{text} must be between 0 and 1")
    return float(text)


def part(text: str) -> float:
    """A number from 0 to 1, excluding 1."""
    if not 0 <= float(text) < 1:
        raise ArgumentTypeError(f"{text} must be at least 0 and less than 1")
    return float(text)


def option(name: str, kind: type[int] | type[float] = float) -> Callable[[str], float]:
    """An argument type for a shared option, with the range from `dia.synthesis.options`."""

    def number(text: str) -> float:
        from dia.synthesis.options import check_options  # imports numpy, which `--help` does not need

        value = kind(text)
        try:
            check_options({name: value})
        except ValueError as error:
            raise ArgumentTypeError(str(error).removeprefix(f"{name}=").rstrip(".")) from error
        return value

    return number


def _at_least(number: int, least: int) -> int:
    if number < least:
        raise ArgumentTypeError(f"{number} must be {least} or more")
    return number


__all__ = ["count", "non_negative", "number_in", "option", "part", "positive", "seed_number", "share", "training_seed"]
