"""Files and folders written whole or not at all. Knows nothing of what is in them."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_ENTRIES = "entries"
_PARTIAL = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.partial")


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, and move it to `path`, over what is there, once the block has ended well.

    If the block raises, or is interrupted, what it wrote is removed and `path` stays as it was.
    """
    path = Path(path).absolute()
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a fresh folder beside `path` to write into, and move it to `path` once the block has ended well.

    If the block raises, or is interrupted, what it wrote is removed and `path` stays as it was.

    Args:
        path: where the folder shall stand; missing parents are made.
        overwrite: replace a folder that is there and not empty.

    Raises:
        ValueError: `path` is a file, or a folder that is not empty and `overwrite` is false.
    """
    path = Path(path).absolute()
    check_vacant(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = f".{path.name}.{uuid4().hex[:8]}"
    partial, replaced = path.with_name(f"{mark}.partial"), path.with_name(f"{mark}.old")
    try:
        partial.mkdir()
        yield partial
        check_vacant(path, overwrite)
        if path.exists():
            path.rename(replaced)
        try:
            partial.rename(path)
        except OSError:
            if replaced.exists():
                replaced.rename(path)
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if path.exists():
            shutil.rmtree(replaced, ignore_errors=True)


@contextmanager
def atomic_entries(folder: str | Path, last: Sequence[str] = ()) -> Iterator[Path]:
    """Give a fresh folder, and move what was written into it to `folder` once the block has ended well.

    What else `folder` holds stays; every file and subfolder appears whole, those named `last` after all others: where
    they are, all is. If the block raises, or is interrupted, what it wrote is removed and `folder` stays as it was.
    """
    folder = Path(folder)
    partial = folder / f".{_ENTRIES}.{uuid4().hex[:8]}.partial"
    try:
        partial.mkdir(parents=True)
        yield partial
        for entry in sorted(partial.iterdir(), key=lambda path: path.name in last):
            _put(entry, folder / entry.name, aside=partial / f"{entry.name}.old")
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put(entry: Path, there: Path, aside: Path) -> None:
    if there.is_dir():
        there.rename(aside)
    try:
        os.replace(entry, there)
    except OSError:
        if aside.exists():
            aside.rename(there)
        raise


def destination(path: str | Path) -> Path:
    """Where `path` will stand once the blocks of this file in which it is written have ended; absolute."""
    parts = []
    for part in Path(path).absolute().parts:
        found = _PARTIAL.fullmatch(part)
        if found is None or found["name"] != _ENTRIES:
            parts.append(part if found is None else found["name"])
    return Path(*parts)


def check_vacant(path: Path, overwrite: bool = False) -> None:
    """Refuse a path at which no folder may be written; to be asked before hours of work, too."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file; name a folder.")
    if not overwrite and path.is_dir() and any(path.iterdir()):
        raise ValueError(f"{path} exists and is not empty; name another folder or allow overwriting (--overwrite).")
