"""The comparison of kernels: which are compared, in turns, and that each is the one it is called."""

import sys
from pathlib import Path

import pytest
import torch

from dia import MINI, DiaForConditionalGeneration
from dia.kernels import codec
from dia.kernels import compile as compiling
from dia.kernels.sources import AMX_FLAGS, AVX512_FLAGS, PLAIN_FLAGS

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"
pytestmark = pytest.mark.skipif(codec._load() is None, reason="no kernel on this machine")


@pytest.fixture(autouse=True)
def _speed():
    sys.path.insert(0, str(SPEED))
    yield
    sys.path.remove(str(SPEED))


@pytest.mark.parametrize(
    ("best", "wanted"),
    [
        ((AMX_FLAGS, AVX512_FLAGS), [AMX_FLAGS, AVX512_FLAGS, PLAIN_FLAGS]),
        ((AVX512_FLAGS,), [AVX512_FLAGS, PLAIN_FLAGS]),
        ((PLAIN_FLAGS,), [PLAIN_FLAGS]),
    ],
)
def test_the_kernels_that_the_cpu_runs_are_compared(best, wanted, monkeypatch):
    from bench_kernels import kernels

    monkeypatch.setattr(compiling, "tiled_flags", lambda: best)
    assert kernels() == wanted


def test_kernels_take_turns():
    from bench_kernels import measured

    order = []
    found = measured({name: lambda name=name: order.append(name) for name in "ab"}, 3)
    assert order == list("ababab")
    assert len(found) == 2


def test_a_step_and_a_decoding_run_with_every_kernel():
    from bench_kernels import kernels, pieces, steps

    model = DiaForConditionalGeneration.from_pretrained(MINI)
    for flags in kernels():
        torch.manual_seed(0)
        with torch.no_grad():
            assert steps(model, flags, 2, 5)().isfinite().all()
            pieces(MINI, flags, 33)()
