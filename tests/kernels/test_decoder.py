"""Our kernels, if available, compute the same as torch."""

import contextlib
import ctypes
import math

import pytest
import torch
from torch import nn

from dia.kernels import decoder as skinny
from dia.kernels import half, sources

needs_kernel = pytest.mark.skipif(skinny._kernel() is None, reason="no kernel for this CPU, or no compiler")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@needs_kernel
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 7, 16, 17, 67])
def test_the_kernel_multiplies(rows):
    weight, x = torch.randn(69, 96).bfloat16(), torch.randn(67, 96).bfloat16()
    got = skinny.skinny_linear(weight)(x[:rows])
    torch.testing.assert_close(got, nn.functional.linear(x[:rows], weight), atol=0.1, rtol=0.01)


@needs_kernel
@pytest.mark.parametrize("inputs", [96, 4160])  # one row after another, or blocks of rows; long weights
def test_a_row_of_a_product_does_not_depend_on_the_others(inputs):
    weight, x = torch.randn(69, inputs).bfloat16(), torch.randn(67, inputs).bfloat16()
    linear = skinny.skinny_linear(weight)
    alone = torch.cat([linear(row) for row in x.split(1)])
    for rows in (*range(2, 12), 67):
        assert torch.equal(linear(x[-rows:]), alone[-rows:])


@needs_kernel
@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("width", [16, 70, 2048])
def test_the_kernel_normalizes(rows, width):
    weight, x = torch.rand(width).bfloat16(), 3 * torch.randn(rows, width).bfloat16()
    got = skinny.skinny_norm(weight, 1e-5)(x)
    torch.testing.assert_close(got, torch.rms_norm(x, (width,), weight, 1e-5), atol=0.02, rtol=0.01)


@needs_kernel
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("queries", "length", "width"), [(1, 112, 128), (2, 5, 20), (1, 1, 16), (4, 33, 48)])
def test_the_kernel_attends(masked, queries, length, width):
    query = torch.randn(3, 2, queries, width).bfloat16()
    keys = torch.randn(3, 2, width, length).bfloat16().transpose(2, 3)
    values, mask = torch.randn(3, 2, length, width).bfloat16(), torch.zeros(3, 1, 1, length).bfloat16()
    mask[1, ..., length // 2 + 1 :] = float("-inf")
    mask = mask if masked else None
    got = skinny.skinny_attention(query, keys, values, mask, 0.3)
    exact = [x.double() for x in (query, keys, values)]
    scores = 0.3 * exact[0] @ exact[1].transpose(2, 3) + (0 if mask is None else mask.double())
    torch.testing.assert_close(got.double(), scores.softmax(-1) @ exact[2], atol=0.01, rtol=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_weights_that_the_kernel_cannot_read_are_left_to_torch(dtype):
    query, keys = torch.ones(1, 1, 1, 16, dtype=dtype), torch.ones(1, 1, 16, 4, dtype=dtype).transpose(2, 3)
    assert skinny.skinny_attention(query, keys, torch.ones(1, 1, 4, 16, dtype=dtype), None, 1.0) is None
    assert skinny.skinny_norm(torch.ones(16, dtype=dtype), 1e-5) is None


@pytest.mark.parametrize("weight", [torch.ones(4, 32), torch.ones(4, 40).bfloat16(), torch.ones(32, 4).bfloat16().T])
def test_inputs_that_the_kernel_cannot_multiply_are_left_to_torch(weight):
    assert skinny.skinny_linear(weight) is None


@pytest.mark.parametrize("compiler", ["/nonexistent/cc", None])
def test_without_a_compiler_there_is_no_kernel(monkeypatch, tmp_path, compiler):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sources.shutil, "which", lambda name: compiler)
    for module in (skinny, half):
        monkeypatch.setattr(module, "_kernel", module._kernel.__wrapped__)
    assert skinny.skinny_linear(torch.ones(4, 32).bfloat16()) is None


@needs_kernel
def test_rows_of_another_dtype_are_not_passed_to_the_kernel():
    linear = skinny.skinny_linear(torch.ones(4, 32).bfloat16())
    with pytest.raises(RuntimeError, match="dtype"):
        linear(torch.ones(1, 32))


# A weight whose data is replaced


class FakeKernel:
    """Reads from memory addresses like the compiled kernel, and counts its calls."""

    def __init__(self):
        self.calls = 0

    def skinny_linear(self, x, weight, y, rows, outputs, inputs, threads):
        self.calls += 1
        result = nn.functional.linear(at(x, rows, inputs), at(weight, outputs, inputs))
        at(y, rows, outputs).copy_(result)

    def norm_rows(self, x, weight, y, rows, width, eps):
        self.calls += 1
        at(y, rows, width).copy_(torch.rms_norm(at(x, rows, width), (width,), at(weight, width), eps))


def at(address, *shape):
    """The bfloat16 numbers at an address."""
    buffer = (ctypes.c_int16 * math.prod(shape)).from_address(address)
    return torch.frombuffer(buffer, dtype=torch.bfloat16).view(shape)


@pytest.fixture
def fake(monkeypatch):
    kernel = FakeKernel()
    monkeypatch.setattr(skinny, "_kernel", lambda: kernel)
    return kernel


MADE = {
    "linear": (lambda weight: skinny.skinny_linear(weight), (4, 32), nn.functional.linear),
    "norm": (
        lambda weight: skinny.skinny_norm(weight, 1e-5),
        (32,),
        lambda x, weight: torch.rms_norm(x, (32,), weight, 1e-5),
    ),
}


@pytest.mark.parametrize(("make", "shape", "expected"), MADE.values(), ids=MADE)
def test_a_weight_with_replaced_data_is_read_at_its_new_address(fake, make, shape, expected):
    weight, x = nn.Parameter(torch.randn(shape).bfloat16(), requires_grad=False), torch.randn(2, 32).bfloat16()
    kernel = make(weight)
    for _ in range(3):
        torch.testing.assert_close(kernel(x), expected(x, weight))
        weight.data = torch.randn(shape).bfloat16()
    assert fake.calls == 3


@pytest.mark.parametrize(("make", "shape", "expected"), MADE.values(), ids=MADE)
def test_the_memory_of_a_weight_stays_alive_after_its_data_is_replaced(fake, make, shape, expected):
    weight = nn.Parameter(torch.randn(shape).bfloat16(), requires_grad=False)
    kernel = make(weight)
    address = weight.data_ptr()
    weight.data = torch.randn(shape).bfloat16()
    taken = [torch.empty(shape, dtype=torch.bfloat16) for _ in range(50)]
    assert address not in {tensor.data_ptr() for tensor in taken}, "nobody else may have it while the kernel may read"
    del kernel


@pytest.mark.parametrize(("make", "shape", "expected"), MADE.values(), ids=MADE)
@pytest.mark.parametrize("rows", [1, 2, 40])
def test_any_number_of_rows_is_computed_by_the_kernel_also_with_gaps_between_them(fake, make, shape, expected, rows):
    weight, x = torch.randn(shape).bfloat16(), torch.randn(2 * rows, 32).bfloat16()[::2]
    torch.testing.assert_close(make(weight)(x), expected(x, weight))
    assert fake.calls == 1


@pytest.mark.parametrize(("make", "shape", "expected"), MADE.values(), ids=MADE)
def test_rows_of_another_width_are_left_to_torch(fake, make, shape, expected):
    with pytest.raises(RuntimeError):
        make(torch.ones(shape).bfloat16())(torch.ones(2, 31).bfloat16())
    assert fake.calls == 0


@pytest.mark.parametrize(("make", "shape", "expected"), MADE.values(), ids=MADE)
@pytest.mark.parametrize("change", ["dtype", "shape"])
@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight:UserWarning")
def test_a_weight_that_has_become_unreadable_is_left_to_torch(fake, make, shape, expected, change):
    weight, x = nn.Parameter(torch.ones(shape).bfloat16(), requires_grad=False), torch.ones(2, 32).bfloat16()
    kernel = make(weight)
    weight.data = torch.ones(shape) if change == "dtype" else torch.ones(*shape[:-1], 64).bfloat16()
    with contextlib.suppress(RuntimeError):  # torch says what does not fit
        kernel(x)
    assert fake.calls == 0
