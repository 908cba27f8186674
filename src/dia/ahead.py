"""What is made a little before it is asked for, in a thread. Knows queues and who listens; nothing of what is made."""

from collections.abc import Callable, Generator, Iterable
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread, current_thread
from typing import Generic, TypeVar
from weakref import finalize

T = TypeVar("T")


class _Kept(Generic[T]):
    """What is made and not yet taken; `room` for one more is given back by who takes it."""

    def __init__(self, left: Event, room: int) -> None:
        self.left, self.room = left, Semaphore(room)
        self.queue: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def fill(self, make: Callable[[], Iterable[T]]) -> None:
        """Make one after the other until nobody listens; an error comes after what was made before it."""
        error: BaseException | None = None
        try:
            for item in make():
                self.queue.put((item, None))
                self.room.acquire()
                if self.left.is_set():
                    break
        except BaseException as raised:
            error = raised
        self.queue.put((None, error))

    def leave(self, thread: Thread) -> None:
        """Nobody listens any more; wait for the end of the work."""
        self.left.set()
        self.room.release()
        if thread is not current_thread():  # where the garbage of another thread is collected
            thread.join()


def ahead(
    make: Callable[[], Iterable[T]], left: Event | None = None, room: int = 1, timeout: float | None = None
) -> Generator[T, None, None]:
    """What `make()` yields; while one is used the next is made.

    The work begins with the first `next`. When the generator is closed or dropped, or who iterates raises an
    exception, `left` is set, and the work is waited for: what takes long should look at it now and then.

    Args:
        make: gives what is to be iterated, in the thread.
        left: set once nobody listens any more.
        room: how many are made ahead.
        timeout: seconds to wait for the next; None waits for ever.

    Raises:
        TimeoutError: from the generator, when the next did not come in time.
        Exception: from the generator, whatever was raised while making.
    """
    kept: _Kept[T] = _Kept(left or Event(), room)
    thread = Thread(target=kept.fill, args=(make,), name="dia.ahead", daemon=True)
    # At exit, too: a thread that computes while the interpreter goes away may take it along.
    stop = finalize(kept, kept.leave, thread)
    thread.start()
    try:
        while True:
            try:
                item, error = kept.queue.get(timeout=timeout)
            except Empty:
                raise TimeoutError(
                    f"nothing has come for {timeout} s; wait longer, or look what holds it up."
                ) from None
            if error is not None:
                raise error
            if item is None:
                return
            kept.room.release()
            yield item
    finally:
        stop()


__all__ = ["ahead"]
