"""Run tasks in several threads, and get their results in order. Independent of what the tasks do."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Event, Thread, current_thread
from typing import Generic, TypeVar
from weakref import finalize

from dia.runtime.resources.threads import join, start

Result = TypeVar("Result")
_Work = SimpleQueue[tuple[Future[Result], Callable[[], Result]] | None]
_STOP_SECONDS = 10.0


class InOrder(Generic[Result]):
    """A limited number of running tasks, whose results come out in the order in which the tasks were added.

    Use it in a `with` block. Leaving the block sets `stop`, and waits for the tasks that are running; those that have
    not begun are dropped. The end of the program does the same.

    Args:
        at_once: number of threads, and of results that may wait.
        stop: tasks should end early once it is set.
        name: of the threads.
        prepare: called first in each thread.
    """

    def __init__(self, at_once: int, stop: Event, name: str, prepare: Callable[[], None] = lambda: None) -> None:
        self._at_once, self._stop, self._name, self._prepare = at_once, stop, name, prepare
        self._futures: deque[Future[Result]] = deque()
        self._work: _Work[Result] = SimpleQueue()
        self._threads: list[Thread] = []
        self._owner = current_thread()
        self._at_exit = finalize(self, _end, stop, self._futures, self._work, self._threads)

    def __enter__(self) -> "InOrder[Result]":
        return self

    def __exit__(self, *_: object) -> None:
        if current_thread() is self._owner:
            self._at_exit()
        else:  # garbage collection may leave the block in a thread that the tasks wait for
            self._stop.set()

    def add(self, task: Callable[[], Result]) -> Generator[Result, None, None]:
        """Start a task, and yield the oldest result first if too many are waiting; an error of a task is raised."""
        if len(self._futures) == self._at_once:
            yield self._futures.popleft().result()
        future = Future[Result]()
        self._futures.append(future)
        self._work.put((future, task))
        if len(self._threads) < self._at_once:
            work, prepare = self._work, self._prepare
            self._threads.append(start(lambda: _run(work, prepare), self._name))

    def rest(self) -> Generator[Result, None, None]:
        """Yield the results of all tasks that were added."""
        while self._futures:
            yield self._futures.popleft().result()


def _run(work: "_Work[Result]", prepare: Callable[[], None]) -> None:
    prepare()
    while (item := work.get()) is not None:
        future, task = item
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(task())
            except BaseException as error:
                future.set_exception(error)
        del item, future, task  # and what they refer to


def _end(stop: Event, futures: "deque[Future[Result]]", work: "_Work[Result]", threads: list[Thread]) -> None:
    stop.set()
    for future in futures:
        future.cancel()
    for _ in threads:
        work.put(None)
    for thread in threads:
        join(thread, _STOP_SECONDS)


__all__ = ["InOrder"]
