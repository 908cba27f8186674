"""Write files and folders completely or not at all. Independent of their contents.

Unfinished output has a hidden name that ends in `.partial`, next to its final path, and is locked until its process
ends. Leftovers of killed processes are removed by the next process that writes to the same folder.
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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from dia.runtime.files.locks import LOCK_SUFFIX, beside, lock

_LEFTOVER = re.compile(rf"\..+(\.[0-9a-f]{{8}}\.(partial|old)|{re.escape(LOCK_SUFFIX)})", re.DOTALL)
_STALE_SECONDS = 24 * 3600  # without file locks, output that has not changed for this long counts as abandoned
_ATTEMPTS = 10  # each process sweeps a folder once, so several removals in a row are rare
_AT_CWD, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux's renameat2

_swept: set[Path] = set()
_final_paths: dict[Path, Path] = {}  # from unfinished output to its final path
_unfinished: dict[Path, int] = {}  # with the id of the process that made it: a forked process keeps its parent's


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, and move it to `path` when the block succeeds, replacing any file there.

    If the block raises or is interrupted, the temporary file is removed and `path` is unchanged. If `path` is a link,
    its target is replaced. The new file keeps the permissions of the old one.

    Raises:
        ValueError: `path` is a folder, a device or similar.
        OSError: the folder does not exist or is not writable, or the disk is full.
    """
    target = check_file(path)
    with _partial(target) as partial:
        yield partial
        replace_file(partial, target)


@contextmanager
def atomic_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder next to `path`, and move it to `path` when the block succeeds.

    If the block raises or is interrupted, the temporary folder is removed and `path` is unchanged.

    Args:
        path: the final path; missing parents are created. If it is a link, its target is replaced.
        overwrite: replace an existing folder that is not empty.

    Raises:
        ValueError: `path` is a file, or a folder that is not empty and `overwrite` is false.
        OSError: the folder cannot be written, for example because the disk is full.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)  # restores a folder that a killed process was replacing
    check_vacant(path, overwrite)
    with _partial(path, folder=True) as partial:
        with _full_disk_named(path):
            yield partial
        check_vacant(path, overwrite)
        _move(partial, path)


@contextmanager
def atomic_entries(folder: str | Path, last: Sequence[str] = ()) -> Iterator[Path]:
    """Yield an empty temporary folder, and move its entries into `folder` when the block succeeds.

    Other entries of `folder` are kept. Each file and subfolder appears complete. Those named in `last` appear after
    all others, so their presence means that everything is there. If the block raises or is interrupted, the temporary
    folder is removed and `folder` is unchanged.

    Raises:
        OSError: the folder cannot be written, for example because the disk is full.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _partial(folder / "entries", folder=True, final_path=folder) as partial:
        with _full_disk_named(folder):
            yield partial
        for entry in sorted(partial.iterdir(), key=lambda path: path.name in last):
            _move(entry, folder / entry.name)


def check_file(path: str | Path) -> Path:
    """Raise if no file can be written at `path`. Call it before long work, too.

    Returns:
        The resolved path: the target if `path` is a link.

    Raises:
        ValueError: `path` is a folder, a device or similar.
        OSError: the parent folder does not exist, or links form a cycle.
    """
    target = Path(os.path.realpath(path))
    try:
        kind = target.stat().st_mode
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise FileNotFoundError(f"{path}: the folder {target.parent} does not exist. Create it first.") from None
        return target
    if stat.S_ISDIR(kind):
        raise ValueError(f"{path} is a folder. Pass the path of a file.")
    if not stat.S_ISREG(kind):
        raise ValueError(f"{path} is a device or a pipe, which a file cannot replace. Choose another path.")
    return target


def check_vacant(path: Path, overwrite: bool = False, inputs: Iterable[str | Path | None] = ()) -> None:
    """Raise ValueError if no folder may be written at `path`, or if it contains an input. Call it before long work.

    The working directory may not be replaced: this process and the user's shell would be left in a deleted folder.
    """
    for source in inputs:
        if source is not None and os.path.exists(place := os.path.expanduser(source)):
            resolved = Path(place).resolve()
            if path.resolve() in (resolved, *resolved.parents):
                raise ValueError(f"{path} contains {source}, which is read. Choose another folder.")
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file. Pass the path of a folder.")
    if _contains_working_directory(path):
        raise ValueError(
            f"{path} is or contains the working directory, which cannot be replaced. Choose another folder."
        )
    if not overwrite and path.is_dir() and any(path.iterdir()):
        raise ValueError(f"{path} exists and is not empty. Choose another folder or allow overwriting (--overwrite).")


def _contains_working_directory(path: Path) -> bool:
    try:
        return Path.cwd().is_relative_to(path.resolve())
    except FileNotFoundError:  # it has been deleted
        return False


def check_not_input(path: str | Path, inputs: Mapping[str, str | Path | int | None], name: str = "") -> None:
    """Raise if writing a file would replace one that is read, whatever its path is spelled like.

    Args:
        path: the file to write.
        inputs: the files that are read, by the names that messages use: paths or descriptors. None is no file.
        name: the option of `path`, for the message.

    Raises:
        ValueError: an input is the same file.
    """
    for read, source in inputs.items():
        if source is not None and _is_same(path, source):
            raise ValueError(f"{name} {path} is {read}, which it would replace. Choose another file.".lstrip())


def _is_same(path: str | Path, source: str | Path | int) -> bool:
    try:
        return os.path.samefile(path, source)
    except (OSError, ValueError):  # one does not exist, or is no path
        return False


class Partial:
    """A hidden file or folder next to `target`. It is locked until `release`, which removes it unless it was moved.

    Attributes:
        path: its path.

    Raises:
        OSError: it cannot be created.
    """

    def __init__(self, target: Path, folder: bool = False) -> None:
        sweep(target.parent)
        self._lock: int | None = None
        for _ in range(_ATTEMPTS):
            self.path = beside(target, f".{uuid4().hex[:8]}.partial")
            _unfinished[self.path] = os.getpid()
            try:
                self._make(target, folder)
                if self._hold():
                    return
            except BaseException:
                self.release()
                raise
            _unfinished.pop(self.path)
        raise OSError(f"{target} cannot be written: another program removes new files from {target.parent}.")

    def release(self) -> None:
        """Remove the file or folder if it has not been moved, and unlock it."""
        _remove(self.path)
        _unfinished.pop(self.path, None)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _make(self, target: Path, folder: bool) -> None:
        try:
            if folder:
                self.path.mkdir()
            else:
                self.path.touch(exist_ok=False)
        except FileNotFoundError:
            if not target.parent.is_dir():
                raise FileNotFoundError(f"the folder {target.parent} does not exist. Create it first.") from None
            raise FileNotFoundError(
                f"{target} cannot be written: {target.parent} does not accept new files. Choose another folder."
            ) from None

    def _hold(self) -> bool:
        """Lock it. False if a process that sweeps the folder has removed it, or is about to."""
        if sys.platform != "win32":  # Windows cannot move an open file
            try:
                self._lock = lock(self.path)
            except (FileNotFoundError, BlockingIOError):
                return False
        return True


@contextmanager
def _partial(target: Path, folder: bool = False, final_path: Path | None = None) -> Iterator[Path]:
    partial = None
    try:
        partial = Partial(target, folder)
        _final_paths[partial.path.absolute()] = final_path or target
        yield partial.path
    finally:
        if partial is not None:
            partial.release()
            _final_paths.pop(partial.path.absolute(), None)


def destination(path: str | Path) -> Path:
    """The absolute final path of `path`, once the enclosing `atomic_*` blocks have ended."""
    path = Path(path).absolute()
    for above in (path, *path.parents):
        if above in _final_paths:
            return destination(_final_paths[above] / path.relative_to(above))
    return path


def replace_file(partial: Path, target: Path) -> None:
    """Flush a finished file to disk and move it to `target`, keeping the permissions of the file it replaces.

    Raises:
        OSError: the disk is full, or the file cannot be moved.
    """
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    with suppress(OSError):  # there is no old file
        shutil.copymode(target, partial)
    os.replace(partial, target)


def sweep(folder: Path) -> None:
    """Remove unfinished output of killed processes from a folder, once per process and folder."""
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError):  # a folder that cannot be listed may still be writable
        for name in sorted(os.listdir(folder)):
            if _LEFTOVER.fullmatch(name):
                with suppress(OSError):
                    _clear(folder / name)


def _clear(leftover: Path) -> None:
    """Remove a leftover unless its process is alive. A folder that was being replaced gets its name back."""
    opened = None if sys.platform == "win32" else lock(leftover)
    if opened is None and time.time() - leftover.lstat().st_mtime < _STALE_SECONDS:
        return
    try:
        if leftover.suffix != ".old":  # also a lock, whose name may be shorter than the ending of an old folder
            _remove(leftover)
            return
        original = leftover.with_name(leftover.name[1 : -len(".01234567.old")])
        if original.exists():
            _remove(leftover)
        else:
            leftover.rename(original)
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
    """Remove at exit what an interrupt during clean-up has left behind."""
    for path, process in list(_unfinished.items()):
        if process == os.getpid():
            _remove(path)


atexit.register(_remove_unfinished)


def _move(new: Path, target: Path) -> None:
    """Move a file or folder to `target`, replacing what is there: atomically if the system supports it."""
    replaces_folder = target.is_dir() and not target.is_symlink()
    if not replaces_folder and not (new.is_dir() and os.path.lexists(target)):
        os.replace(new, target)
    elif replaces_folder and not any(target.iterdir()):
        target.rmdir()
        new.rename(target)
    elif _exchanged(new, target):
        _remove(new)
    elif not replaces_folder:  # a folder cannot replace a file or a link directly
        target.unlink()
        new.rename(target)
    else:
        _move_in_two_steps(new, target)


def _move_in_two_steps(new: Path, target: Path) -> None:
    old, locked = beside(target, f".{uuid4().hex[:8]}.old"), None
    try:
        locked = None if sys.platform == "win32" else lock(target)
        target.rename(old)
        try:
            new.rename(target)
        except BaseException:
            old.rename(target)
            raise
    finally:
        if target.exists():
            _remove(old)
        if locked is not None:
            os.close(locked)


def _exchanged(one: Path, other: Path) -> bool:
    """Swap two file system entries atomically. False if the system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    names = os.fsencode(one.absolute()), os.fsencode(other.absolute())
    return rename is not None and rename(_AT_CWD, names[0], _AT_CWD, names[1], _EXCHANGE) == 0


@contextmanager
def _full_disk_named(path: Path) -> Iterator[None]:
    """Raise OSError for a full disk, which safetensors and torch report with other exception types."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        code = next((code for code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT) if _mentions(error, code)), None)
        if code is None:
            raise
        raise OSError(f"{path} cannot be written: {os.strerror(code)}. Free some disk space.") from error


def _mentions(error: Exception, code: int) -> bool:
    return f"os error {code})" in str(error) or os.strerror(code) in str(error)


__all__ = [
    "Partial",
    "atomic_entries",
    "atomic_file",
    "atomic_folder",
    "check_file",
    "check_not_input",
    "check_vacant",
    "destination",
    "replace_file",
    "sweep",
]
