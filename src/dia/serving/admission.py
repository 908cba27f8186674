"""Who may generate now: requests for as many clips as the engine has slots; a bounded number waits. For asyncio."""

import asyncio
import time
from collections import deque
from contextvars import ContextVar
from typing import NamedTuple

from dia.serving.errors import Code, ServingError

_SHARE = 0.25  # of the slots; so many requests more, since a request needs no slot while its last words are aligned
_REMEMBERED = 20  # requests whose mean duration estimates the time to wait

# When the request arrived, in seconds since 1970, if another process received it: the time there counts as waiting.
arrived: ContextVar[float | None] = ContextVar("arrived", default=None)


def places_for(slots: int) -> int:
    """How many places for requests an engine with so many slots has."""
    return slots + int(_SHARE * slots)


class Entry(NamedTuple):
    """A request that has its places: when it started, and how many it has."""

    started: float
    places: int


class Admission:
    """Places for requests that generate. A request has one place for each slot that it may use at once.

    Args:
        slots: of the engine.
        waiting: how many requests may wait for a place.
        wait_seconds: how long a request may wait.
    """

    def __init__(self, slots: int, waiting: int, wait_seconds: float) -> None:
        self.places, self._most_waiting, self._wait_seconds = places_for(slots), waiting, wait_seconds
        self._free, self._queue = self.places, deque[tuple[asyncio.Future[None], int]]()
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)
        self._waiting = {False: 0, True: 0}  # by their patience
        self.running = 0

    @property
    def waiting(self) -> int:
        """Requests that wait for a place, and items of batches."""
        return sum(self._waiting.values())

    def check_batch(self) -> None:
        """Check that so few items of batches wait that another batch may come.

        Raises:
            ServingError: too many wait.
        """
        if self._waiting[True] >= self._most_waiting:
            raise self._full()

    def _full(self) -> ServingError:
        return ServingError(
            Code.queue_full,
            f"{self.waiting} requests wait for {self.places} places; try again later.",
            retry_after=self.expected_wait,
        )

    async def enter(self, patient: bool = False, places: int = 1) -> Entry:
        """Wait for places, in the order of the calls: one that needs many is not overtaken by others.

        Args:
            patient: wait although the queue is full, and however long it takes: for the items of a batch.
            places: how many; all if there are fewer.

        Returns:
            What to pass to `leave`.

        Raises:
            ServingError: too many requests wait already, or no place becomes free in time.
        """
        places = min(places, self.places)
        if (self._queue or self._free < places) and self._waiting[False] >= self._most_waiting and not patient:
            raise self._full()
        self._waiting[patient] += 1
        try:
            async with asyncio.timeout(None if patient else self._wait_seconds - self._waited()):
                await self._take(places)
        except TimeoutError:
            raise ServingError(
                Code.overloaded,
                f"no place became free within {self._wait_seconds:g} s; try again later.",
                retry_after=self.expected_wait,
            ) from None
        finally:
            self._waiting[patient] -= 1
        self.running += 1
        return Entry(time.monotonic(), places)

    def _waited(self) -> float:
        """Seconds that the request waited before it came here. Clocks of machines may differ."""
        since = arrived.get()
        return 0.0 if since is None else min(self._wait_seconds, max(0.0, time.time() - since))

    async def _take(self, places: int) -> None:
        if not self._queue and self._free >= places:
            self._free -= places
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((turn, places))
        try:
            await turn
        except asyncio.CancelledError:
            self._give(0 if turn.cancelled() else places)  # the places may have come at the same moment
            raise

    def _give(self, places: int) -> None:
        """Free places, and let those in whose turn it is."""
        self._free += places
        while self._queue and (self._queue[0][0].cancelled() or self._queue[0][1] <= self._free):
            turn, taken = self._queue.popleft()
            if not turn.cancelled():
                self._free -= taken
                turn.set_result(None)

    def leave(self, entry: Entry) -> None:
        """Free the places of a request."""
        self.running -= 1
        self._seconds.append(time.monotonic() - entry.started)
        self._give(entry.places)

    @property
    def expected_wait(self) -> float:
        """Seconds until a request that comes now would start, from the last durations; 1 to 60."""
        mean = sum(self._seconds) / len(self._seconds) if self._seconds else 1.0
        return min(60.0, max(1.0, mean * (self.waiting + 1) / self.places))


__all__ = ["Admission", "arrived", "places_for"]
