"""Standard streams of a command that are closed, full, or whose reader has gone. Knows nothing of what is written."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


@contextmanager
def standard_streams() -> Iterator[None]:
    """Give closed standard streams the null device, and write out what is buffered when the block ends.

    Without it the first file that is opened would take the place of a closed stream, and messages would land in it.
    Messages on standard error that cannot be written are dropped: no work ends because of them.

    Raises:
        BrokenPipeError: nobody reads standard output any more. Nothing more is written to it.
        OSError: it cannot be written, such as on a full disk; likewise.
    """
    _open_closed()
    errors = sys.stderr
    sys.stderr = _Messages(errors)
    try:
        yield
        _flushed()
    except (SystemExit, OSError):
        _flushed()  # what could not be written may be the reason of the error, which does not name it
        raise
    finally:
        _silence(sys.stdout)
        sys.stderr = errors


class _Messages:
    """Standard error, which is silent from the first message on that it cannot take."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            _silence(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            _silence(self._stream)


def print_lines(*lines: object) -> None:
    """Print messages of the command to standard error, if it can take them."""
    print(*(f"dia: {line}" for line in lines), sep="\n", file=_Messages(sys.stderr))


def is_closed(stream: object) -> bool:
    """Whether a standard stream was closed when the command began."""
    return stream is None or getattr(stream, "name", None) == os.devnull


def _silence(stream: TextIO) -> None:
    """Let what a stream cannot write go nowhere; the interpreter would try again at its end, and complain."""
    with suppress(OSError, ValueError, AttributeError):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
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


__all__ = ["is_closed", "print_lines", "standard_streams"]
