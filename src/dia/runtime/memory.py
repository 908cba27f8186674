"""What a model holds of the machine's memory: no more than it needs, and where it is read fastest.

Weights leave the mapping of their file for memory of their own, which a CPU reads faster: on the machine this was
written on 1.6 times, for a file's pages lie scattered. Weights that have been made into others stay in the file. What
was freed is given back. Knows tensors, and what Linux, glibc and oneDNN can be told; elsewhere it does nothing.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn

_MAPS = Path("/proc/self/maps")
_DONT_NEED, _PAGE_OUT = 4, 21  # of madvise
_SHAPES = "64"
_CACHES = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")  # PyTorch's own, and that of oneDNN below it


def to_own_memory(model: nn.Module) -> None:
    """Copy every parameter that lies in a mapped file, one after the other, and let go of the file's pages.

    At no time are there more than one parameter's pages twice. Where the system does not tell what is mapped, nothing
    is copied.
    """
    ranges = _file_ranges()
    for weight in model.parameters():
        begin = weight.data_ptr()
        if any(start <= begin < end for start, end in ranges):
            mapped = weight.data
            weight.data = mapped.clone()
            _advise(mapped, _DONT_NEED)


def leave_in_file(weights: Iterable[Tensor]) -> None:
    """Weights of a mapped file that will hardly be read again: they take no memory until they are.

    What was written to them since stays: the system drops only what it can read again from where it was.
    """
    ranges = _file_ranges()
    for weight in weights:
        if any(start <= weight.data_ptr() < end for start, end in ranges):
            _advise(weight, _PAGE_OUT)


def release_free_memory() -> None:
    """What was freed, to the system: glibc would keep it, half a gigabyte and more, in holes between what stays."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def keep_few_shapes() -> None:
    """Limit the CPU kernels that PyTorch caches to the last 64 shapes, for commands; variables that are set stay.

    Its own limit is a thousand of each kind: texts and takes of all lengths add half a gigabyte in an hour of speech.
    The limits are environment variables, read at the first matrix product of the process; a library call sets none.
    """
    for name in _CACHES:
        os.environ.setdefault(name, _SHAPES)


def _file_ranges() -> list[tuple[int, int]]:
    try:
        lines = [line.split(maxsplit=5) for line in _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return []
    named = (line[0].split("-") for line in lines if len(line) == 6 and line[5].startswith("/"))
    return [(int(start, 16), int(end, 16)) for start, end in named]


def _advise(mapped: Tensor, advice: int) -> None:
    """Tell the system what becomes of the whole pages of a tensor; what is in the file stays there."""
    size = mapped.numel() * mapped.element_size()
    begin = -(-mapped.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
    pages = (mapped.data_ptr() + size - begin) // mmap.PAGESIZE
    if pages > 0:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(begin), ctypes.c_size_t(pages * mmap.PAGESIZE), advice)


__all__ = ["keep_few_shapes", "leave_in_file", "release_free_memory", "to_own_memory"]
