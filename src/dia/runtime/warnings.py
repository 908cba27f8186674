"""The category of all warnings about a user's input, and how the command prints them."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class DiaWarning(UserWarning):
    """A probable problem in a script, a recording or a take.

    Filter it like any other category: `warnings.simplefilter("ignore", dia.DiaWarning)`.
    """


@contextmanager
def printed_warnings() -> Iterator[None]:
    """Print each distinct `DiaWarning` of the block once on standard error, as a line `dia: …`."""
    printed = set[str]()
    show = warnings.showwarning

    def print_line(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, DiaWarning):
            show(message, category, filename, lineno, file, line)
        elif str(message) not in printed:
            printed.add(str(message))
            print(f"dia: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", DiaWarning)
        warnings.showwarning = print_line
        yield


__all__ = ["DiaWarning", "printed_warnings"]
