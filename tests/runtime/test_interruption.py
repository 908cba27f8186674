"""Signals that end a command take the way of Ctrl-C, and say which they were."""

import signal
import sys
import threading
import time

import pytest

from dia.runtime.interruption import Terminated, add_remark, described, exit_code, terminable

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


def test_messages_name_the_signal_and_what_is_left():
    assert described(KeyboardInterrupt()) == "interrupted"
    error = Terminated(signal.SIGTERM)
    add_remark(error, "nothing was written")
    assert described(error) == "ended by SIGTERM; nothing was written"


def test_one_signal_is_enough():
    """A second one must not cut the clean-up short."""
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


def test_handlers_are_as_before_afterwards():
    with terminable():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_what_is_ignored_or_handled_already_stays(handler):
    """As under nohup, or in a program that calls the command."""
    signal.signal(signal.SIGHUP, handler)
    with terminable():
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is handler


def test_other_threads_change_nothing():
    found = []

    def work():
        with terminable():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_within_a_finaliser_is_not_lost(number):
    class Finalised:
        def __del__(self):
            signal.raise_signal(number)

    def work():
        Finalised()
        time.sleep(10)  # it comes again a moment later

    with pytest.raises(KeyboardInterrupt) as interrupt, terminable():
        work()
    assert exit_code(interrupt.value) == 128 + number


def test_other_errors_within_finalisers_are_reported_as_ever(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: told.append(error.exc_type))

    class Finalised:
        def __del__(self):
            raise ValueError

    with terminable():
        Finalised()
    assert told == [ValueError]
