"""What is made a little before it is asked for, in a thread. Knows queues and who listens; nothing of what is made."""

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Generic, TypeVar
from weakref import finalize

from dia.runtime.threads import join, start

T = TypeVar("T")


class Listening(Generic[T]):
    """An iterator that closes its generator when a `for` loop over it is left, by whatever way, though it has a name.

    `next` takes one and leaves it open.
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
        """Take no more; the work ends."""
        self._generator.close()


class _Kept(Generic[T]):
    """What is made and not yet taken; who takes one gives room for the next."""

    def __init__(self, left: Event, room: int, timeout: float | None) -> None:
        self.left, self.timeout, self._room = left, timeout, Semaphore(room - 1)
        self._queue: SimpleQueue[T | BaseException | None] = SimpleQueue()

    def fill(self, make: Callable[[], Iterable[T]]) -> None:
        """Make one after the other until nobody listens; an error comes after what was made before it."""
        try:
            for item in make():
                self._queue.put(item)
                self._room.acquire()
                if self.left.is_set():
                    return
        except BaseException as error:
            self._queue.put(error)
        else:
            self._queue.put(None)

    def take(self) -> T | None:
        """The next; None where there is none."""
        try:
            item = self._queue.get(timeout=self.timeout)
        except Empty:
            raise TimeoutError(
                f"nothing has come for {self.timeout} s; wait longer, or look what holds it up."
            ) from None
        self._room.release()
        if not isinstance(item, BaseException):
            return item
        try:
            raise item
        finally:
            del item  # an error that is held by its own traceback is freed late

    def leave(self, thread: Thread) -> None:
        """Nobody listens any more; wait for the end of the work, no longer than for anything else."""
        self.left.set()
        self._room.release()
        join(thread, self.timeout)


def ahead(
    make: Callable[[], Iterable[T]], left: Event | None = None, room: int = 1, timeout: float | None = None
) -> Generator[T, None, None]:
    """What `make()` yields, never None; while one is used the next is made.

    The work begins with the first `next`. When the generator is closed or dropped, or who iterates raises an
    exception, `left` is set, and the work is waited for: what takes long should look at it now and then.

    Args:
        make: gives what is to be iterated, in the thread.
        left: set once nobody listens any more.
        room: how many are made ahead, 1 or more.
        timeout: seconds to wait for the next, and for the end; None waits for ever.

    Raises:
        TimeoutError: from the generator, when the next did not come in time.
        Exception: from the generator, whatever was raised while making.
    """
    kept: _Kept[T] = _Kept(left or Event(), room, timeout)
    thread = start(partial(kept.fill, make), "dia.runtime.background")
    # At exit, too: a thread that computes while the interpreter goes away may take it along.
    stop = finalize(kept, kept.leave, thread)
    try:
        while (item := kept.take()) is not None:
            yield item
    finally:
        stop()


__all__ = ["Listening", "ahead"]
