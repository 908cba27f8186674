"""Projections whose weights stay in bfloat16 in a model that computes in float32."""

import copy

import pytest
import torch
from tiny import texts, tiny_model
from torch import nn

from dia.quantization.config import quantize
from dia.quantization.half import HalfLinear, hold_half
from dia.quantization.linear import QuantizedLinear
from dia.runtime.resources.processor import has_avx512

FIXED = {"do_sample": False, "guidance_scale": 3.0, "max_new_tokens": 16}


def layer(outputs=40, inputs=96):
    weight = torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(0))
    return HalfLinear(nn.Parameter(weight, requires_grad=False))


def rows(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def held():
    model = tiny_model()
    hold_half(model)
    return model


@pytest.fixture(params=["ours", "torch's"])
def kernels(request, monkeypatch):
    if request.param == "torch's":
        monkeypatch.setattr("dia.kernels.half._kernel", lambda: None)


@pytest.mark.parametrize("shape", [(1, 96), (63, 96), (64, 96), (2, 50, 96), (0, 96)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_it_multiplies_by_the_weight(kernels, shape, dtype):
    half, x = layer(), rows(*shape).to(dtype)
    y = half(x)
    assert y.dtype == dtype
    assert y.shape == (*shape[:-1], 40)
    tolerance = 1e-2 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(y.double(), x.double() @ half.weight.double().t(), atol=tolerance, rtol=tolerance)


def test_many_rows_are_multiplied_part_by_part(monkeypatch):
    monkeypatch.setattr("dia.quantization.half._WIDENED", 7 * 96)
    half, x = layer(), rows(70, 96)
    torch.testing.assert_close(half(x), x @ half.weight.float().t())


def test_a_row_of_a_product_does_not_depend_on_the_others(kernels):
    half, x = layer(), rows(70, 96)
    examined = half.rowwise or not has_avx512()  # MKL's products with AVX-512 change with 5 rows and more
    for count in (1, 2, 5, 70) if examined else (1, 2, 4):
        assert torch.equal(half.product(x[-count:])[-1:], half.product(x[-1:]))


@pytest.mark.parametrize("convert", [lambda m: m.float(), lambda m: m.double(), lambda m: m.to(torch.float16)])
def test_a_conversion_of_the_model_leaves_the_weight(convert):
    model = nn.Sequential(layer(), nn.LayerNorm(40))
    weight = model[0].weight.clone()
    convert(model)
    assert model[0].weight.dtype == torch.bfloat16
    assert torch.equal(model[0].weight, weight)
    assert model[1].weight.dtype != torch.bfloat16


def test_it_moves_with_its_model():
    half = layer().to("meta")
    assert half.weight.is_meta
    assert half(torch.ones(2, 96, device="meta")).shape == (2, 40)


def test_gradients_reach_the_input_and_the_weight():
    half, x = layer(), rows(3, 96).requires_grad_()
    half.weight.requires_grad_()
    half(x).sum().backward()
    torch.testing.assert_close(x.grad, half.weight.float().sum(0).expand(3, -1))
    assert half.weight.grad.dtype == torch.bfloat16


def test_a_copy_and_a_saved_state_have_the_same_weight():
    half = layer()
    assert torch.equal(copy.deepcopy(half)(rows(2, 96)), half(rows(2, 96)))
    other = nn.Linear(96, 40, bias=False)
    other.load_state_dict(half.state_dict())
    assert torch.equal(other.weight, half.weight.float())


def test_all_plain_projections_of_a_model_are_replaced_and_nothing_else(held):
    before = tiny_model()
    for name, module in before.named_modules():
        replaced = held.get_submodule(name)
        assert (type(replaced) is HalfLinear) == (type(module) is nn.Linear)
    assert held.dtype == torch.float32


def test_greedy_codes_are_those_of_the_same_weights_in_float32(held):
    exact = tiny_model()
    exact.load_state_dict(held.state_dict())
    inputs = texts(5, 9, 3)
    assert torch.equal(held.generate(**inputs, **FIXED), exact.generate(**inputs, **FIXED))


def test_greedy_codes_of_the_fast_step_are_those_of_the_plain_loop(held):
    inputs = texts(5)
    plain = held.generate(**inputs, **FIXED, max_time=3600.0)  # only the plain loop watches the time
    assert torch.equal(held.generate(**inputs, **FIXED), plain)


@pytest.mark.parametrize("format", ["half", "int8", "int4"])
@pytest.mark.parametrize("threads", [1, 2])
def test_codes_are_the_same_alone_and_in_a_batch(held, format, threads):
    model = held if format == "half" else quantize(tiny_model(), format)
    inputs, before = texts(5, 9, 3, 7, 1), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = model.generate(**inputs, **FIXED)
        for number in (0, 3):
            single = {name: tensor[number : number + 1] for name, tensor in inputs.items()}
            alone = model.generate(**single, **FIXED)[0]
            assert torch.equal(together[number, : len(alone)], alone)
    finally:
        torch.set_num_threads(before)


def test_a_held_model_can_be_quantized():
    model = tiny_model()
    hold_half(model)
    quantize(model, "int8")
    assert not any(isinstance(module, HalfLinear) for module in model.modules())
    assert any(isinstance(module, QuantizedLinear) for module in model.modules())
