"""Iterators that produce their items in a background thread. Independent of the items."""

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Generic, TypeVar
from weakref import finalize

from dia.runtime.forks import after_fork, lost_work
from dia.runtime.resources.threads import join, start

T = TypeVar("T")


class ClosingIterator(Generic[T]):
    """An iterator that closes its generator when a `for` loop over it ends, including by `break` or an exception.

    `next` takes one item and leaves the generator open.
    """

    def __init__(self, generator: Generator[T, None, object]) -> None:
        self._generator = generator

    def __iter__(self) -> Iterator[T]:
        try:
            yield from self._generator
        finally:
            self.close()

    def __next__(self) -> T:
        return next(self._generator)

    def close(self) -> None:
        """Stop the work and end the iteration."""
        self._generator.close()


class _Buffer(Generic[T]):
    """Items that are ready and not yet taken. Taking one lets the producer make the next."""

    def __init__(self, cancel: Event, buffered: int, timeout: float | None) -> None:
        self.cancel, self.timeout, self._free = cancel, timeout, Semaphore(buffered - 1)
        after_fork(self, _Buffer.abandon)
        self._queue: SimpleQueue[T | BaseException | None] = SimpleQueue()

    def fill(self, make: Callable[[], Iterable[T]]) -> None:
        """Produce items until `cancel` is set, then queue the end. An error is queued after the items before it."""
        try:
            for item in make():
                self._queue.put(item)
                self._free.acquire()
                if self.cancel.is_set():
                    break
        except BaseException as error:
            self._queue.put(error)
        else:
            self._queue.put(None)

    def take(self) -> T | None:
        """Return the next item, or None at the end."""
        try:
            item = self._queue.get(timeout=self.timeout)
        except Empty:
            raise TimeoutError(
                f"no item arrived within {self.timeout} s. Increase the timeout, or find out what blocks the producer."
            ) from None
        self._free.release()
        if not isinstance(item, BaseException):
            return item
        try:
            raise item
        finally:
            del item  # otherwise the error's traceback refers to the error itself, which delays freeing both

    def abandon(self) -> None:
        """End with an error in a forked process: the thread is missing, and may have held the locks of both parts."""
        self._free, self._queue = Semaphore(0), SimpleQueue()
        self._queue.put(lost_work())

    def stop(self, thread: Thread) -> None:
        """Cancel the work and wait up to `timeout` seconds for it to end."""
        self.cancel.set()
        self._free.release()
        join(thread, self.timeout)


def in_background(
    make: Callable[[], Iterable[T]], cancel: Event | None = None, buffered: int = 1, timeout: float | None = None
) -> Generator[T, None, None]:
    """Yield the items of `make()`, producing the next one while the caller uses the last one. No item may be None.

    The work begins with the first `next`. When the generator is closed, dropped, or ended by an exception, it sets
    `cancel` and waits for the work to end. Long work should check `cancel` now and then.

    Args:
        make: returns the iterable; called in the thread.
        cancel: set when no more items are wanted.
        buffered: how many items to produce in advance, 1 or more.
        timeout: seconds to wait for the next item, and for the end; None waits forever.

    Raises:
        TimeoutError: from the generator, if the next item does not arrive in time.
        Exception: from the generator, any error raised by the work.
    """
    buffer: _Buffer[T] = _Buffer(cancel or Event(), buffered, timeout)
    thread = start(partial(buffer.fill, make), "dia.runtime.background")
    # Also runs at exit: a thread that computes while the interpreter shuts down can crash it.
    stop = finalize(buffer, buffer.stop, thread)
    try:
        while (item := buffer.take()) is not None:
            yield item
    finally:
        stop()


__all__ = ["ClosingIterator", "in_background"]
