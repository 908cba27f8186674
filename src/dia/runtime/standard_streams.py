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
    except (SystemExit, OSError):
        _flushed()  # what could not be written may be the reason of the error, which does not name it
        raise
    finally:
        _silence()


def is_closed(stream: object) -> bool:
    """Whether a standard stream was closed when the command began."""
    return stream is None or getattr(stream, "name", None) == os.devnull


def _silence() -> None:
    """Let what cannot be written to standard output go nowhere; the interpreter would try again, and complain."""
    with suppress(OSError, ValueError, AttributeError):
        try:
            sys.stdout.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)


def _flushed() -> None:
    if sys.stdout is not None and not sys.stdout.closed:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OSError(f"standard output cannot be written: {error.strerror or error}.") from error


def _open_closed() -> None:
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(opened)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, it stays open to the end


__all__ = ["is_closed", "standard_streams"]
