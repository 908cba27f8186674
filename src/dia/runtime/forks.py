"""What a forked process does without: it has no threads of its parent, and locks that they held stay locked."""

import os
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

_resets: WeakKeyDictionary[Any, Callable[[Any], object]] = WeakKeyDictionary()


def after_fork(owner: Any, reset: Callable[[Any], object]) -> None:
    """Call `reset(owner)` in forked processes as long as the owner exists. `reset` must not refer to the owner."""
    _resets[owner] = reset


def _reset_all() -> None:
    for owner, reset in list(_resets.items()):
        reset(owner)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_reset_all)


def lost_work() -> RuntimeError:
    """The error of work that a thread of the parent does."""
    return RuntimeError("the process was forked, and only its parent goes on with this work; start it again here.")


class Lock:
    """A lock that is free in a forked process. For `with` blocks whose state is usable at any time."""

    def __init__(self) -> None:
        self._free()
        after_fork(self, Lock._free)

    def _free(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


__all__ = ["Lock", "after_fork", "lost_work"]
