"""Load the libraries of C files: those that a wheel holds, else compiled on first use and cached for the user.

The cache is the user's cache folder, if it is safe. Independent of the C code. DIA_NO_KERNEL=1 disables all kernels.
"""

import ctypes
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from dia.kernels.sources import (
    AMX_FLAGS,
    AVX512_FLAGS,
    PLAIN_FLAGS,
    Flags,
    checked_name,
    compile_library,
    is_whole,
    library_name,
)
from dia.runtime.files.atomic import atomic_file
from dia.runtime.files.folders import cache_folder
from dia.runtime.log import get_logger
from dia.runtime.resources.processor import has_amx, has_avx512

logger = get_logger(__name__)

# One text for all libraries, so that it is logged once.
_MISSING = (
    "The C kernels are neither in this installation nor can they be compiled, so slower kernels of PyTorch are used. "
    "Install a C compiler (cc, gcc or clang); `dia env` prints the reason. DIA_NO_KERNEL=1 hides this message."
)


def load_functions(
    source: Path,
    flags: Sequence[str],
    arguments: Mapping[str, Sequence[Any]],
    result: Any = None,
    optional: bool = False,
) -> Any | None:
    """Load a C file as a library with typed functions. If there is none, log a warning once and return None.

    Call it only where the CPU has the features that the flags ask for.

    Args:
        source: the C file.
        flags: compiler flags, see `compiled`.
        arguments: the `ctypes` argument types of each function.
        result: the `ctypes` result type of all functions; by default none.
        optional: whether the caller has another C kernel for this CPU; there is no warning then.
    """
    try:
        library = compiled(source, *flags)
        for name, types in arguments.items():
            function = getattr(library, name)
            function.argtypes, function.restype = types, result
    except (OSError, AttributeError, subprocess.SubprocessError) as error:
        logger.debug("no library of %s, using PyTorch's kernels instead: %s", source.name, error)
        if not (_disabled() or optional):
            logger.warning_once(_MISSING)
        return None
    return library


def load_with_tiles(source: Path, arguments: Mapping[str, Sequence[Any]]) -> Any | None:
    """Load a C file that includes `tiles.h`: for AMX where the process may use it, else for the CPU's vectors.

    The arguments and the result are those of `load_functions`. The library has the function `tiled`, too.
    """
    arguments = {**arguments, "permit": [], "tiled": []}
    for flags in tiled_flags():
        library = load_functions(source, flags, arguments, optional=flags == AMX_FLAGS)
        if library is not None:
            library.permit.restype, library.tiled.restype = ctypes.c_int, ctypes.c_long
            if not library.permit():
                return library
    return None


def tiled_flags() -> tuple[Flags, ...]:
    """How C files that include `tiles.h` may be compiled for this CPU, best first: `codec.c` and `network.c`."""
    if not runs_plain_kernels():
        return ()
    return (*([AMX_FLAGS] if has_amx() else []), AVX512_FLAGS if has_avx512() else PLAIN_FLAGS)


def runs_plain_kernels() -> bool:
    """Whether this CPU runs code that is compiled with `PLAIN_FLAGS`."""
    return not PLAIN_FLAGS or torch.backends.cpu.get_cpu_capability() not in ("DEFAULT", "NO AVX")


def compiled(source: Path, *flags: str) -> ctypes.CDLL:
    """Load a C file as a library: one beside it, where a wheel has it, else one compiled here.

    The library is compiled once per version and cached in the user's cache folder. A cached library that is damaged or
    cannot be loaded is compiled again. Without a cache folder that only this user can write to, the library is
    compiled for this process only. A library that was made of another version of the C file is never loaded.

    Args:
        source: the C file.
        flags: compiler flags in addition to those for optimization, OpenMP and a shared library.

    Raises:
        OSError: there is no compiler, the library cannot be loaded, or DIA_NO_KERNEL is set.
        subprocess.SubprocessError: the compiler fails.
    """
    if _disabled():
        raise OSError("DIA_NO_KERNEL is set")
    name = library_name(source, flags)
    found = _load_stored(source.parent, name)
    if found is not None:
        return found
    folder = _cache_folder()
    cached = None if folder is None else _load_stored(folder, name, remove=True)
    if cached is not None:
        return cached
    with TemporaryDirectory(prefix="dia-", ignore_cleanup_errors=True) as private:
        library = Path(private) / f"{name}.so"
        compile_library(source, flags, library)
        if folder is not None:
            with suppress(OSError):  # for example a full disk
                library = _store(library, folder)
        return ctypes.CDLL(str(library))


def _disabled() -> bool:
    return bool(os.environ.get("DIA_NO_KERNEL"))


def _store(library: Path, folder: Path) -> Path:
    """Copy a library into the cache under a name that ends in its checksum."""
    content = library.read_bytes()
    path = folder / checked_name(library.stem, content)
    with atomic_file(path) as partial:
        partial.write_bytes(content)
    return path


def _load_stored(folder: Path, name: str, remove: bool = False) -> ctypes.CDLL | None:
    """Load a library from a folder, or None. One that is damaged, or built for another system, may be removed.

    The checksum is compared first, because loading a truncated library kills the process with a bus error.
    """
    for path in folder.glob(f"{name}-*.so"):
        try:
            if is_whole(path):
                return ctypes.CDLL(str(path))
            problem: object = "its checksum is wrong"
        except OSError as error:
            problem = error
        logger.debug("not using %s: %s", path, problem)
        if remove:
            with suppress(OSError):
                path.unlink()
    return None


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


__all__ = ["PLAIN_FLAGS", "compiled", "load_functions", "load_with_tiles", "runs_plain_kernels", "tiled_flags"]
