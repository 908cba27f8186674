"""The operations of a step between its products are those of torch to rounding, row by row."""

import pytest
import torch

from dia.kernels import wide
from dia.kernels.network import load
from dia.kernels.wide import operations, wide_norm

needs_kernel = pytest.mark.skipif(load() is None, reason="no kernel for this CPU, or no compiler")


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def close(got, exact):
    return torch.allclose(got.double(), exact, rtol=1e-5, atol=1e-6)


@needs_kernel
@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("width", [8, 72, 2048])
def test_the_norm(rows, width):
    weight, x = numbers(width), 3 * numbers(rows, width, seed=1)
    got = wide_norm(weight, 1e-5)(x)
    assert close(got, torch.rms_norm(x.double(), (width,), weight.double(), 1e-5))
    assert torch.equal(got[-1:], wide_norm(weight, 1e-5)(x[-1:]))


@needs_kernel
def test_the_norm_follows_a_weight_whose_data_is_replaced():
    weight, x = torch.nn.Parameter(numbers(16)), numbers(2, 16, seed=1)
    norm = wide_norm(weight, 1e-5)
    weight.data = torch.ones(16)
    assert close(norm(x), torch.rms_norm(x.double(), (16,), None, 1e-5))
    weight.data = torch.ones(16).double()
    assert norm(x.double()).dtype == torch.float64


@needs_kernel
def test_the_activation():
    x = 5 * numbers(3, 48)
    gate, up = x.double().chunk(2, dim=-1)
    assert close(operations(x).gate(x), gate * gate.sigmoid() * up)


@needs_kernel
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("halves", [1, 2])
@pytest.mark.parametrize("length", [1, 9, 300])
def test_a_new_row_is_kept_and_attends(monkeypatch, halves, length, threads):
    monkeypatch.setattr(wide, "_threads", lambda numbers: threads)
    heads, groups, width, capacity = 4, 2, 16, 304
    row, angles = numbers(halves, heads + 2 * groups, width), numbers(2, width, seed=1)
    keys, values = numbers(2, 2, groups, capacity, width, seed=2)
    before, kept = (keys.clone(), values.clone()), row.clone()
    got = operations(row, width).attend_row(row, angles, keys, values, length, 0.3)
    turned = kept.double() * angles[0] + kept.double().roll(width // 2, dims=-1) * angles[1]
    query = turned[:, :heads].unflatten(1, (groups, -1))
    assert close(keys[:halves, :, length - 1], turned[:, heads : heads + groups])
    assert torch.equal(values[:halves, :, length - 1], kept[:, heads + groups :])
    for now, then in zip((keys, values), before, strict=True):
        now[:halves, :, length - 1] = then[:halves, :, length - 1]
        assert torch.equal(now, then)
    before[0][:halves, :, length - 1] = turned[:, heads : heads + groups].float()
    before[1][:halves, :, length - 1] = kept[:, heads + groups :]
    k, v = (part[:halves, :, :length].double() for part in before)
    assert close(got, ((0.3 * query @ k.transpose(2, 3)).softmax(-1) @ v).flatten(1))


@needs_kernel
@pytest.mark.parametrize("length", [1, 13, 260])
def test_a_row_attends_to_a_text(length):
    query, keys, values = numbers(1, 4, 24), *numbers(2, 1, 2, length, 24, seed=1)
    got = operations(query, 24).attend_text(query, keys, values, 0.3)
    grouped = query.double().unflatten(1, (2, 2))
    assert close(got, ((0.3 * grouped @ keys.double().transpose(2, 3)).softmax(-1) @ values.double()).flatten(1))


@needs_kernel
def test_nan_passes_through():
    x = numbers(2, 32)
    x[1, 3] = float("nan")
    assert wide_norm(torch.ones(32), 1e-5)(x).isnan().any(1).tolist() == [False, True]
    assert operations(x).gate(x).isnan().any(1).tolist() == [False, True]
    query, keys, values = numbers(1, 2, 8), *numbers(2, 1, 2, 9, 8, seed=1)
    keys[0, 1, 4, 2] = float("nan")
    assert operations(query, 8).attend_text(query, keys, values, 1.0).isnan().tolist() == [[False] * 8 + [True] * 8]


@pytest.mark.parametrize("like", [torch.ones(1, dtype=torch.bfloat16), torch.ones(1, device="meta")])
def test_other_dtypes_and_devices_are_left_to_torch(like):
    assert operations(like, 16) is None
    assert wide_norm(like.expand(16).contiguous(), 1e-5) is None


@pytest.mark.parametrize("width", [12, 136])
def test_heads_that_the_kernel_does_not_support_are_left_to_torch(width):
    assert operations(torch.ones(1), width) is None
