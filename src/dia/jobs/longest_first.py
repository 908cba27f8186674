"""Run tasks in several threads, the longest of the next few first. Independent of what the tasks do.

The number of tasks in memory is limited, so the tasks may be generated without end. No task waits forever behind
longer ones.
"""

import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from typing import Generic, TypeVar

Result = TypeVar("Result")
_PATIENCE = 4


@dataclass(frozen=True)
class Task(Generic[Result]):
    """A function to call in a thread.

    Attributes:
        length: how long it is expected to take, in any unit.
        call: the function.
    """

    length: float
    call: Callable[[], Result] = field(compare=False)


class _Waiting(Generic[Result]):
    """Tasks that wait. The longest is next, unless the oldest has waited for `patience` others."""

    def __init__(self, patience: int) -> None:
        self._patience, self._started, self._orders = patience, 0, count()
        self._tasks: dict[int, Task[Result]] = {}
        self._by_length: list[tuple[float, int]] = []
        self._by_age: deque[tuple[int, int]] = deque()  # with the number of tasks that had been started before it came

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, task: Task[Result]) -> None:
        """Add a task."""
        order = next(self._orders)
        self._tasks[order] = task
        heapq.heappush(self._by_length, (-task.length, order))
        self._by_age.append((order, self._started))

    def take(self) -> Task[Result]:
        """Remove the next task."""
        while self._by_age[0][0] not in self._tasks:
            self._by_age.popleft()
        order, started = self._by_age[0]
        if self._started - started < self._patience:
            order = heapq.heappop(self._by_length)[1]
            while order not in self._tasks:  # taken for its age
                order = heapq.heappop(self._by_length)[1]
        self._started += 1
        return self._tasks.pop(order)


def run_longest_first(
    tasks: Iterable[Task[Result] | Result], at_once: int, window: int, stop: Event
) -> Generator[Result, None, None]:
    """Yield the results of tasks as they are finished. An error of a task is raised.

    At the end, also when the generator is closed, `stop` is set and the running tasks are waited for.

    Args:
        tasks: tasks, or results that need no work.
        at_once: number of threads.
        window: number of tasks among which the longest is chosen; none waits for more than `_PATIENCE` times as many.
        stop: tasks should end early once it is set.
    """
    source, waiting = iter(tasks), _Waiting[Result](_PATIENCE * window)
    running: set[Future[Result]] = set()
    pool = ThreadPoolExecutor(at_once, "dia.row")
    more = True
    try:
        while more or waiting or running:
            while more and len(waiting) < window and not any(future.done() for future in running):
                item = next(source, None)
                if item is None:
                    more = False
                elif isinstance(item, Task):
                    waiting.add(item)
                else:
                    yield item
            while waiting and len(running) < at_once:
                running.add(pool.submit(waiting.take().call))
            if running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


__all__ = ["Task", "run_longest_first"]
