"""File locks that are released when their process ends, even if it is killed. Independent of file contents."""

import errno
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK_SUFFIX = ".dia-lock"
_LONGEST_NAME = 255  # bytes, on common file systems
_BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


def beside(path: Path, ending: str) -> Path:
    """The path of a hidden file next to `path`: `.NAME` followed by `ending`. A name that is too long is shortened."""
    name = os.fsencode(path.name)[: _LONGEST_NAME - 1 - len(os.fsencode(ending))]
    return path.with_name(f".{os.fsdecode(name)}{ending}")


def lock(path: Path) -> int | None:
    """Lock an existing file or folder until the file descriptor is closed or this process ends.

    Returns:
        The file descriptor; None if the operating system or the file system does not support locks.

    Raises:
        BlockingIOError: another process or this one already holds the lock.
        FileNotFoundError: `path` does not exist, or has just been replaced.
    """
    opened = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        locked = _locked(opened)
        if not _is_at(opened, path):
            raise FileNotFoundError(errno.ENOENT, "replaced by another file", str(path))
    except BaseException:
        os.close(opened)
        raise
    if not locked:
        os.close(opened)
    return opened if locked else None


@contextmanager
def exclusive_writer(path: str | Path, parents: bool = False) -> Iterator[None]:
    """Reserve an output file or folder for this process while the block runs.

    The lock is a hidden file next to the output; it is removed at the end. A lock file left by a killed process has
    no effect. If `path` is a link, the lock file is next to its target.

    Args:
        path: the output, which need not exist.
        parents: create missing parent folders.

    Raises:
        BlockingIOError: another process is writing the output; the message names it.
        OSError: the folder does not exist, or is not writable.
    """
    held = _LockFile(beside(Path(os.path.realpath(path)), LOCK_SUFFIX))
    if parents:
        held.place.parent.mkdir(parents=True, exist_ok=True)
    try:
        held.acquire(path)
        yield
    finally:
        try:
            held.release()
        except BaseException:  # an interrupt, in the middle of it
            held.release()
            raise


class _LockFile:
    """A lock file that is removed with its lock, also if the process is interrupted while it acquires the lock."""

    def __init__(self, place: Path) -> None:
        self.place, self._opened, self._owned, self._opening = place, -1, False, False

    def acquire(self, path: str | Path) -> None:
        """Create and lock the file; `path` is the output, for messages."""
        while self.place.parent.is_dir():
            self._opening = True
            self._opened = _open(self.place, path)
            self._opening = False
            try:
                locked = _locked(self._opened)
                if _is_at(self._opened, self.place) and (locked or not _is_held(self.place)):
                    self._owned = True
                    self._sign()
                    return
                if _is_at(self._opened, self.place):
                    raise BlockingIOError
            except BlockingIOError:
                holder = _holder(self.place)
                self._close()
                raise BlockingIOError(
                    f"{path} is being written by {holder}. Wait until it ends, or choose another output."
                ) from None
            self._close()  # its last holder has just removed it
        raise FileNotFoundError(f"{path}: the folder {self.place.parent} does not exist. Create it first.")

    def release(self) -> None:
        """Remove the file if it is ours, and give up the lock."""
        if self._opening:  # interrupted before the descriptor was known
            self._opening = False
            with suppress(OSError):
                self._opened = os.open(self.place, os.O_RDWR)
        if self._opened < 0:
            return
        with suppress(OSError):  # interrupted before the lock was taken: the file is ours if nobody else locks it
            if (self._owned or _locked(self._opened)) and _is_at(self._opened, self.place):
                self.place.unlink()
        self._close()

    def _sign(self) -> None:
        with suppress(OSError):  # the lock works without its text, for example on a full disk
            os.ftruncate(self._opened, 0)
            os.write(self._opened, f"process {os.getpid()} on {socket.gethostname()}".encode())

    def _close(self) -> None:
        opened, self._opened = self._opened, -1
        os.close(opened)


def _is_at(opened: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(opened), os.stat(path))
    except FileNotFoundError:
        return False


def _open(place: Path, path: str | Path) -> int:
    try:
        return os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise type(error)(
            f"{path} cannot be written: {error.strerror} in {place.parent}. Choose another output."
        ) from error


def _locked(opened: int) -> bool:
    """Lock an open file. False if locks are not supported; raises BlockingIOError if it is locked already."""
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
    """Whether the process named in a lock file is running, for file systems without locks. False for other hosts."""
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


__all__ = ["LOCK_SUFFIX", "beside", "exclusive_writer", "lock"]
