"""Files and folders written whole or not at all. Knows nothing of what is in them.

What is being written lies beside its place under a hidden name that ends in `.partial`, and is locked as long as its
process lives. What a killed process leaves is removed by the next one that writes into the same folder.
"""

import atexit
import ctypes
import errno
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from dia.runtime.locks import LOCK_SUFFIX, beside, lock

_LEFT = re.compile(rf"\..+(\.[0-9a-f]{{8}}\.(partial|old)|{re.escape(LOCK_SUFFIX)})", re.DOTALL)
_OLD_SECONDS = 24 * 3600  # where there are no locks, what nobody has written to for so long belongs to nobody
_AT_CWD, _EXCHANGE = -100, 2  # of Linux' renameat2

_swept: set[Path] = set()
_becomes: dict[Path, Path] = {}  # where what is being written will stand
_unfinished: dict[Path, int] = {}  # with the process that made it: a forked one leaves its parent's alone


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, and move it to `path`, over what is there, once the block has ended well.

    If the block raises, or is interrupted, what it wrote is removed and `path` stays as it was. Where `path` is a
    link, what it leads to is replaced. The file keeps the permissions of the one before it.

    Raises:
        ValueError: `path` is a folder, or a device or the like.
        OSError: the folder does not exist or may not be written to, or the disk is full.
    """
    target = check_file(path)
    with _partial(target) as partial:
        yield partial
        replace_file(partial, target)


@contextmanager
def atomic_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a fresh folder beside `path` to write into, and move it to `path` once the block has ended well.

    If the block raises, or is interrupted, what it wrote is removed and `path` stays as it was.

    Args:
        path: where the folder shall stand; missing parents are made. Where it is a link, what it leads to is replaced.
        overwrite: replace a folder that is there and not empty.

    Raises:
        ValueError: `path` is a file, or a folder that is not empty and `overwrite` is false.
        OSError: it cannot be written, such as on a full disk.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)  # a folder that a killed process was about to replace comes back
    check_vacant(path, overwrite)
    with _partial(path, folder=True) as partial:
        with _full_disk_named(path):
            yield partial
        check_vacant(path, overwrite)
        _move(partial, path)


@contextmanager
def atomic_entries(folder: str | Path, last: Sequence[str] = ()) -> Iterator[Path]:
    """Give a fresh folder, and move what was written into it to `folder` once the block has ended well.

    What else `folder` holds stays; every file and subfolder appears whole, those named `last` after all others: where
    they are, all is. If the block raises, or is interrupted, what it wrote is removed and `folder` stays as it was.

    Raises:
        OSError: it cannot be written, such as on a full disk.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _partial(folder / "entries", folder=True, becomes=folder) as partial:
        with _full_disk_named(folder):
            yield partial
        for entry in sorted(partial.iterdir(), key=lambda path: path.name in last):
            _move(entry, folder / entry.name)


def check_file(path: str | Path) -> Path:
    """Refuse a path at which no file may be written; to be asked before long work, too.

    Returns:
        The place itself: where `path` is a link, what it leads to.

    Raises:
        ValueError: it is a folder, or a device or the like.
        OSError: the folder does not exist, or links lead in a circle.
    """
    target = Path(os.path.realpath(path))
    try:
        kind = target.stat().st_mode
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise FileNotFoundError(f"{path}: the folder {target.parent} does not exist. Make it first.") from None
        return target
    if stat.S_ISDIR(kind):
        raise ValueError(f"{path} is a folder; name a file in it.")
    if not stat.S_ISREG(kind):
        raise ValueError(f"{path} is a device or a pipe, which cannot be replaced by a file; name another place.")
    return target


def check_vacant(path: Path, overwrite: bool = False) -> None:
    """Refuse a path at which no folder may be written; to be asked before hours of work, too."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file; name a folder.")
    if not overwrite and path.is_dir() and any(path.iterdir()):
        raise ValueError(f"{path} exists and is not empty; name another folder or allow overwriting (--overwrite).")


class Partial:
    """A hidden file or folder beside `target`, there and locked until it is released; then what is left is removed.

    Attributes:
        path: where it is.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, target: Path, folder: bool = False) -> None:
        sweep(target.parent)
        self._lock: int | None = None
        while True:
            self.path = beside(target, f".{uuid4().hex[:8]}.partial")
            _unfinished[self.path] = os.getpid()
            try:
                self._make(folder)
            except (FileNotFoundError, BlockingIOError):  # another process swept it away before it was locked
                _unfinished.pop(self.path)
                if not target.parent.is_dir():
                    raise FileNotFoundError(f"the folder {target.parent} does not exist. Make it first.") from None
            except BaseException:
                self.release()
                raise
            else:
                return

    def release(self) -> None:
        """Remove what has not been moved away, and unlock."""
        _remove(self.path)
        _unfinished.pop(self.path, None)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _make(self, folder: bool) -> None:
        if folder:
            self.path.mkdir()
        else:
            self.path.touch(exist_ok=False)
        if sys.platform != "win32":  # there what is open cannot be moved
            self._lock = lock(self.path)


@contextmanager
def _partial(target: Path, folder: bool = False, becomes: Path | None = None) -> Iterator[Path]:
    partial = None
    try:
        partial = Partial(target, folder)
        _becomes[partial.path.absolute()] = becomes or target
        yield partial.path
    finally:
        if partial is not None:
            partial.release()
            _becomes.pop(partial.path.absolute(), None)


def destination(path: str | Path) -> Path:
    """Where `path` will stand once the blocks of this file in which it is written have ended; absolute."""
    path = Path(path).absolute()
    for above in (path, *path.parents):
        if above in _becomes:
            return destination(_becomes[above] / path.relative_to(above))
    return path


def replace_file(partial: Path, target: Path) -> None:
    """Move a finished file over another one, once it is on the disk; permissions stay as they were.

    Raises:
        OSError: the disk is full, or the file cannot be moved there.
    """
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    with suppress(OSError):  # there is none before it
        shutil.copymode(target, partial)
    os.replace(partial, target)


def sweep(folder: Path) -> None:
    """Remove what killed processes have left half written in a folder; each process looks once."""
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError):  # a folder that may not be listed may be written to nevertheless
        for name in sorted(os.listdir(folder)):
            if _LEFT.fullmatch(name):
                with suppress(OSError):
                    _clear(folder / name)


def _clear(left: Path) -> None:
    """Remove one thing that was left, unless its process lives; a folder that was about to be replaced goes back."""
    opened = None if sys.platform == "win32" else lock(left)
    if opened is None and time.time() - left.lstat().st_mtime < _OLD_SECONDS:
        return
    try:
        before = left.with_name(left.name[1 : -len(".01234567.old")])
        if left.suffix == ".old" and not before.exists():
            left.rename(before)
        else:
            _remove(left)
    finally:
        if opened is not None:
            os.close(opened)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _remove_unfinished() -> None:
    """At exit: what an interrupt at an unlucky moment has left."""
    for path, process in list(_unfinished.items()):
        if process == os.getpid():
            _remove(path)


atexit.register(_remove_unfinished)


def _move(new: Path, place: Path) -> None:
    """Move a file or folder to a place, over what is there, which is whole at every moment where the system allows."""
    if not (place.is_dir() and not place.is_symlink()):
        os.replace(new, place)
    elif not any(place.iterdir()):
        place.rmdir()
        new.rename(place)
    elif _exchanged(new, place):
        _remove(new)
    else:
        _move_in_two_steps(new, place)


def _move_in_two_steps(new: Path, place: Path) -> None:
    aside, held = beside(place, f".{uuid4().hex[:8]}.old"), None
    try:
        held = None if sys.platform == "win32" else lock(place)
        place.rename(aside)
        try:
            new.rename(place)
        except BaseException:
            aside.rename(place)
            raise
    finally:
        if place.exists():
            _remove(aside)
        if held is not None:
            os.close(held)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two entries of a file system change places at once; False where the system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    names = os.fsencode(one.absolute()), os.fsencode(other.absolute())
    return rename is not None and rename(_AT_CWD, names[0], _AT_CWD, names[1], _EXCHANGE) == 0


@contextmanager
def _full_disk_named(path: Path) -> Iterator[None]:
    """Raise OSError where a library has another class for what the disk says: safetensors and torch do."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        code = next((code for code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT) if _says(error, code)), None)
        if code is None:
            raise
        raise OSError(f"{path} cannot be written: {os.strerror(code)}. Make room there.") from error


def _says(error: Exception, code: int) -> bool:
    return f"os error {code})" in str(error) or os.strerror(code) in str(error)


__all__ = [
    "Partial",
    "atomic_entries",
    "atomic_file",
    "atomic_folder",
    "check_file",
    "check_vacant",
    "destination",
    "replace_file",
    "sweep",
]
