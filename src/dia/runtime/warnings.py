"""The one category of warnings that this package raises about a user's input, and how the command prints them."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class DiaWarning(UserWarning):
    """Something in a script, a recording or a take that is probably not as its author wants it.

    Filter it as any other: `warnings.simplefilter("ignore", dia.DiaWarning)`.
    """


@contextmanager
def printed_warnings() -> Iterator[None]:
    """Print every `DiaWarning` of the block once, as a line `dia: …` on standard error."""
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
