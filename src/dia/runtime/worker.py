"""A thread that runs short tasks in order. Independent of the tasks."""

import atexit
from collections import deque
from collections.abc import Callable
from threading import Thread

from dia.runtime.forks import Lock, after_fork
from dia.runtime.resources.threads import compute_with_one_thread, join, start

_STOP_SECONDS = 10.0


class Worker:
    """Runs tasks one after another in a thread, which starts with the first task and ends when there are none.

    A worker lives as long as the process.

    Args:
        name: of the thread.
        alone: whether the thread computes without help from others.
    """

    def __init__(self, name: str, alone: bool = False) -> None:
        self._name, self._alone, self._lock = name, alone, Lock()
        self._tasks: deque[Callable[[], object]] = deque()
        self._thread: Thread | None = None
        atexit.register(self._stop)  # a thread that computes while the interpreter shuts down can crash it
        after_fork(self, Worker._start_anew)

    def submit(self, task: Callable[[], object]) -> None:
        """Add a task. It must handle its own errors."""
        with self._lock:
            self._tasks.append(task)
            if self._thread is None:
                self._thread = start(self._run, self._name)

    def _run(self) -> None:
        if self._alone:
            compute_with_one_thread()
        while (task := self._next()) is not None:
            task()
            del task  # and what it refers to

    def _next(self) -> Callable[[], object] | None:
        """The next task, or None after the end of the thread has been noted."""
        with self._lock:
            if not self._tasks:
                self._thread = None
                return None
            return self._tasks.popleft()

    def _start_anew(self) -> None:
        """Drop the tasks of the parent in a forked process, where the thread is missing."""
        self._tasks.clear()
        self._thread = None

    def _stop(self) -> None:
        with self._lock:
            self._tasks.clear()
            thread = self._thread
        if thread is not None:
            join(thread, _STOP_SECONDS)


__all__ = ["Worker"]
