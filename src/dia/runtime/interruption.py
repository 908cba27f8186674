"""Handle the signals that end a command like Ctrl-C, so that open files are closed or removed.

Independent of the interrupted work.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ENDING = ("SIGTERM", "SIGHUP")  # sent by a supervisor or `kill`, and by a terminal that closes
_RESEND_SECONDS = 0.05


class Terminated(KeyboardInterrupt):
    """A signal other than SIGINT asked the process to end.

    Attributes:
        number: the signal number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` in the main thread if SIGTERM or SIGHUP arrives while the block runs.

    For commands only: signal handlers apply to the whole process. A signal that already has a handler, or is ignored
    as under nohup, is left alone. Outside the main thread, nothing changes. Python drops an interrupt that arrives
    while an object is being finalized; such an interrupt is raised again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    replaced = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    hook = sys.unraisablehook
    try:
        sys.unraisablehook = _resending_interrupts(hook)
        for number in replaced:
            signal.signal(number, _raise)
        yield
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)
        sys.unraisablehook = hook


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """The exit code of a program ended by this interrupt: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + _number(interrupt)


def interrupt_message(interrupt: KeyboardInterrupt) -> str:
    """The message for an interrupt: "interrupted" or "ended by" a signal, followed by the remarks attached to it."""
    what = f"ended by {interrupt}" if isinstance(interrupt, Terminated) else "interrupted"
    return "; ".join([what, *remarks_of(interrupt)])


def add_remark(error: BaseException, remark: str) -> None:
    """Attach a remark to an error, such as which partial output is kept."""
    error.dia_remarks = (*remarks_of(error), remark)  # type: ignore[attr-defined]


def remarks_of(error: BaseException) -> tuple[str, ...]:
    """The remarks that `add_remark` has attached."""
    return tuple(getattr(error, "dia_remarks", ()))


def _raise(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the clean-up
    raise Terminated(number)


def _number(interrupt: BaseException | None) -> int:
    return interrupt.number if isinstance(interrupt, Terminated) else signal.SIGINT


def _resending_interrupts(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An unraisable hook that sends dropped interrupts again after a moment, and passes on other exceptions."""

    def unraisable(unraised: Any) -> None:
        if issubclass(unraised.exc_type, KeyboardInterrupt):
            number = _number(unraised.exc_value)
            if number != signal.SIGINT:
                signal.signal(number, _raise)
            threading.Timer(_RESEND_SECONDS, _send, [number]).start()
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


__all__ = ["Terminated", "add_remark", "exit_code", "interrupt_message", "remarks_of", "terminable"]
