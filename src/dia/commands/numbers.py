"""Numbers as options take them, each in its range; argparse says which option a wrong one was given to."""

from argparse import ArgumentTypeError
from collections.abc import Callable


def count(text: str) -> int:
    """A whole number of 1 or more."""
    return _at_least(int(text), 1)


def whole(text: str) -> int:
    """A whole number of 0 or more."""
    return _at_least(int(text), 0)


def seed_number(text: str) -> int:
    """A whole number of 64 bits, with or without a sign."""
    number = int(text)
    if not -(2**63) <= number < 2**64:
        raise ArgumentTypeError(f"{text} must fit into 64 bits")
    return number


def training_seed(text: str) -> int:
    """A whole number from 0 to 2**32 - 1, which is what numpy's generators take."""
    if not 0 <= int(text) < 2**32:
        raise ArgumentTypeError(f"{text} must be 0 to 2**32 - 1")
    return int(text)


def positive(text: str) -> float:
    """A number above 0."""
    if not 0 < float(text) < float("inf"):
        raise ArgumentTypeError(f"{text} must be above 0")
    return float(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    if not 0 <= float(text) <= 1:
        raise ArgumentTypeError(f"{text} must be a share, 0 to 1")
    return float(text)


def part(text: str) -> float:
    """A number from 0 to below 1."""
    if not 0 <= float(text) < 1:
        raise ArgumentTypeError(f"{text} must be at least 0 and below 1")
    return float(text)


def option(name: str, kind: type[int] | type[float] = float) -> Callable[[str], float]:
    """A reader of an option that every way to speak has, in the range that `dia.synthesis.options` gives it."""

    def number(text: str) -> float:
        from dia.synthesis.options import check_options  # brings numpy, for which help need not wait

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


__all__ = ["count", "option", "part", "positive", "seed_number", "share", "training_seed", "whole"]
