"""Reduce a model's memory use and move its weights to where the CPU reads them fastest.

Memory-mapped weights are copied to ordinary memory, from which a CPU reads faster (1.6 times on one machine, because
the pages of a file are scattered). Weights that were converted to another format are paged out. Freed memory goes
back to the system. Uses calls of Linux and glibc; does nothing on other systems.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn

from dia.runtime.resources.cores import usable_cores

_MAPS = Path("/proc/self/maps")
_DONT_NEED, _PAGE_OUT = 4, 21  # MADV_DONTNEED and MADV_PAGEOUT
_HEAPS = {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"}  # variables of glibc
_CORES_PER_HEAP = 4
_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h
_SHAPES = "64"
_CACHES = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")  # of PyTorch and of oneDNN


def copy_mapped_weights(model: nn.Module) -> None:
    """Copy every memory-mapped parameter to ordinary memory, one at a time, and release the file's pages.

    At any time, at most one parameter is in memory twice. Nothing is copied on systems without `/proc/self/maps`.
    """
    ranges = _file_ranges()
    for weight in model.parameters():
        begin = weight.data_ptr()
        if any(start <= begin < end for start, end in ranges):
            mapped = weight.data
            weight.data = mapped.clone()
            _advise(mapped, _DONT_NEED)


def page_out_weights(weights: Iterable[Tensor]) -> None:
    """Page out memory-mapped weights that are rarely read. They take no memory until they are read again.

    Changes to the weights are kept: the system drops only pages that it can read again.
    """
    ranges = _file_ranges()
    for weight in weights:
        if any(start <= weight.data_ptr() < end for start, end in ranges):
            _advise(weight, _PAGE_OUT)


def release_free_memory() -> None:
    """Return freed memory to the system. Otherwise glibc keeps half a gigabyte or more in a fragmented heap."""
    _glibc("malloc_trim", 0)


def limit_process() -> None:
    """Limit what a process that generates for hours keeps: kernel caches and heaps. For commands and replicas only."""
    limit_kernel_caches()
    share_heaps()


def share_heaps() -> None:
    """Let all threads share one heap for every four cores. For commands only, before they start threads.

    By default glibc gives threads heaps of their own, up to eight for each core, and each keeps what is freed in it.
    The variable `MALLOC_ARENA_MAX` or `GLIBC_TUNABLES`, if set, decides instead.
    """
    if not os.environ.keys() & _HEAPS:
        _glibc("mallopt", _ARENA_MAX, max(1, usable_cores() // _CORES_PER_HEAP))


def limit_kernel_caches() -> None:
    """Limit PyTorch's caches of CPU kernels to the last 64 shapes. For commands only.

    The default limit is about a thousand shapes per kind of kernel. Texts and takes of many lengths then add half a
    gigabyte in an hour of speech. The limits are environment variables that are read at the first matrix product of
    the process. Variables that are already set are kept.
    """
    for name in _CACHES:
        os.environ.setdefault(name, _SHAPES)


def _glibc(name: str, *arguments: int) -> None:
    """Call a function of glibc; does nothing where there is none of that name."""
    if sys.platform == "linux" and (function := getattr(ctypes.CDLL(None), name, None)) is not None:
        function(*arguments)


def _file_ranges() -> list[tuple[int, int]]:
    try:
        lines = [line.split(maxsplit=5) for line in _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return []
    named = (line[0].split("-") for line in lines if len(line) == 6 and line[5].startswith("/"))
    return [(int(start, 16), int(end, 16)) for start, end in named]


def _advise(mapped: Tensor, advice: int) -> None:
    """Call madvise for all complete pages of a tensor. The file is not changed."""
    size = mapped.numel() * mapped.element_size()
    begin = -(-mapped.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
    pages = (mapped.data_ptr() + size - begin) // mmap.PAGESIZE
    if pages > 0:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(begin), ctypes.c_size_t(pages * mmap.PAGESIZE), advice)


__all__ = [
    "copy_mapped_weights",
    "limit_kernel_caches",
    "limit_process",
    "page_out_weights",
    "release_free_memory",
    "share_heaps",
]
