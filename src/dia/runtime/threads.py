"""Threads that compute for a thread. Knows OpenMP's library; knows nothing of what is computed.

GNU's OpenMP gives every thread that computes a pool of its own. As soon as all pools hold more threads than there are
cores, those that wait no longer do so awake but are sent to sleep, and each small step begins with waking them: a
stream then takes twice as long as the same call in the main thread.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Thread, current_thread
from typing import Any

_MAPS = Path("/proc/self/maps")
_SOFT = 1  # of OpenMP's two ways to give resources back: what was set stays set


def give_back() -> None:
    """End the pool of the calling thread, if OpenMP is GNU's; it gets a new one where it computes again."""
    if (library := _openmp()) is not None:
        library.omp_pause_resource_all(_SOFT)


def start(work: Callable[[], object], name: str) -> Thread:
    """A thread in which `work` computes for the calling one."""
    thread = Thread(target=work, name=name, daemon=True)
    give_back()
    thread.start()
    return thread


def join(thread: Thread, timeout: float | None) -> None:
    """Wait for a thread's end, but not in itself: the garbage of one thread may be collected in another."""
    if thread is not current_thread():
        thread.join(timeout)


@cache
def _openmp() -> Any:
    """The library that torch computes with; None where it is another, or another system."""
    try:
        lines = _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()
        path = next(line.split()[-1] for line in lines if "libgomp" in line)
        library = ctypes.CDLL(path)
        return library if hasattr(library, "omp_pause_resource_all") else None
    except (OSError, StopIteration):
        return None


__all__ = ["give_back", "join", "start"]
