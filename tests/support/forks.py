"""Processes that are killed, for tests: forks of this one, which have everything imported."""

import os
import signal
import traceback
import warnings
from collections.abc import Callable


def forked(work: Callable[[], object], seconds: int = 0) -> int:
    """The number of a process that does some work, and ends with exit code 0, or 1 after an error.

    It is killed by a signal after `seconds`; 0 is never.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # where threads are about, which a fork does not have
        process = os.fork()
    if process:
        return process
    code = 1
    try:
        signal.alarm(seconds)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(process: int) -> int:
    """Wait for a process; returns its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def die() -> None:
    """Be killed, as by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


__all__ = ["die", "ended", "forked"]
