"""Who may generate now: as many requests as the engine has slots for; a bounded number waits. For asyncio."""

import asyncio
import time
from collections import deque

from dia.serving.errors import Code, ServingError

_SHARE = 0.25  # of the slots; so many requests more, since a request needs no slot while its last words are aligned
_REMEMBERED = 20  # requests whose mean duration estimates the time to wait


class Admission:
    """Places for requests that generate.

    Args:
        slots: of the engine.
        waiting: how many requests may wait for a place.
        wait_seconds: how long a request may wait.
    """

    def __init__(self, slots: int, waiting: int, wait_seconds: float) -> None:
        self.places, self._most_waiting, self._wait_seconds = slots + int(_SHARE * slots), waiting, wait_seconds
        self._free = asyncio.Semaphore(self.places)
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)
        self.waiting = self.running = 0

    async def enter(self, patient: bool = False) -> float:
        """Wait for a place, in the order of the calls.

        Args:
            patient: wait although the queue is full, and however long it takes: for the items of a batch.

        Returns:
            The time of the start, for `leave`.

        Raises:
            ServingError: too many requests wait already, or no place becomes free in time.
        """
        if self._free.locked() and self.waiting >= self._most_waiting and not patient:
            raise ServingError(
                Code.queue_full,
                f"{self.waiting} requests wait for {self.places} places; try again later.",
                retry_after=self.expected_wait,
            )
        self.waiting += 1
        try:
            async with asyncio.timeout(None if patient else self._wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise ServingError(
                Code.overloaded,
                f"no place became free within {self._wait_seconds:g} s; try again later.",
                retry_after=self.expected_wait,
            ) from None
        finally:
            self.waiting -= 1
        self.running += 1
        return time.monotonic()

    def leave(self, started: float) -> None:
        """Free a place."""
        self.running -= 1
        self._seconds.append(time.monotonic() - started)
        self._free.release()

    @property
    def expected_wait(self) -> float:
        """Seconds until a request that comes now would start, from the last durations; 1 to 60."""
        mean = sum(self._seconds) / len(self._seconds) if self._seconds else 1.0
        return min(60.0, max(1.0, mean * (self.waiting + 1) / self.places))


__all__ = ["Admission"]
