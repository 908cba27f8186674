"""Files that others wrote, read with care: what is no file, too large, cut off or no JSON is refused by name.

Knows bytes and JSON. Knows nothing of what the files are for, beside the remedy that its messages offer.
"""

import json
import math
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
    """Refuse what cannot be read as a file: a folder, a pipe, a device, a link to nothing.

    Args:
        path: what is to be read.
        most: bytes it may have.

    Returns:
        Its size in bytes.

    Raises:
        FileNotFoundError: there is nothing, or a link that leads nowhere.
        OSError: it is no file, or may not be read.
        ValueError: it is too large.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        what = "is a link that leads nowhere" if path.is_symlink() else "is missing"
        raise FileNotFoundError(f"{path} {what}; {REMEDY}.") from None
    except OSError as error:
        raise OSError(f"{path} cannot be read: {error.strerror or error}; {REMEDY}.") from None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is a {_kind(status.st_mode)}, not a file; {REMEDY}.")
    if most is not None and status.st_size > most:
        raise ValueError(f"{path} has {status.st_size} bytes, where at most {most} are read; {REMEDY}.")
    return status.st_size


def read_bytes(path: Path, most: int) -> bytes:
    """All of a file.

    Raises:
        OSError, ValueError: as `check_file`; or it is a pointer of Git LFS.
    """
    check_file(path, most)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OSError(f"{path} cannot be read: {error.strerror or error}.") from error
    check_no_pointer(path, content)
    return content


def check_no_pointer(path: Path, content: bytes) -> None:
    """Refuse the few lines that Git LFS puts in a file's place until it has fetched it; `content` is how it begins."""
    if content.startswith(_POINTER):
        raise ValueError(f"{path} is a Git LFS pointer, not the file itself; run `git lfs pull`, or {REMEDY}.")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    What Python's reader would accept and other readers would not, or would understand otherwise, is refused: NaN and
    infinities, a key that stands twice, half of a surrogate pair, a byte order mark.

    Raises:
        OSError, ValueError: as `read_bytes`; or it is no such file. The message names it and says where the fault is.
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
        raise ValueError(f"{path} holds a JSON {type(data).__name__}, not an object of settings; {REMEDY}.")
    return data


@contextmanager
def blamed_on(*files: str | Path) -> Iterator[None]:
    """Turn whatever another package's reader stumbles over into an error that names the files it was reading.

    For blocks whose only input is those files: an error there is a fault of the files, whatever its type.

    Raises:
        OSError: names the files, where the system refused something.
        ValueError: names the files, where anything else went wrong. An error that names one already is passed on.
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
    """What went wrong, on one line; huggingface_hub says it in the cause of its errors."""
    cause = error.__cause__ or error
    line = str(cause).strip().partition("\n")[0].rstrip(".;") or type(cause).__name__
    return line if isinstance(cause, ValueError | TypeError | OSError) else f"{type(cause).__name__}: {line}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{shown(key)} stands there twice")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _check_shape(data: Any) -> None:
    """Refuse what is nested too deep, and strings that cannot be written."""
    level = [data]
    for _ in range(JSON_DEPTH + 2):  # those that hold others, and what the last of them holds
        if not level:
            return
        for item in level:
            if isinstance(item, str):
                item.encode()
        held = [[*item, *item.values()] if isinstance(item, dict) else item for item in level if _holds(item)]
        level = [item for items in held for item in items]
    raise RecursionError


def _holds(item: Any) -> bool:
    return isinstance(item, dict | list)


def _kind(mode: int) -> str:
    kinds = {stat.S_ISDIR: "folder", stat.S_ISFIFO: "pipe", stat.S_ISSOCK: "socket", stat.S_ISCHR: "device"}
    return next((name for is_kind, name in kinds.items() if is_kind(mode)), "device")


__all__ = ["REMEDY", "blamed_on", "check_file", "check_no_pointer", "read_bytes", "read_json", "reason_of"]
