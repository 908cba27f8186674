"""The pool of a thread that computes is given back, and computing goes on after it."""

import sys
import threading
from pathlib import Path

import pytest
import torch

from dia.runtime import threads as thread_pools
from dia.runtime.threads import give_back

TASKS = Path("/proc/self/task")


@pytest.fixture
def two_threads():
    """Torch with two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_computing_goes_on_after_the_pool_is_given_back():
    matrix = torch.randn(300, 300)
    before = matrix @ matrix
    give_back()
    assert torch.equal(matrix @ matrix, before)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_thread_less_is_there(two_threads):
    if thread_pools._openmp() is None:
        pytest.skip("OpenMP is not GNU's")
    torch.randn(2000, 2000).exp_().sum()
    with_pool = len(list(TASKS.iterdir()))
    give_back()
    assert len(list(TASKS.iterdir())) == with_pool - 1


def test_where_there_is_no_such_library_nothing_happens(monkeypatch, tmp_path):
    monkeypatch.setattr(thread_pools, "_MAPS", tmp_path / "missing")
    thread_pools._openmp.cache_clear()
    try:
        give_back()
        assert thread_pools._openmp() is None
    finally:
        thread_pools._openmp.cache_clear()


def test_other_threads_keep_theirs():
    done = threading.Event()

    def work():
        for _ in range(50):
            torch.randn(200, 200).exp().sum()
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    give_back()
    thread.join(20)
    assert done.is_set()
