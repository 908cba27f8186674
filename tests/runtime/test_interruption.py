"""Signals that end a command act like Ctrl-C and are named in its message."""

import signal
import sys
import threading
import time

import pytest

from dia.runtime.interruption import Terminated, add_remark, exit_code, interrupt_message, terminable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture(autouse=True)
def default_handlers():
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_is_an_interrupt_with_its_own_exit_code(number, code):
    with pytest.raises(KeyboardInterrupt) as interrupt, terminable():
        signal.raise_signal(number)
    assert exit_code(interrupt.value) == code


def test_messages_name_the_signal_and_include_remarks():
    assert interrupt_message(KeyboardInterrupt()) == "interrupted"
    error = Terminated(signal.SIGTERM)
    add_remark(error, "nothing was written")
    assert interrupt_message(error) == "ended by SIGTERM; nothing was written"


def test_a_second_signal_does_not_interrupt_the_clean_up():
    """A second signal must not interrupt the clean-up."""
    cleaned = []

    def work():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleaned.append(1)

    with pytest.raises(Terminated), terminable():
        work()
    assert cleaned == [1]


def test_handlers_are_restored():
    with terminable():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_ignored_and_handled_signals_are_left_alone(handler):
    """As under nohup, or in a program that calls the command."""
    signal.signal(signal.SIGHUP, handler)
    with terminable():
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is handler


def test_nothing_changes_outside_the_main_thread():
    found = []

    def work():
        with terminable():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_in_a_finalizer_is_raised_again(number):
    class Finalized:
        def __del__(self):
            signal.raise_signal(number)

    def work():
        Finalized()
        time.sleep(10)  # until the interrupt is sent again

    with pytest.raises(KeyboardInterrupt) as interrupt, terminable():
        work()
    assert exit_code(interrupt.value) == 128 + number


def test_other_errors_in_finalizers_are_reported_as_usual(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: told.append(error.exc_type))

    class Finalized:
        def __del__(self):
            raise ValueError

    with terminable():
        Finalized()
    assert told == [ValueError]
