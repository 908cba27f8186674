"""Processes that are killed, for tests: forks of this one, which have everything imported."""

import os
import signal
import warnings
from collections.abc import Callable


def forked(work: Callable[[], object]) -> int:
    """The number of a process that does some work, and ends with exit code 0, or 1 after an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # where threads are about, which a fork does not have
        process = os.fork()
    if process:
        return process
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def ended(process: int) -> int:
    """Wait for a process; returns its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def die() -> None:
    """Be killed, as by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


__all__ = ["die", "ended", "forked"]
