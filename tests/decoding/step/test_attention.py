"""Every implementation of attention computes the same, and a GPU gets the first one that does."""

import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import pytest
import torch

from dia.decoding.step import attention
from dia.decoding.step.attention import BY_TORCH, MEMORY_EFFICIENT, SKINNY, SPLIT, UNFUSED, fault_of
from tests.decoding.step.as_recorded import COUNTED

CPU, SHAPE = torch.device("cpu"), (4, 2, 32)


@pytest.mark.parametrize("found", [BY_TORCH, UNFUSED, SKINNY, COUNTED], ids=lambda found: found.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_implementations_for_a_cpu_are_right(found, dtype):
    assert fault_of(found, CPU, dtype, SHAPE) is None


def test_the_limit_of_rows_is_checked():
    blind = replace(UNFUSED, function=lambda query, keys, values, mask, scaling: keys[:, :, :1] * 0 + query)
    unlimited = replace(UNFUSED, function=lambda *given: UNFUSED.function(*given[:3], None, given[4]))
    for wrong in (blind, unlimited):
        assert "off by" in fault_of(wrong, CPU, torch.float32, SHAPE)


def test_a_gpu_gets_the_first_implementation_that_is_right(monkeypatch):
    def fails(*_):
        raise RuntimeError("no kernel image\nwith a trace")

    def nan(query, *_):
        return query * float("nan")

    warnings = []
    monkeypatch.setattr(attention.logger, "warning_once", warnings.append)
    broken, wrong = replace(COUNTED, name="broken", function=fails), replace(COUNTED, name="wrong", function=nan)
    monkeypatch.setattr(attention, "_ON_CUDA", (broken, wrong, COUNTED, UNFUSED))
    assert attention._first_right.__wrapped__(CPU, torch.float32, SHAPE) is COUNTED
    assert [line.partition("use the ")[2] for line in warnings] == [
        "broken: RuntimeError: no kernel image",
        "wrong: its result is off by nan",
    ]


def test_the_last_implementation_needs_no_kernel():
    assert attention._ON_CUDA[-1] is UNFUSED


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", [SHAPE, (16, 4, 128), (16, 16, 128)], ids=str)
@pytest.mark.parametrize("found", [SPLIT, MEMORY_EFFICIENT, UNFUSED], ids=lambda found: found.name)
def test_implementations_for_a_gpu_are_right(found, shape, dtype):
    assert fault_of(found, torch.device("cuda"), dtype, shape) is None


IN_THE_INTERPRETER = """
import torch
from dia.decoding.step.attention import SPLIT, fault_of
from dia.kernels.split_attention import split_attention

for shape in ((4, 2, 32), (3, 3, 16), (5, 1, 64)):
    for dtype in (torch.float32, torch.float16):
        assert fault_of(SPLIT, torch.device("cpu"), dtype, shape) is None, (shape, dtype)

query, keys = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 5000, 16)
counts = torch.tensor([300], dtype=torch.int32)
expected = split_attention(query, keys[:, :, :400], keys[:, :, :400], counts, 0.3)
keys[:, :, 300:] = float("nan")
assert torch.equal(split_attention(query, keys, keys, counts, 0.3), expected), "capacity and hidden keys count"
query, keys = (tensor.expand(2, -1, -1, -1) for tensor in (query, keys))
pair = split_attention(query, keys, keys, torch.tensor([7, 300], dtype=torch.int32), 0.3)
assert torch.equal(pair[1:], expected), "other rows count"
"""


def has_interpreter():
    """Whether Triton is installed, and its interpreter runs beside the newest NumPy."""
    try:
        return tuple(map(int, version("triton").split(".")[:2])) >= (3, 9)
    except PackageNotFoundError:
        return False


@pytest.mark.skipif(not has_interpreter(), reason="Triton 3.9 or later is not installed")
def test_the_triton_kernel_is_right():
    """In Triton's interpreter, which must be chosen before the first import and does not know bfloat16. Slow."""
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", IN_THE_INTERPRETER], check=True, env=environment)
