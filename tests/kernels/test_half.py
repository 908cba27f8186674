"""Products with bfloat16 weights on a CPU with AVX2: exact to rounding, and rows do not depend on each other."""

import pytest
import torch

from dia.kernels import half
from dia.kernels.half import half_linear

needs_kernel = pytest.mark.skipif(not half.multiplies_half(), reason="the kernel is for CPUs with AVX2")
SHAPES = [(1, 1), (3, 16), (7, 33), (50, 96), (131, 1000), (49, 4160), (5, 2063)]  # outputs, inputs


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@needs_kernel
@pytest.mark.parametrize(("outputs", "inputs"), SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_kernel_multiplies(outputs, inputs, dtype):
    weight, x = numbers(outputs, inputs).bfloat16(), numbers(70, inputs, seed=1).to(dtype)
    sizes = x.double().abs() @ weight.double().abs().T
    for rows in (0, 1, 2, 3, 4, 5, 8, 70):
        got, exact = half_linear(x[:rows], weight), x[:rows].double() @ weight.double().T
        assert got.dtype == dtype
        assert got.shape == (rows, outputs)
        assert ((got.double() - exact).abs() <= 1e-6 * sizes[:rows] + 0.5 * torch.finfo(dtype).eps * exact.abs()).all()


@needs_kernel
@pytest.mark.parametrize(("outputs", "inputs"), SHAPES)
def test_a_row_does_not_depend_on_the_others(outputs, inputs):
    weight, x = numbers(outputs, inputs).bfloat16(), numbers(70, inputs, seed=1)
    alone = torch.cat([half_linear(row, weight) for row in x.split(1)])
    for rows in (*range(2, 12), 70):
        assert torch.equal(half_linear(x[-rows:], weight), alone[-rows:])


@needs_kernel
def test_the_number_of_threads_does_not_change_the_result(monkeypatch):
    weight, x = numbers(300, 96).bfloat16(), numbers(3, 96, seed=1)
    wanted = half_linear(x, weight)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert torch.equal(half_linear(x, weight), wanted)


@needs_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_stay_in_their_row(dtype, number):
    weight, x = numbers(9, 64).abs().bfloat16(), torch.ones(3, 64, dtype=dtype)
    x[1, 5] = number
    got = half_linear(x, weight)
    assert torch.equal(got[1].isnan(), torch.full((9,), number != number))
    assert not got[1].isfinite().any()
    assert got[[0, 2]].isfinite().all()


@needs_kernel
def test_a_weight_that_is_not_finite_stays_in_its_output():
    weight = numbers(9, 64).bfloat16()
    weight[4, 63] = float("nan")
    assert half_linear(numbers(2, 64), weight).isnan().any(0).tolist() == [column == 4 for column in range(9)]


@needs_kernel
def test_rows_with_gaps_between_them_are_read():
    weight, x = numbers(9, 64).bfloat16(), numbers(6, 64)
    assert torch.equal(half_linear(x[::2], weight), half_linear(x[::2].clone(), weight))


@pytest.mark.parametrize(
    ("x", "weight"),
    [
        (torch.ones(2, 32), torch.ones(4, 32)),
        (torch.ones(2, 32), torch.ones(32, 4).bfloat16().T),
        (torch.ones(2, 32).half(), torch.ones(4, 32).bfloat16()),
        (torch.ones(2, 31), torch.ones(4, 32).bfloat16()),
        (torch.ones(2, 2, 32), torch.ones(4, 32).bfloat16()),
        (torch.ones(2, 32, device="meta"), torch.ones(4, 32).bfloat16()),
    ],
)
def test_what_the_kernel_cannot_read_is_left_to_torch(x, weight):
    assert half_linear(x, weight) is None


@pytest.mark.parametrize("capability", ["AVX512", "DEFAULT", "NO AVX"])
def test_other_processors_have_no_kernel(monkeypatch, capability):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert half._kernel.__wrapped__() is None
