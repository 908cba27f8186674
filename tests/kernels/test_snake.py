"""The codec's activation equals its formula, with the kernel and with torch alone."""

import pytest
import torch

from dia.kernels import snake as snake_file
from dia.kernels.snake import snake


@pytest.fixture(params=["kernel", "torch alone"])
def kernel(request, monkeypatch):
    if request.param == "torch alone":
        monkeypatch.setattr(snake_file, "_functions", dict)
    elif not snake_file._functions():
        pytest.skip("no kernel on this machine")
    return request.param


def exact(rows, slope):
    turned = rows.double() * (1 if slope is None else slope)
    return turned + turned.sin() ** 2


def some(shape, dtype, size=8.0):
    return (size * torch.randn(shape, generator=torch.Generator().manual_seed(0))).to(dtype)


@pytest.mark.parametrize("shape", [(1, 5, 96), (2, 3, 17), (1, 1, 1), (1, 40, 16), (1, 0, 24)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 2e-2)])
def test_the_result_is_that_of_the_formula(kernel, shape, dtype, tolerance):
    rows, slope = some(shape, dtype), torch.linspace(0.1, 3, shape[-1])
    before = rows.clone()
    made = snake(rows, slope)
    assert made.dtype == dtype
    assert made.shape == rows.shape
    torch.testing.assert_close(made.double(), exact(rows, slope), rtol=tolerance, atol=tolerance)
    assert torch.equal(rows, before)


def test_without_slopes_rows_are_overwritten(kernel):
    rows = some((1, 9, 33), torch.float32)
    wanted = exact(rows, None)
    assert snake(rows).data_ptr() == rows.data_ptr()
    torch.testing.assert_close(rows.double(), wanted, rtol=2e-6, atol=2e-6)


def test_the_sine_is_accurate_far_from_zero(kernel):
    rows = some((1, 50, 32), torch.float32, size=3000.0)
    torch.testing.assert_close(snake(rows.clone()).double(), exact(rows, None), rtol=1e-6, atol=1e-5)


def test_rows_with_gaps_are_supported(kernel):
    rows = some((2, 9, 32), torch.float32)[:, 2:7]
    torch.testing.assert_close(snake(rows, torch.ones(32)).double(), exact(rows, None), rtol=2e-6, atol=2e-6)


def test_nan_is_propagated(kernel):
    rows = torch.tensor([[[float("nan"), float("inf"), 1.0]]])
    made = snake(rows, torch.ones(3))
    assert made.isfinite().tolist() == [[[False, False, True]]]


def test_half_precision_is_rounded_once():
    if torch.bfloat16 not in snake_file._functions():
        pytest.skip("no kernel on this machine")
    rows, slope = some((1, 30, 64), torch.bfloat16), torch.linspace(0.1, 3, 64)
    assert torch.equal(snake(rows, slope), exact(rows, slope).bfloat16())
