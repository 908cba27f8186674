"""Forked processes: locks, workers and iterators whose threads stayed in the parent."""

import sys
import threading

import pytest
from forks import ended, forked

from dia.runtime.background import in_background
from dia.runtime.forks import Lock
from dia.runtime.worker import Worker

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


@pytest.fixture
def held():
    """Events of a thread of this process: it has begun, and it may go on."""
    begun, go = threading.Event(), threading.Event()
    yield begun, go
    go.set()


def test_a_lock_that_another_thread_holds_is_free_in_a_fork(held):
    (begun, go), lock = held, Lock()

    def hold():
        with lock:
            begun.set()
            go.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert begun.wait(20)

    def take():
        with lock:
            pass

    assert ended(forked(take, seconds=20)) == 0
    go.set()
    thread.join()


def test_a_busy_worker_runs_tasks_in_a_fork(held):
    (begun, go), worker, ran = held, Worker("test"), []
    worker.submit(lambda: (begun.set(), go.wait(60)))
    worker.submit(lambda: ran.append("of the parent"))
    assert begun.wait(20)

    def submit():
        done = threading.Event()
        worker.submit(done.set)
        assert done.wait(20)
        assert ran == []

    assert ended(forked(submit, seconds=30)) == 0


def test_an_iterator_of_the_parent_raises_in_a_fork(held):
    begun, go = held

    def items():
        yield 1
        begun.set()
        go.wait(60)
        yield 2

    iterator = in_background(items)
    assert next(iterator) == 1
    assert begun.wait(20)

    def take():
        with pytest.raises(RuntimeError, match="the process was forked"):
            next(iterator)

    assert ended(forked(take, seconds=20)) == 0
    go.set()
    assert list(iterator) == [2]
