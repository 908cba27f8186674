"""Standard streams of a command that are closed, full, or whose reader has gone. Knows nothing of what is written."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def standard_streams() -> Iterator[None]:
    """Give closed standard streams the null device, and write out what is buffered when the block ends.

    Without it the first file that is opened would take the place of a closed stream, and messages would land in it.

    Raises:
        BrokenPipeError: nobody reads standard output any more. Nothing more is written to it.
        OSError: it cannot be written, such as on a full disk; likewise.
    """
    _open_closed()
    try:
        yield
        _flushed()
    except SystemExit:
        _flushed()
        raise
    except OSError:
        silence()
        raise


def is_closed(stream: object) -> bool:
    """Whether a standard stream was closed when the command began."""
    return stream is None or getattr(stream, "name", None) == os.devnull


def silence() -> None:
    """Let what is still buffered for standard output go nowhere, if it cannot be written; else write it."""
    with suppress(OSError, ValueError, AttributeError):
        try:
            sys.stdout.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)


def _flushed() -> None:
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def _open_closed() -> None:
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(opened)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")


__all__ = ["is_closed", "silence", "standard_streams"]
