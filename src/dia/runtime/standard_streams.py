"""Handle standard streams that are closed, on a full disk, or a broken pipe. Independent of what is written."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


@contextmanager
def standard_streams() -> Iterator[None]:
    """Connect closed standard streams to the null device, and flush standard output when the block ends.

    Otherwise the first file opened would get the descriptor of a closed stream, and messages would be written into it.
    Messages that standard error cannot take are dropped and do not interrupt the work.

    Raises:
        BrokenPipeError: the reader of standard output has closed it. Nothing more is written to it.
        OSError: standard output cannot be written, for example on a full disk. Nothing more is written to it.
    """
    _open_closed()
    errors = sys.stderr
    sys.stderr = _Messages(errors)
    try:
        yield
        _flush_output()
    except (SystemExit, OSError):
        _flush_output()  # if standard output caused the error, this raises one that names it
        raise
    finally:
        _silence(sys.stdout)
        sys.stderr = errors


class _Messages:
    """Standard error; after the first failed write, everything is dropped."""

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
    """Print messages of the command to standard error; drop them if it cannot be written."""
    print(*(f"dia: {line}" for line in lines), sep="\n", file=_Messages(sys.stderr))


def is_closed(stream: object) -> bool:
    """Whether a standard stream was closed when the command began."""
    return stream is None or getattr(stream, "name", None) == os.devnull


def _silence(stream: TextIO) -> None:
    """Redirect a stream to the null device if it cannot be flushed; otherwise the interpreter reports it at exit."""
    with suppress(OSError, ValueError, AttributeError):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def _flush_output() -> None:
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
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, it stays open until exit


__all__ = ["is_closed", "print_lines", "standard_streams"]
