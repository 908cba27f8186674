"""The number of compute threads, how they wait, and releasing their pool."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from dia.runtime.resources import threads as threads_module
from dia.runtime.resources.threads import ThreadChoice, apply, choose_threads, release_thread_pool, wait_passively

TASKS = Path("/proc/self/task")


@pytest.fixture
def two_threads():
    """Torch with two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_computing_works_after_the_pool_is_released():
    matrix = torch.randn(300, 300)
    before = matrix @ matrix
    release_thread_pool()
    assert torch.equal(matrix @ matrix, before)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_releasing_the_pool_ends_its_threads(two_threads):
    if threads_module._openmp() is None:
        pytest.skip("OpenMP is not GNU's")
    torch.randn(2000, 2000).exp_().sum()
    with_pool = len(list(TASKS.iterdir()))
    release_thread_pool()
    assert len(list(TASKS.iterdir())) == with_pool - 1


def test_without_gnu_openmp_nothing_happens(monkeypatch, tmp_path):
    monkeypatch.setattr(threads_module, "_MAPS", tmp_path / "missing")
    threads_module._openmp.cache_clear()
    try:
        release_thread_pool()
        assert threads_module._openmp() is None
    finally:
        threads_module._openmp.cache_clear()


def test_other_threads_keep_their_pools():
    done = threading.Event()

    def work():
        for _ in range(50):
            torch.randn(200, 200).exp().sum()
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    release_thread_pool()
    thread.join(20)
    assert done.is_set()


@pytest.fixture
def machine(monkeypatch):
    """Return a function that simulates a machine with some usable and free cores."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def make(usable, free):
        monkeypatch.setattr(threads_module, "usable_cores", lambda: usable)
        monkeypatch.setattr(threads_module, "free_cores", lambda since: free)

    make(8, 8.0)
    return make


@pytest.mark.parametrize(
    ("usable", "free", "threads"),
    [(8, 8.0, 8), (8, 6.9, 7), (8, 6.7, 6), (2, 1.0, 1), (2, 0.1, 1), (2, 7.9, 2), (4, None, 4)],
)
def test_a_large_model_uses_the_free_cores(machine, usable, free, threads):
    machine(usable, free)
    choice = choose_threads(1_600_000_000)
    assert choice.threads == threads
    assert f"{usable} " in choice.reason


def test_a_small_model_uses_one_thread(machine):
    assert str(choose_threads(10_000_000)) == "1 thread: a model of 10 million parameters is not faster with more"


def test_the_requested_number_of_threads_is_used(machine, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert choose_threads(10_000_000) == ThreadChoice(5, "OMP_NUM_THREADS is set")
    assert choose_threads(10_000_000, wanted=3) == ThreadChoice(3, "as requested")
    with pytest.raises(ValueError, match="threads=0 must be a whole number from 1 to 1024"):
        choose_threads(10_000_000, wanted=0)


@pytest.mark.parametrize("given", ["", "0", "4,2", "many", "100000"])
def test_values_of_omp_num_threads_that_are_not_one_number_are_ignored(machine, monkeypatch, given):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert choose_threads(10_000_000).threads == 1


def test_a_choice_is_applied(two_threads):
    apply(ThreadChoice(1, "a test"))
    assert torch.get_num_threads() == 1


def test_waiting_threads_sleep_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert wait_passively() is False  # torch is loaded here
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_wait_passively_has_an_effect_before_torch_is_loaded():
    program = "import dia; from dia.runtime.resources.threads import wait_passively; print(wait_passively())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


EXITS = """
import time, weakref
from dia.runtime.resources.threads import start

class Owner: pass

owner, stopped = Owner(), []
weakref.finalize(owner, stopped.append, True)

def work():
    while not stopped:
        time.sleep(0.01)
    time.sleep(0.3)
    print("first", flush=True)
    start(lambda: (time.sleep(0.3), print("second", flush=True)), "second")

start(work, "first")
"""


def test_the_end_of_the_program_waits_for_threads_after_their_owners_have_stopped_them():
    done = subprocess.run([sys.executable, "-c", EXITS], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["first", "second"]


def test_the_end_of_the_program_does_not_wait_forever():
    program = (
        "import time; from dia.runtime.resources import threads; threads._END_SECONDS = 0.1; "
        "threads.start(lambda: time.sleep(1000), 'endless')"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
