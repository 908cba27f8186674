"""Run tasks in several threads, and get their results in order. Independent of what the tasks do."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Generic, TypeVar

Result = TypeVar("Result")


class InOrder(Generic[Result]):
    """A limited number of running tasks, whose results come out in the order in which the tasks were added.

    Use it in a `with` block. Leaving the block sets `stop`, and waits for the tasks that are running; those that have
    not begun are dropped.

    Args:
        at_once: number of threads, and of results that may wait.
        stop: tasks should end early once it is set.
        name: of the threads.
    """

    def __init__(self, at_once: int, stop: Event, name: str) -> None:
        self._at_once, self._stop = at_once, stop
        self._pool = ThreadPoolExecutor(at_once, name)
        self._futures: deque[Future[Result]] = deque()

    def __enter__(self) -> "InOrder[Result]":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, task: Callable[[], Result]) -> Generator[Result, None, None]:
        """Start a task, and yield the oldest result first if too many are waiting; an error of a task is raised."""
        if len(self._futures) == self._at_once:
            yield self._futures.popleft().result()
        self._futures.append(self._pool.submit(task))

    def rest(self) -> Generator[Result, None, None]:
        """Yield the results of all tasks that were added."""
        while self._futures:
            yield self._futures.popleft().result()


__all__ = ["InOrder"]
