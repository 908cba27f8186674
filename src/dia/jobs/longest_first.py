"""Run tasks in several threads, the longest of the next few first. Independent of what the tasks do.

The number of tasks in memory is limited, so the tasks may be generated without end.
"""

import heapq
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Task(Generic[Result]):
    """A function to call in a thread.

    Attributes:
        length: how long it is expected to take, in any unit.
        call: the function.
    """

    length: float
    call: Callable[[], Result] = field(compare=False)


def run_longest_first(
    tasks: Iterable[Task[Result] | Result], at_once: int, window: int, stop: Event
) -> Generator[Result, None, None]:
    """Yield the results of tasks as they are finished. An error of a task is raised.

    At the end, also when the generator is closed, `stop` is set and the running tasks are waited for.

    Args:
        tasks: tasks, or results that need no work.
        at_once: number of threads.
        window: number of tasks among which the longest is chosen.
        stop: tasks should end early once it is set.
    """
    order, source = count(), iter(tasks)
    waiting: list[tuple[float, int, Task[Result]]] = []
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
                    heapq.heappush(waiting, (-item.length, next(order), item))
                else:
                    yield item
            while waiting and len(running) < at_once:
                running.add(pool.submit(heapq.heappop(waiting)[2].call))
            if running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


__all__ = ["Task", "run_longest_first"]
