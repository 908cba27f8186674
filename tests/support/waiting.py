"""Waiting for what another thread or process does: as long as it takes, but not forever."""

import time
from collections.abc import Callable

SECONDS = 60.0


def wait_until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait for a condition; fails after some time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


__all__ = ["wait_until"]
