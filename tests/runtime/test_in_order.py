"""Results come in the order of the tasks, errors in their place, and nothing runs on."""

import subprocess
import sys
import threading
from threading import Barrier, Event

import pytest

from dia.runtime.in_order import InOrder


def started():
    return [thread for thread in threading.enumerate() if thread.name == "dia.tasks"]


def test_results_come_in_order_and_a_limited_number_runs():
    running, most = [], []
    together, later_ended = Barrier(3, timeout=60), Event()

    def task(number):
        running.append(number)
        most.append(len(running))
        if number < 3:
            together.wait()
        if number == 0:
            assert later_ended.wait(60)
        running.remove(number)
        if number == 2:
            later_ended.set()
        return number

    found = []
    with InOrder[int](3, Event(), "dia.tasks") as tasks:
        for number in range(10):
            found += tasks.add(lambda number=number: task(number))
        found += tasks.rest()
    assert found == list(range(10))
    assert max(most) == 3
    assert started() == []


def test_an_error_comes_in_its_place_and_stops_the_others():
    stop = Event()

    def broken():
        raise KeyError("broken")

    found = []

    def collect():
        with InOrder[int](2, stop, "dia.tasks") as tasks:
            for task in (lambda: 1, broken, lambda: stop.wait(20), lambda: 4):
                found.extend(tasks.add(task))

    with pytest.raises(KeyError, match="broken"):
        collect()
    assert found == [1]
    assert stop.is_set()
    assert started() == []


def test_the_program_ends_although_a_task_runs():
    program = """
import threading
from dia.runtime.in_order import InOrder
stop = threading.Event()
tasks = InOrder(2, stop, "dia.tasks")
list(tasks.add(lambda: stop.wait(1000)))
raise SystemExit("the consumer fails")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert "the consumer fails" in ended.stderr
