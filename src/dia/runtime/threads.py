"""Threads that compute: how many, how they wait, and for whom. Knows OpenMP; knows nothing of what is computed.

The number of threads and the way in which they wait belong to the whole process. Only a command chooses them, by
`wait_passively` before torch is imported and by `choose_threads` and `apply` once the model is loaded; a library call
changes neither.

GNU's OpenMP gives every thread that computes a pool of its own. As soon as all pools hold more threads than there are
cores, those that wait no longer do so awake but are sent to sleep, and each small step begins with waking them: a
stream then takes twice as long as the same call in the main thread.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import floor
from pathlib import Path
from threading import Thread, current_thread
from typing import Any

from dia.runtime.cores import CoreTimes, free_cores, usable_cores

_MAPS = Path("/proc/self/maps")
_POLICY = "OMP_WAIT_POLICY"
_CHOSEN_BY_USER = "OMP_NUM_THREADS"
_SMALL = 100_000_000  # parameters; a step of fewer is over before a second thread is awake
_NEARLY_FREE = 0.75  # of a core: less would make the other threads wait for the one that runs there
_SOFT = 1  # of OpenMP's two ways to give resources back: what was set stays set


@dataclass(frozen=True)
class ThreadChoice:
    """How many threads compute.

    Attributes:
        threads: 1 or more.
        reason: why so many, for `--verbose`.
    """

    threads: int
    reason: str

    def __str__(self) -> str:
        return f"{self.threads} {'thread' if self.threads == 1 else 'threads'}: {self.reason}"


def wait_passively() -> bool:
    """Let threads that wait sleep, in place of keeping their cores busy; for commands, before torch is imported.

    Spinning saves microseconds while every thread has a core of its own. Beside another busy process a thread spins
    while the one that it waits for cannot run. What the environment says already stays.

    Returns:
        Whether it has an effect: OpenMP reads the environment when it is loaded, which is with torch.
    """
    os.environ.setdefault(_POLICY, "PASSIVE")
    return "torch" not in sys.modules


def choose_threads(parameters: int, since: CoreTimes | None = None, wanted: int | None = None) -> ThreadChoice:
    """How many threads a model gains from on this machine at this time.

    Args:
        parameters: of the model that speaks.
        since: a measurement made when the command began; by default the cores are watched for 0.2 s.
        wanted: what the user asks for.

    Raises:
        ValueError: `wanted` is below 1.
    """
    if wanted is not None:
        if wanted < 1:
            raise ValueError(f"threads={wanted} must be 1 or more.")
        return ThreadChoice(wanted, "as asked for")
    if (given := os.environ.get(_CHOSEN_BY_USER, "")).isdecimal() and int(given) > 0:
        return ThreadChoice(int(given), f"{_CHOSEN_BY_USER} is set")
    if parameters < _SMALL:
        return ThreadChoice(1, f"a model of {parameters / 1e6:.0f} million parameters gains nothing from more")
    usable, free = usable_cores(), free_cores(since)
    if free is None:
        return ThreadChoice(usable, f"{usable} cores may be used; how many are free is not known")
    threads = max(1, min(usable, floor(free + 1 - _NEARLY_FREE)))
    return ThreadChoice(threads, f"{free:.1f} of {usable} usable cores are free")


def apply(choice: ThreadChoice) -> None:
    """Let torch compute with so many threads in this process, and operators not run beside each other."""
    import torch

    torch.set_num_threads(choice.threads)
    with suppress(RuntimeError):  # it cannot be changed any more
        torch.set_num_interop_threads(1)


def release_thread_pool() -> None:
    """End the pool of the calling thread, if OpenMP is GNU's; it gets a new one where it computes again."""
    if (library := _openmp()) is not None:
        library.omp_pause_resource_all(_SOFT)


def start(work: Callable[[], object], name: str) -> Thread:
    """A thread in which `work` computes for the calling one."""
    thread = Thread(target=work, name=name, daemon=True)
    release_thread_pool()
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


__all__ = ["ThreadChoice", "apply", "choose_threads", "join", "release_thread_pool", "start", "wait_passively"]
