"""C files as libraries, compiled on first use and kept in the user's cache, if that is safe.

Knows compilers and folders, nothing of what is compiled. DIA_NO_KERNEL=1 leaves it all out.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dia.runtime.atomic import atomic_file
from dia.runtime.folders import cache_folder
from dia.runtime.log import get_logger

logger = get_logger(__name__)

_SHARED = ("-O3", "-fopenmp", "-shared", "-fPIC")
_PATIENCE = 60  # seconds for a compiler that takes one


def functions_of(
    source: Path, flags: Sequence[str], arguments: Mapping[str, Sequence[Any]], result: Any = None
) -> Any | None:
    """The functions of a C file, ready to be called; None, and a debug log line, where it cannot be compiled.

    Args:
        source: the file.
        flags: for the compiler, see `compiled`.
        arguments: of each function, as `ctypes` names their types.
        result: the type that all of them answer; by default nothing.
    """
    try:
        library = compiled(source, *flags)
        for name, types in arguments.items():
            function = getattr(library, name)
            function.argtypes, function.restype = types, result
    except (OSError, AttributeError, subprocess.SubprocessError) as error:
        logger.debug("%s is not compiled, PyTorch's kernels are used: %s", source.name, error)
        return None
    return library


def compiled(source: Path, *flags: str) -> ctypes.CDLL:
    """A C file as a library, compiled once for each version of it and kept in the user's cache.

    A library that was kept but is damaged, or cannot be loaded, is compiled anew. Where there is no cache that only
    this user can write to, it is compiled for this process alone.

    Args:
        source: the file.
        flags: for the compiler, beside those for optimisation, OpenMP and a shared library.

    Raises:
        OSError: there is no compiler, the library cannot be loaded, or DIA_NO_KERNEL is set.
        subprocess.SubprocessError: the compiler fails.
    """
    if os.environ.get("DIA_NO_KERNEL"):
        raise OSError("DIA_NO_KERNEL is set")
    version = _checksum(source.read_bytes() + " ".join(flags).encode())
    name, folder = f"{source.stem}-{platform.machine()}-{version}", _cache_folder()
    kept = None if folder is None else _load_kept(folder, name)
    if kept is not None:
        return kept
    with TemporaryDirectory(prefix="dia-", ignore_cleanup_errors=True) as private:
        library = Path(private) / f"{name}.so"
        _compile(source, flags, library)
        if folder is not None:
            with suppress(OSError):  # such as a full disk
                library = _keep(library, folder)
        return ctypes.CDLL(str(library))


def _compile(source: Path, flags: Sequence[str], library: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise FileNotFoundError("there is no C compiler")
    command = [compiler, *_SHARED, *flags, str(source), "-o", str(library)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE)


def _keep(library: Path, folder: Path) -> Path:
    """Copy a library into the cache; its name there ends in its checksum."""
    content = library.read_bytes()
    place = folder / f"{library.stem}-{_checksum(content)}.so"
    with atomic_file(place) as partial:
        partial.write_bytes(content)
    return place


def _load_kept(folder: Path, name: str) -> ctypes.CDLL | None:
    """The library that is kept under a name; one that is damaged, or made for another system, is removed.

    Loading part of a library would end the process by a bus error, so the checksum is compared first.
    """
    for place in folder.glob(f"{name}-*.so"):
        try:
            if place.stem.endswith(_checksum(place.read_bytes())):
                return ctypes.CDLL(str(place))
            problem: object = "its checksum is another"
        except OSError as error:
            problem = error
        logger.debug("%s is compiled again: %s", place, problem)
        with suppress(OSError):
            place.unlink()
    return None


def _checksum(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def _cache_folder() -> Path | None:
    """The folder for libraries, made if need be; None where others could write to it, for what is in it is run."""
    if (folder := cache_folder()) is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = folder.stat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (about.st_uid not in (0, os.getuid()) or about.st_mode & 0o022):
        return None
    return folder


__all__ = ["compiled", "functions_of"]
