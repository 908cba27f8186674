"""Locks that end with the process that holds them, however it ends. Knows files, nothing of what is in them."""

import errno
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK_SUFFIX = ".dia-lock"
_LONGEST_NAME = 255  # bytes; what common file systems take
_BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


def beside(path: Path, ending: str) -> Path:
    """A hidden place in the folder of `path`: `.NAME` and `ending`; a name too long for that is cut short."""
    name = os.fsencode(path.name)[: _LONGEST_NAME - 1 - len(os.fsencode(ending))]
    return path.with_name(f".{os.fsdecode(name)}{ending}")


def lock(path: Path) -> int | None:
    """Lock a file or folder that is there, until the file descriptor is closed or this process ends.

    Returns:
        The file descriptor; None where the system or the file system has no such locks.

    Raises:
        BlockingIOError: it is locked already, by another process or by this one.
        FileNotFoundError: there is nothing at `path`, or no longer.
    """
    opened = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        locked = _locked(opened)
        if not os.path.samestat(os.fstat(opened), os.stat(path)):
            raise FileNotFoundError(errno.ENOENT, "replaced meanwhile", str(path))
    except BaseException:
        os.close(opened)
        raise
    if not locked:
        os.close(opened)
    return opened if locked else None


@contextmanager
def only_writer(path: str | Path, parents: bool = False) -> Iterator[None]:
    """Keep an output, a file or a folder, for this process while the block runs.

    A hidden file beside it holds the lock; it is removed at the end. One that a killed process has left counts for
    nothing. Where `path` is a link, the lock lies beside what it leads to.

    Args:
        path: the output, which need not be there.
        parents: make the folder that it lies in, too.

    Raises:
        BlockingIOError: another process writes it; the message says which.
        OSError: the folder does not exist, or may not be written to.
    """
    place = beside(Path(os.path.realpath(path)), LOCK_SUFFIX)
    opened = None
    if parents:
        place.parent.mkdir(parents=True, exist_ok=True)
    try:
        opened = _taken(place, path)
        yield
    finally:
        if opened is not None:
            with suppress(OSError):
                place.unlink()
            os.close(opened)


def _taken(place: Path, path: str | Path) -> int:
    """A file descriptor that holds the lock at `place`."""
    while place.parent.is_dir():
        with suppress(FileNotFoundError):  # whoever held it has just removed it
            opened = _made(place, path)
            try:
                if (held := lock(place)) is None and _is_held(place):
                    raise BlockingIOError
            except BaseException as error:
                os.close(opened)
                if not isinstance(error, BlockingIOError):
                    raise
                raise BlockingIOError(
                    f"{path} is being written by {_holder(place)}. Wait for its end, or choose another output."
                ) from None
            with suppress(OSError):  # on a full disk the lock holds all the same
                os.ftruncate(opened, 0)
                os.write(opened, f"process {os.getpid()} on {socket.gethostname()}".encode())
            if held is None:
                return opened
            os.close(opened)
            return held
    raise FileNotFoundError(f"{path}: the folder {place.parent} does not exist. Make it first.")


def _made(place: Path, path: str | Path) -> int:
    try:
        return os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise type(error)(f"{path} cannot be written: {error.strerror} in {place.parent}.") from error


def _locked(opened: int) -> bool:
    """Lock what is open; False where that cannot be done. Raises BlockingIOError."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(opened, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            raise BlockingIOError from error
        return False
    return True


def _is_held(place: Path) -> bool:
    """Whether the process that a lock names still runs, where nothing better tells; elsewhere none can be asked."""
    named = re.fullmatch(rf"process (\d+) on {re.escape(socket.gethostname())}", _holder(place))
    if named is None or sys.platform == "win32":
        return False
    try:
        os.kill(int(named[1]), 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _holder(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8") or "another process"
    except (OSError, ValueError):
        return "another process"


__all__ = ["LOCK_SUFFIX", "beside", "lock", "only_writer"]
