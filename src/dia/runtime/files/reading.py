"""Read untrusted files, with errors that name a file if it is missing, too large or not valid JSON.

Independent of the purpose of the files.
"""

import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dia.runtime.limits import JSON_BYTES, JSON_DEPTH
from dia.runtime.ranges import shown

REMEDY = "download it again"
_POINTER = b"version https://git-lfs"


def check_file(path: Path, most: int | None = None) -> int:
    """Raise if `path` is not a regular file, such as a folder, a pipe, a device or a broken link.

    Args:
        path: the file.
        most: its maximum size in bytes.

    Returns:
        Its size in bytes.

    Raises:
        FileNotFoundError: it does not exist, or is a broken link.
        OSError: it is not a regular file, or cannot be accessed.
        ValueError: it is too large.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        what = "is a broken link" if path.is_symlink() else "is missing"
        raise FileNotFoundError(f"{path} {what}; {REMEDY}.") from None
    except OSError as error:
        raise OSError(f"{path} cannot be read: {error.strerror or error}; {REMEDY}.") from None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is a {_kind(status.st_mode)}, not a file; {REMEDY}.")
    if most is not None and status.st_size > most:
        raise ValueError(f"{path} has {status.st_size} bytes, but at most {most} are allowed; {REMEDY}.")
    return status.st_size


def check_is_file(path: str | Path, name: str = "", kind: str = "file") -> None:
    """Raise if a file that the user named does not exist, or is something else.

    Args:
        path: the file.
        name: its argument or option, for the message.
        kind: what it is called, such as "voice file".

    Raises:
        FileNotFoundError: `path` does not exist, or is a folder, a device or a pipe.
    """
    if os.path.isfile(path):
        return
    prefix = f"{name}: " if name else ""
    if not os.path.exists(path):
        raise FileNotFoundError(f"{prefix}the {kind} {path} does not exist.")
    fault = "a folder" if os.path.isdir(path) else "a device or a pipe"
    raise FileNotFoundError(f"{prefix}{path} is {fault}, not a {kind}. Pass the path of a {kind}.")


def read_bytes(path: Path, most: int) -> bytes:
    """Read a whole file of at most `most` bytes.

    Raises:
        OSError, ValueError: as `check_file`, or it is a Git LFS pointer.
    """
    check_file(path, most)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OSError(f"{path} cannot be read: {error.strerror or error}.") from error
    check_not_pointer(path, content)
    return content


def check_not_pointer(path: Path, content: bytes) -> None:
    """Raise ValueError if a file is a Git LFS pointer, not yet replaced by its content. `content` is its beginning."""
    if content.startswith(_POINTER):
        raise ValueError(f"{path} is a Git LFS pointer, not the file itself; run `git lfs pull`, or {REMEDY}.")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Stricter than Python's `json`: rejects content that other readers reject or read differently, which is NaN,
    infinities, duplicate keys, lone surrogates and a byte order mark.

    Raises:
        OSError, ValueError: as `read_bytes`, or it is not such a JSON file. The message names the file and the fault.
    """
    content = read_bytes(path, JSON_BYTES)
    try:
        data = json.loads(
            content.decode(), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
        _check_shape(data)
    except RecursionError:
        raise ValueError(f"{path} is nested deeper than {JSON_DEPTH} levels; {REMEDY}.") from None
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}; {REMEDY}.") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path} contains a JSON {type(data).__name__}, but expected an object; {REMEDY}.")
    return data


@contextmanager
def errors_name(*files: str | Path) -> Iterator[None]:
    """Make every error in the block name the files that another package was reading.

    Use it for blocks whose only input is those files, so that any error is a fault of the files.

    Raises:
        OSError: an operating system error, with the names of the files.
        ValueError: any other error, with the names of the files. An error that already names one is passed on.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError | ValueError) and any(str(file) in str(error) for file in files):
            raise
        kind = OSError if isinstance(error, OSError) else ValueError
        raise kind(f"{' and '.join(map(str, files))}: {reason_of(error)}; {REMEDY}.") from error


def reason_of(error: BaseException) -> str:
    """The reason for an error, on one line. For errors of huggingface_hub, this is the message of their cause."""
    cause = error.__cause__ or error
    line = str(cause).strip().partition("\n")[0].rstrip(".;") or type(cause).__name__
    return line if isinstance(cause, ValueError | TypeError | OSError) else f"{type(cause).__name__}: {line}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"duplicate key {shown(key)}")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _check_shape(data: Any) -> None:
    """Raise if values are nested too deeply, or if a string cannot be encoded."""
    level = [data]
    for _ in range(JSON_DEPTH + 2):  # the nested levels, the innermost values, and a last empty level
        if not level:
            return
        for item in level:
            if isinstance(item, str):
                item.encode()
        nested = [[*item, *item.values()] if isinstance(item, dict) else item for item in level if _is_nested(item)]
        level = [item for items in nested for item in items]
    raise RecursionError


def _is_nested(item: Any) -> bool:
    return isinstance(item, dict | list)


def _kind(mode: int) -> str:
    kinds = {stat.S_ISDIR: "folder", stat.S_ISFIFO: "pipe", stat.S_ISSOCK: "socket", stat.S_ISCHR: "device"}
    return next((name for is_kind, name in kinds.items() if is_kind(mode)), "device")


__all__ = [
    "REMEDY",
    "check_file",
    "check_is_file",
    "check_not_pointer",
    "errors_name",
    "read_bytes",
    "read_json",
    "reason_of",
]
