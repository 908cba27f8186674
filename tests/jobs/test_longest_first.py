"""Tasks run longest first within a window, and stop when the consumer does."""

from threading import Event

import pytest

from dia.jobs.longest_first import Task, run_longest_first


def test_the_longest_of_the_window_runs_first():
    tasks = (Task(length, lambda length=length: length) for length in (1, 3, 2, 9))
    assert list(run_longest_first(tasks, 1, 3, Event())) == [3, 9, 2, 1]


def test_no_more_tasks_are_read_than_the_window_and_the_threads_hold():
    read = []

    def tasks():
        for number in range(100):
            read.append(number)
            yield Task(1, lambda number=number: number)

    running = run_longest_first(tasks(), 2, 5, Event())
    next(running)
    assert len(read) <= 8
    running.close()


def test_a_short_task_does_not_wait_forever_behind_longer_ones():
    lengths = [1, *range(2, 100)]
    tasks = (Task(length, lambda length=length: length) for length in lengths)
    order = list(run_longest_first(tasks, 1, 3, Event()))
    assert sorted(order) == lengths
    assert order.index(1) == 12  # four times the window


def test_closing_stops_running_tasks():
    stop, began = Event(), Event()

    def wait_for_stop():
        began.set()
        assert stop.wait(10)

    running = run_longest_first([Task(2, wait_for_stop), Task(1, lambda: 7)], 2, 5, stop)
    assert next(running) == 7
    assert began.wait(10)
    running.close()
    assert stop.is_set()


def test_an_error_of_a_task_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(run_longest_first([Task(1, lambda: 1 / 0)], 1, 1, Event()))
