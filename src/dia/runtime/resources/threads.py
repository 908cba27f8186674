"""Choose the number of compute threads and how they wait, and manage OpenMP's thread pools.

The number of threads and how they wait are settings of the whole process. Only a command changes them, by
`wait_passively` before torch is imported and by `choose_threads` and `apply` after the model is loaded. Library calls
change neither.

GNU OpenMP has a thread pool for every thread that computes. When all pools together have more threads than there are
cores, waiting threads sleep instead of spinning, and every small step has to wake them. A stream then takes twice as
long as the same call in the main thread. `start` therefore releases the pool of the calling thread.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import floor
from pathlib import Path
from threading import Thread, current_thread, get_native_id
from time import monotonic
from typing import Any
from weakref import finalize

from dia.runtime.limits import THREADS
from dia.runtime.resources.cores import CoreTimes, free_cores, usable_cores

_MAPS = Path("/proc/self/maps")
_POLICY = "OMP_WAIT_POLICY"
_CHOSEN_BY_USER = "OMP_NUM_THREADS"
SMALL = 100_000_000  # parameters; a step of a smaller model ends before a second thread wakes up
_NEARLY_FREE = 0.75  # share of a core; with less, the other threads wait for the one on that core
_SOFT = 1  # omp_pause_soft: releases resources but keeps settings
_END_SECONDS = 60.0  # that the end of the program waits for threads; a step of a large model takes seconds


@dataclass(frozen=True)
class ThreadChoice:
    """A number of compute threads.

    Attributes:
        threads: 1 or more.
        reason: the reason for this number, for `--verbose`.
    """

    threads: int
    reason: str

    def __str__(self) -> str:
        return f"{self.threads} {'thread' if self.threads == 1 else 'threads'}: {self.reason}"


def wait_passively() -> bool:
    """Make waiting threads sleep instead of spin. For commands, before torch is imported.

    Spinning saves microseconds if every thread has its own core. Next to another busy process, a thread spins on the
    core that the thread it waits for needs. An existing value in the environment is kept.

    Returns:
        Whether it has an effect: OpenMP reads the environment when it is loaded with torch.
    """
    os.environ.setdefault(_POLICY, "PASSIVE")
    return "torch" not in sys.modules


def choose_threads(parameters: int, since: CoreTimes | None = None, wanted: int | None = None) -> ThreadChoice:
    """Choose the number of threads that is fastest for a model on this machine at this time.

    Args:
        parameters: the number of parameters of the model.
        since: a measurement from the start of the command; by default, measures for 0.2 s.
        wanted: the number that the user has requested.

    Raises:
        TypeError, ValueError: `wanted` is not in `THREADS`.
    """
    if wanted is not None:
        THREADS.check("threads", wanted)
        return ThreadChoice(wanted, "as requested")
    if (given := os.environ.get(_CHOSEN_BY_USER, "")).isdecimal() and int(given) in THREADS:
        return ThreadChoice(int(given), f"{_CHOSEN_BY_USER} is set")
    if parameters < SMALL:
        return ThreadChoice(1, f"a model of {parameters / 1e6:.0f} million parameters is not faster with more")
    usable, free = usable_cores(), free_cores(since)
    if free is None:
        return ThreadChoice(usable, f"{usable} cores are usable; the number of free cores is unknown")
    threads = max(1, min(usable, floor(free + 1 - _NEARLY_FREE)))
    return ThreadChoice(threads, f"{free:.1f} of {usable} usable cores are free")


def apply(choice: ThreadChoice) -> None:
    """Set torch's number of threads in this process, and disable parallelism between operators."""
    import torch

    torch.set_num_threads(choice.threads)
    with suppress(RuntimeError):  # too late to change it
        torch.set_num_interop_threads(1)


def release_thread_pool() -> None:
    """End the calling thread's pool in GNU OpenMP. The thread gets a new pool when it computes again."""
    if (library := _openmp()) is not None:
        library.omp_pause_resource_all(_SOFT)


class _Thread(Thread):
    """A thread that the end of the program waits for.

    One that computes, or frees tensors, while the interpreter shuts down can crash it.
    """


def _join_all() -> None:
    """Wait for the threads of `start`, whose owners have stopped them."""
    deadline = monotonic() + _END_SECONDS
    while running := [
        one for one in threading.enumerate() if isinstance(one, _Thread) and one is not current_thread()
    ]:
        if (left := deadline - monotonic()) <= 0:
            return
        running[0].join(left)


finalize(_Thread, _join_all)  # finalizers run in reverse order at exit: after those that stop threads


def start(work: Callable[[], object], name: str) -> Thread:
    """Start a daemon thread that runs `work`, after releasing the thread pool of the calling thread.

    The end of the program waits for it. Whoever starts it stops it then, by `atexit` or `finalize`.
    """

    def run() -> None:
        show_name(name)
        work()

    thread = _Thread(target=run, name=name, daemon=True)
    release_thread_pool()
    thread.start()
    return thread


def show_name(name: str) -> None:
    """Show a name of the calling thread in tools such as `top -H`, as Python does from 3.14 on.

    Linux keeps 15 bytes.
    """
    with suppress(OSError):
        Path(f"/proc/self/task/{get_native_id()}/comm").write_text(name)


def compute_with_one_thread() -> None:
    """Make the calling thread compute without help from others. Other threads keep their settings."""
    import torch

    torch.get_num_threads()  # gives this thread torch's setting first
    if (library := _openmp()) is not None:
        library.omp_set_num_threads(1)


def join(thread: Thread, timeout: float | None) -> None:
    """Wait for a thread to end, unless it is the current one: garbage collection may call this in any thread."""
    if thread is not current_thread():
        thread.join(timeout)


@cache
def _openmp() -> Any:
    """GNU OpenMP as loaded by torch; None with another OpenMP library or on another system."""
    try:
        lines = _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()
        path = next(line.split()[-1] for line in lines if "libgomp" in line)
        library = ctypes.CDLL(path)
        return library if hasattr(library, "omp_pause_resource_all") else None
    except (OSError, StopIteration):
        return None


__all__ = [
    "ThreadChoice",
    "apply",
    "choose_threads",
    "compute_with_one_thread",
    "join",
    "release_thread_pool",
    "show_name",
    "start",
    "wait_passively",
]
