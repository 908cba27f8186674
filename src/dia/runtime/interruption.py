"""Signals that end a command: all of them take the way of Ctrl-C, so that what is open is closed or removed.

Knows signals and exit codes. Knows nothing of what is interrupted.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ENDING = ("SIGTERM", "SIGHUP")  # of a supervisor or `kill`; of a terminal that is closed
_LOST_SECONDS = 0.05


class Terminated(KeyboardInterrupt):
    """A signal other than Ctrl-C's asks the process to end.

    Attributes:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` in the main thread where SIGTERM or SIGHUP arrive while the block runs.

    For commands: signals belong to the whole process. What has a handler already, or is ignored as under nohup, stays
    as it is; in other threads than the main one nothing changes. An interrupt that Python has to drop, because it came
    while an object was finalised, is raised again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    replaced = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    hook = sys.unraisablehook
    try:
        sys.unraisablehook = _raising_again(hook)
        for number in replaced:
            signal.signal(number, _raise)
        yield
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)
        sys.unraisablehook = hook


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """What a shell sees of a program that this has ended: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + _number(interrupt)


def described(interrupt: KeyboardInterrupt) -> str:
    """What a message says of it: "interrupted" or the signal that ended the command, and what is left of the work."""
    what = f"ended by {interrupt}" if isinstance(interrupt, Terminated) else "interrupted"
    return "; ".join([what, *remarks_of(interrupt)])


def add_remark(error: BaseException, remark: str) -> None:
    """Note with an error what is left of the work that it has ended."""
    error.dia_remarks = (*remarks_of(error), remark)  # type: ignore[attr-defined]


def remarks_of(error: BaseException) -> tuple[str, ...]:
    """What `add_remark` has noted."""
    return tuple(getattr(error, "dia_remarks", ()))


def _raise(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: the clean-up is under way
    raise Terminated(number)


def _number(interrupt: BaseException | None) -> int:
    return interrupt.number if isinstance(interrupt, Terminated) else signal.SIGINT


def _raising_again(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Reports exceptions that cannot be raised; interrupts are raised again a moment later."""

    def unraisable(unraised: Any) -> None:
        if issubclass(unraised.exc_type, KeyboardInterrupt):
            number = _number(unraised.exc_value)
            if number != signal.SIGINT:
                signal.signal(number, _raise)
            threading.Timer(_LOST_SECONDS, _send, [number]).start()
        else:
            hook(unraised)

    return unraisable


def _send(number: int) -> None:
    """Interrupt the main thread."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        signal.raise_signal(number)


__all__ = ["Terminated", "add_remark", "described", "exit_code", "remarks_of", "terminable"]
