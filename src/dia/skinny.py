"""Kernels for the few rows of a decoder step on a CPU, products, norms, attention: `skinny.c`, compiled on first use.

Knows compilers and shapes, nothing of models. Where there is no compiler, or the CPU lacks bfloat16, there is
no kernel. The compiled file is kept in the user's cache, if that is safe; DIA_NO_KERNEL=1 leaves it all out.
"""

import ctypes
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import logging

from dia.atomic import atomic_file

logger = logging.get_logger(__name__)

_SOURCE = Path(__file__).with_name("skinny.c")
_FLAGS = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512bf16", "-fno-math-errno")
_SHARED = ("-O3", "-fopenmp", "-shared", "-fPIC")
_ROWS = 16  # of the input; with more, torch's own kernel is as fast
_LANES = 32  # numbers in a vector
_PATIENCE = 60  # seconds for a compiler that takes one


def skinny_linear(weight: Tensor) -> Callable[[Tensor], Tensor] | None:
    """`linear(x)` for a bfloat16 weight [out, in] on the CPU that reads it once at the memory's speed, or None.

    It takes x [N, in] and gives [N, out]; more than 16 rows, rows with gaps or of another dtype go to torch.
    """
    fits = weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and weight.is_contiguous()
    if not fits or weight.shape[1] % _LANES or type(weight) not in (Tensor, nn.Parameter):
        return None
    kernel = _kernel()
    if kernel is None:
        return None
    outputs, inputs, address = *weight.shape, weight.data_ptr()

    def linear(x: Tensor) -> Tensor:
        if len(x) > _ROWS or x.dtype != weight.dtype or not x.is_contiguous():
            return nn.functional.linear(x, weight)
        y = x.new_empty(len(x), outputs)
        shape = len(x), outputs, inputs
        kernel.skinny_linear(x.data_ptr(), address, y.data_ptr(), *shape, torch.get_num_threads())
        return y

    return linear


def skinny_norm(weight: Tensor, eps: float) -> Callable[[Tensor], Tensor] | None:
    """`norm(x)`, root mean square, of rows [N, width] for a bfloat16 weight [width] on the CPU, or None."""
    kernel = _kernel() if weight.device.type == "cpu" and weight.dtype == torch.bfloat16 else None
    if kernel is None or not weight.is_contiguous() or type(weight) not in (Tensor, nn.Parameter):
        return None

    def norm(x: Tensor) -> Tensor:
        if x.dtype != weight.dtype or not x.is_contiguous():
            return torch.rms_norm(x, weight.shape, weight, eps)
        y = torch.empty_like(x)
        kernel.norm_rows(x.data_ptr(), weight.data_ptr(), y.data_ptr(), x.numel() // len(weight), len(weight), eps)
        return y

    return norm


def skinny_attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float) -> Tensor | None:
    """Attention of one row in bfloat16 on the CPU: query [N, G, Q, D] over [N, G, S, D] → [N, G, Q, D], or None.

    Args:
        query: queries of one row; those that share a key head, Q, stand together.
        keys: read along S: their transpose is contiguous.
        values: contiguous.
        mask: added to the scores, [N, 1, 1, S].
        scale: of the scores.
    """
    along, given = keys.transpose(2, 3), [query, values] if mask is None else [query, values, mask]
    kernel = _kernel() if all(x.dtype == torch.bfloat16 and x.is_contiguous() for x in (along, *given)) else None
    if kernel is None or query.device.type != "cpu":
        return None
    (clips, heads, queries, width), length = query.shape, keys.shape[2]
    y = torch.empty_like(query)
    addresses = query.data_ptr(), along.data_ptr(), values.data_ptr(), None if mask is None else mask.data_ptr()
    sizes = clips * heads, heads, queries, length, width
    kernel.attend_text(*addresses, y.data_ptr(), *sizes, scale, torch.get_num_threads())
    return y


@cache
def _kernel() -> Any:
    """The compiled functions, or None; the attempt is made once for each process."""
    if not getattr(torch.cpu, "_is_avx512_bf16_supported", bool)():
        return None
    try:
        library = compiled(_SOURCE, *_FLAGS)
    except (OSError, subprocess.SubprocessError) as error:
        logger.debug("no kernel of our own for the CPU, torch's is used: %s", error)
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_long
    arguments = {
        "skinny_linear": [pointer] * 3 + [number] * 3 + [ctypes.c_int],
        "norm_rows": [pointer] * 3 + [number] * 2 + [ctypes.c_float],
        "attend_text": [pointer] * 5 + [number] * 5 + [ctypes.c_float, ctypes.c_int],
    }
    for name, types in arguments.items():
        function = getattr(library, name)
        function.argtypes, function.restype = types, None
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
    with atomic_file(library) as partial:
        command = [compiler, *_SHARED, *flags, str(source), "-o", str(partial)]
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


__all__ = ["compiled", "skinny_linear"]
