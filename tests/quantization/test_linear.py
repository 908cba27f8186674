"""8- and 4-bit layers: the rounding error, and that all kernels multiply by the same matrix."""

import copy
import subprocess
import threading

import pytest
import torch

from dia.kernels import compile as compiling
from dia.quantization import products
from dia.quantization.codes import dequantized, fitting_group, int4_codes, int8_codes
from dia.quantization.linear import QuantizedLinear

SHAPES = [
    (96, 256),
    (259, 64),
    (16, 32),
    (100, 40),
]  # outputs, inputs; int4 and the compiled kernel do not support all of them


def matrix(n, k, seed=0):
    return torch.randn(n, k, generator=torch.Generator().manual_seed(seed))


def rows(r, k, dtype=torch.float32):
    x = torch.randn(r, k, generator=torch.Generator().manual_seed(1))
    x[0, 3] = 40.0  # one number much larger than the others in its row
    return x.to(dtype)


def layers():
    for n, k in SHAPES:
        yield QuantizedLinear.of(matrix(n, k), "int8")
        if group := fitting_group(k, n):
            yield QuantizedLinear.of(matrix(n, k), "int4", group)


def product(layer, x):
    """The product in float64. Where our kernel computes it with weights of 4 bits, x is rounded to 8 bits first."""
    x = x.double()
    if layer.format == "int4" and products._function(layer.codes()):
        part = next(size for size in range(64, 0, -8) if layer.group_size % size == 0)
        parts = x.unflatten(1, (-1, part))
        steps = parts.abs().amax(-1, keepdim=True).clamp_min(1e-30) / 127
        x = ((parts / steps).round() * steps).flatten(1)
    return x @ dequantized(layer.codes()).double().t()


@pytest.fixture(params=["ours", "torch's"])
def kernels(request, monkeypatch):
    """With the compiled C kernel, if available, and without."""
    if request.param == "torch's":
        monkeypatch.setattr("dia.quantization.products._function", lambda codes: None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_kernels_multiply_by_the_dequantized_matrix(kernels, dtype):
    tolerance = {torch.float32: 5e-4, torch.bfloat16: 5e-3, torch.float16: 1e-3}[dtype]
    for layer in layers():
        for count in (1, 2, 3, 4, 5, 9):
            x = rows(count, layer.in_features, dtype)
            y, wanted = layer(x), product(layer, x)
            assert y.dtype == dtype
            assert (y.float() - wanted).norm() < tolerance * wanted.norm()


@pytest.mark.parametrize(("k", "group"), [(64, 4), (48, 12), (120, 20), (40, 8), (64, 32), (144, 48)])
def test_kernels_support_groups_of_any_size(kernels, k, group):
    layer = QuantizedLinear.of(matrix(32, k), "int4", group)
    x = rows(3, k)
    wanted = product(layer, x)
    assert (layer(x) - wanted).norm() < 5e-4 * wanted.norm()


def test_rounding_the_input_of_int4_adds_little_to_the_error_of_its_weights(kernels):
    weight, x = matrix(64, 1024), rows(8, 1024)
    layer = QuantizedLinear.of(weight, "int4")
    exact, rounded = x @ weight.t(), x @ dequantized(layer.codes()).t()
    assert (layer(x) - rounded).norm() < 0.15 * (rounded - exact).norm()


def test_a_row_does_not_depend_on_the_batch(kernels):
    for layer in layers():
        x = rows(5, layer.in_features)
        assert torch.allclose(layer(x)[4:], layer(x[4:]), rtol=1e-5, atol=1e-5)


needs_own = pytest.mark.skipif(products._library() is None, reason="no kernel for this CPU, or no compiler")


@needs_own
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_of_our_kernel_does_not_depend_on_the_batch_bit_for_bit(dtype):
    wide = QuantizedLinear.of(matrix(20, 4160), "int8")  # several sums of 32 bits
    for layer in (*layers(), wide):
        x = rows(19, layer.in_features, dtype)
        alone = torch.cat([layer(row) for row in x.split(1)])
        assert all(torch.equal(layer(x[-count:]), alone[-count:]) for count in (2, 3, 4, 5, 8, 19))


@needs_own
@pytest.mark.parametrize(("format", "codes"), [("int8", 0), ("int4", 0), ("int4", 255)])
def test_the_largest_numbers_do_not_overflow(format, codes):
    inputs = 8192
    layer = QuantizedLinear.of(torch.ones(16, inputs), format, inputs)
    if format == "int4":
        steps = torch.ones(16, 1, dtype=torch.bfloat16)
        weight = torch.full((16, inputs // 2), codes, dtype=torch.uint8)
        layer._set({"weight": weight, "scale": steps, "zero": 0 * steps})
    exact = dequantized(layer.codes()).double().sum(1)
    for sign in (1, -1):
        torch.testing.assert_close(layer(sign * torch.ones(1, inputs))[0].double(), sign * exact, rtol=1e-5, atol=0)


@needs_own
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_stays_in_its_row(number):
    for layer in layers():
        x = rows(3, layer.in_features)
        x[1, 5] = number
        assert layer(x).isfinite().all(1).tolist() == [True, False, True]
        assert not layer(x)[1].isfinite().any()


def test_a_row_of_zeros_gives_zeros(kernels):
    for layer in layers():
        assert layer(torch.zeros(2, layer.in_features)).abs().max() < 1e-6


def test_more_dimensions_are_rows():
    layer = QuantizedLinear.of(matrix(32, 64), "int8")
    x = rows(6, 64).view(2, 3, 64)
    assert torch.equal(layer(x), layer(x.view(6, 64)).view(2, 3, 32))


def test_kernels_restore_their_codes(kernels):
    for layer in layers():
        before = {name: tensor.clone() for name, tensor in layer.codes().items()}
        layer(rows(1, layer.in_features, torch.float16))
        after = layer.codes()
        assert before.keys() == after.keys() == layer.state_dict().keys()
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_int8_is_off_by_half_a_step_at_most():
    codes = int8_codes(matrix(8, 64))
    assert ((dequantized(codes) - matrix(8, 64)).abs() <= 0.5001 * codes["scale"][:, None]).all()


def test_int4_is_off_by_half_a_step_at_most_but_for_rounded_scales():
    weight = matrix(16, 128) + 3  # far from zero, where symmetric levels have a much larger error
    codes = int4_codes(weight, 32)
    step = codes["scale"].float().repeat_interleave(32, dim=1)
    assert ((dequantized(codes) - weight).abs() <= 0.6 * step).all()
    assert codes["weight"].dtype == torch.uint8
    assert codes["weight"].shape == (16, 64)


def test_int4_of_gaussian_weights_loses_a_tenth():
    weight = matrix(64, 1024)
    assert 0.05 < (dequantized(int4_codes(weight, 64)) - weight).norm() / weight.norm() < 0.1


def test_constant_and_zero_weights_are_kept():
    for weight in (torch.zeros(16, 64), torch.full((16, 64), 0.5)):
        assert torch.equal(dequantized(int4_codes(weight, 64)), weight)
        assert torch.allclose(dequantized(int8_codes(weight)), weight)


def test_a_copy_gives_the_same_output(kernels):
    for layer in layers():
        x = rows(2, layer.in_features)
        y = layer(x)
        assert torch.equal(copy.deepcopy(layer)(x), y)


def test_codes_are_loaded_into_a_layer_that_has_been_used(kernels):
    for layer in layers():
        other, x = copy.deepcopy(layer), rows(2, layer.in_features)
        wanted = layer(x)
        codes = {name: torch.zeros_like(tensor) for name, tensor in other.codes().items()}
        other.load_state_dict(codes)
        assert other(x).abs().max() < 1e-5
        other.load_state_dict(layer.state_dict())
        assert torch.equal(other(x), wanted)


def test_a_failing_compiler_runs_once(monkeypatch):
    asked = []

    def fails(source, *flags):
        asked.append(source)
        raise subprocess.TimeoutExpired("cc", 60)

    monkeypatch.setattr(compiling, "compiled", fails)
    monkeypatch.setattr(products, "_multiplies_bytes", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    products._library.cache_clear()
    try:
        assert [products._function(layer.codes()) for layer in layers()].count(None) == len(list(layers()))
    finally:
        products._library.cache_clear()
    assert len(asked) == 1


@pytest.mark.parametrize("format", ["int8", "int4"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cpus_without_byte_products_have_a_kernel(monkeypatch, format, dtype):
    monkeypatch.setattr(products, "_multiplies_bytes", lambda: False)
    layer = QuantizedLinear.of(matrix(32, 64), format)
    x = rows(3, 64, dtype)
    wanted = product(layer, x)
    assert (layer(x).float() - wanted).norm() < 0.02 * wanted.norm()


def test_two_threads_can_use_a_layer_for_the_first_time_at_once(kernels):
    layer, x, heard = QuantizedLinear.of(matrix(32, 64), "int4"), rows(2, 64), []
    threads = [threading.Thread(target=lambda: heard.append(layer(x))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 4
    assert all(torch.equal(y, heard[0]) for y in heard)


@pytest.mark.gpu
def test_a_layer_follows_its_model_to_the_gpu():
    for layer in layers():
        if layer.in_features % 64 == 0:
            x = rows(2, layer.in_features, torch.bfloat16)
            wanted = layer(x).float()
            assert (layer.to("cuda")(x.cuda()).cpu().float() - wanted).norm() < 0.02 * wanted.norm()
