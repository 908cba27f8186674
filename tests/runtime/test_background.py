"""Iterators in a background thread: order, buffer, errors, and no leftover threads."""

import threading
import time
from contextlib import closing
from threading import Event

import pytest

from dia.runtime.background import in_background


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "dia.runtime.background"]


def counted(made, end=100):
    for number in range(end):
        made.append(number)
        yield number


def eventually(condition):
    for _ in range(4000):
        if condition():
            return True
        time.sleep(0.005)
    return False


def test_items_arrive_in_order():
    assert list(in_background(lambda: counted([], 20), buffered=3)) == list(range(20))
    assert list(in_background(lambda: counted([], 0))) == []
    assert not threads()


def test_nothing_is_made_before_the_first_item_is_requested():
    made: list[int] = []
    iterator = in_background(lambda: counted(made))
    time.sleep(0.02)
    assert (made, threads()) == ([], [])
    iterator.close()


@pytest.mark.parametrize("buffered", [1, 2])
def test_no_more_than_the_buffered_items_are_made_in_advance(buffered):
    made: list[int] = []
    iterator = in_background(lambda: counted(made), buffered=buffered)
    assert [next(iterator), next(iterator)] == [0, 1]
    assert eventually(lambda: len(made) == 2 + buffered)
    time.sleep(0.03)
    assert len(made) == 2 + buffered
    iterator.close()


def test_an_error_follows_the_items_made_before_it():
    def make():
        yield 1
        raise OSError("the disk is full")

    iterator = in_background(make)
    assert next(iterator) == 1
    with pytest.raises(OSError, match="the disk is full"):
        next(iterator)
    assert not threads()


def leave_by_close(iterator):
    iterator.close()


def leave_by_break(iterator):
    for _ in iterator:
        break


def use_wrongly(iterator):
    with closing(iterator):
        for _ in iterator:
            raise RuntimeError("mine")


def leave_by_error(iterator):
    with pytest.raises(RuntimeError, match="mine"):
        use_wrongly(iterator)


@pytest.mark.parametrize("leave", [leave_by_close, leave_by_break, leave_by_error])
def test_leaving_the_iteration_ends_the_work(leave):
    cancel, made = Event(), []
    iterator = in_background(lambda: counted(made), cancel)
    next(iterator)
    leave(iterator)
    del iterator
    assert cancel.is_set()
    assert eventually(lambda: not threads())
    assert len(made) < 5


def test_waiting_too_long_is_a_timeout_error():
    cancel = Event()

    def make():
        yield cancel.wait(5)

    with pytest.raises(TimeoutError, match=r"no item arrived within 0\.05 s"):
        next(in_background(make, cancel, timeout=0.05))
    assert not threads()


def test_work_that_another_thread_cancels_ends_its_iteration():
    cancel = Event()
    items = in_background(lambda: counted([]), cancel, timeout=5.0)
    next(items)
    cancel.set()
    assert len(list(items)) < 5
    assert eventually(lambda: threads() == [])
