"""Compile C files on first use, and cache the libraries in the user's cache folder if it is safe.

Independent of the C code. DIA_NO_KERNEL=1 disables all kernels.
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

import torch

from dia.runtime.files.atomic import atomic_file
from dia.runtime.files.folders import cache_folder
from dia.runtime.log import get_logger

logger = get_logger(__name__)

# For C without intrinsics, which the compiler turns into vectors; see `runs_plain_kernels`.
PLAIN_FLAGS = ("-mavx2", "-mfma", "-fno-math-errno") if platform.machine() in ("x86_64", "AMD64") else ()
_SHARED = ("-O3", "-fopenmp", "-shared", "-fPIC")
_TIMEOUT = 60  # seconds; the compiler needs about one


def load_functions(
    source: Path, flags: Sequence[str], arguments: Mapping[str, Sequence[Any]], result: Any = None
) -> Any | None:
    """Load a C file as a library with typed functions. If it cannot be compiled, log it at debug level, return None.

    Args:
        source: the C file.
        flags: compiler flags, see `compiled`.
        arguments: the `ctypes` argument types of each function.
        result: the `ctypes` result type of all functions; by default none.
    """
    try:
        library = compiled(source, *flags)
        for name, types in arguments.items():
            function = getattr(library, name)
            function.argtypes, function.restype = types, result
    except (OSError, AttributeError, subprocess.SubprocessError) as error:
        logger.debug("cannot compile %s, using PyTorch's kernels instead: %s", source.name, error)
        return None
    return library


def runs_plain_kernels() -> bool:
    """Whether this CPU runs code that is compiled with `PLAIN_FLAGS`."""
    return not PLAIN_FLAGS or torch.backends.cpu.get_cpu_capability() not in ("DEFAULT", "NO AVX")


def compiled(source: Path, *flags: str) -> ctypes.CDLL:
    """Load a C file as a library, compiled once per version and cached in the user's cache folder.

    A cached library that is damaged or cannot be loaded is compiled again. Without a cache folder that only this user
    can write to, the library is compiled for this process only.

    Args:
        source: the C file.
        flags: compiler flags in addition to those for optimization, OpenMP and a shared library.

    Raises:
        OSError: there is no compiler, the library cannot be loaded, or DIA_NO_KERNEL is set.
        subprocess.SubprocessError: the compiler fails.
    """
    if os.environ.get("DIA_NO_KERNEL"):
        raise OSError("DIA_NO_KERNEL is set")
    version = _checksum(source.read_bytes() + " ".join(flags).encode())
    name, folder = f"{source.stem}-{platform.machine()}-{version}", _cache_folder()
    cached = None if folder is None else _load_cached(folder, name)
    if cached is not None:
        return cached
    with TemporaryDirectory(prefix="dia-", ignore_cleanup_errors=True) as private:
        library = Path(private) / f"{name}.so"
        _compile(source, flags, library)
        if folder is not None:
            with suppress(OSError):  # for example a full disk
                library = _store(library, folder)
        return ctypes.CDLL(str(library))


def _compile(source: Path, flags: Sequence[str], library: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise FileNotFoundError("no C compiler found")
    command = [compiler, *_SHARED, *flags, str(source), "-o", str(library)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT)


def _store(library: Path, folder: Path) -> Path:
    """Copy a library into the cache under a name that ends in its checksum."""
    content = library.read_bytes()
    path = folder / f"{library.stem}-{_checksum(content)}.so"
    with atomic_file(path) as partial:
        partial.write_bytes(content)
    return path


def _load_cached(folder: Path, name: str) -> ctypes.CDLL | None:
    """Load a library from the cache. A library that is damaged, or built for another system, is removed.

    The checksum is compared first, because loading a truncated library kills the process with a bus error.
    """
    for path in folder.glob(f"{name}-*.so"):
        try:
            if path.stem.endswith(_checksum(path.read_bytes())):
                return ctypes.CDLL(str(path))
            problem: object = "its checksum is wrong"
        except OSError as error:
            problem = error
        logger.debug("compiling %s again: %s", path, problem)
        with suppress(OSError):
            path.unlink()
    return None


def _checksum(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def _cache_folder() -> Path | None:
    """The folder for libraries, created if necessary; None if other users can write to it, because its code is run."""
    if (folder := cache_folder()) is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.stat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (status.st_uid not in (0, os.getuid()) or status.st_mode & 0o022):
        return None
    return folder


__all__ = ["PLAIN_FLAGS", "compiled", "load_functions", "runs_plain_kernels"]
