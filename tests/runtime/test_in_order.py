"""Results come in the order of the tasks, errors in their place, and nothing runs on."""

import subprocess
import sys
import threading
import time
from threading import Event

import pytest

from dia.runtime.in_order import InOrder


def started():
    return [thread for thread in threading.enumerate() if thread.name == "dia.tasks"]


def test_results_come_in_order_and_a_limited_number_runs():
    running, most = [], []

    def task(number):
        running.append(number)
        most.append(len(running))
        time.sleep(0.03 if number % 2 else 0.01)
        running.remove(number)
        return number

    found = []
    with InOrder[int](3, Event(), "dia.tasks") as tasks:
        for number in range(10):
            found += tasks.add(lambda number=number: task(number))
        found += tasks.rest()
    assert found == list(range(10))
    assert 1 < max(most) <= 3
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
list(tasks.add(lambda: stop.wait(60)))
raise SystemExit("the consumer fails")
"""
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert "the consumer fails" in ended.stderr
    assert time.monotonic() - began < 20
