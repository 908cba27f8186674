"""C files as libraries, compiled on first use and kept in the user's cache, if that is safe.

Knows compilers and folders, nothing of what is compiled. DIA_NO_KERNEL=1 leaves it all out.
"""

import ctypes
import os
import shutil
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dia.runtime.atomic import atomic_entries
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
    except (OSError, subprocess.SubprocessError) as error:
        logger.debug("%s is not compiled, PyTorch's kernels are used: %s", source.name, error)
        return None
    for name, types in arguments.items():
        function = getattr(library, name)
        function.argtypes, function.restype = types, result
    return library


def compiled(source: Path, *flags: str) -> ctypes.CDLL:
    """A C file as a library, compiled once for each version of it and kept in the user's cache.

    Where there is no cache that only this user can write to, it is compiled for this process alone.

    Args:
        source: the file.
        flags: for the compiler, beside those for optimisation, OpenMP and a shared library.

    Raises:
        OSError: there is no compiler, the library cannot be loaded, or DIA_NO_KERNEL is set.
        subprocess.SubprocessError: the compiler fails.
    """
    if os.environ.get("DIA_NO_KERNEL"):
        raise OSError("DIA_NO_KERNEL is set")
    name = f"{source.stem}-{zlib.crc32(source.read_bytes() + ' '.join(flags).encode()):08x}.so"
    folder = _cache_folder()
    if folder is not None and (folder / name).is_file():
        return ctypes.CDLL(str(folder / name))
    if folder is not None and os.access(folder, os.W_OK):
        return _compile(source, flags, folder / name)
    with TemporaryDirectory(prefix="dia-", ignore_cleanup_errors=True) as private:
        return _compile(source, flags, Path(private) / name)


def _compile(source: Path, flags: Sequence[str], library: Path) -> ctypes.CDLL:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise FileNotFoundError("there is no C compiler")
    with atomic_entries(library.parent) as folder:  # a linker makes its file anew, so that no lock on it would hold
        command = [compiler, *_SHARED, *flags, str(source), "-o", str(folder / library.name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE)
    return ctypes.CDLL(str(library))


def _cache_folder() -> Path | None:
    """The folder for libraries, made if need be; None where others could write to it, for what is in it is run."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(caches) / "dia"
    if not folder.is_absolute():  # nobody knows where home is
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
