"""The kernel for all layers of a narrow decoder: what PyTorch computes, and independence of other clips."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import rms_norm, silu

from dia.kernels import compile as compiling
from dia.kernels.network import Buffers, LayerWeights, Network, Shape, Weights, load, supports
from dia.kernels.sources import AVX512_FLAGS, PLAIN_FLAGS
from dia.runtime.resources.processor import has_amx, has_avx512

pytestmark = pytest.mark.skipif(load() is None, reason="no C compiler")

WIDTH, OUTPUTS, ROWS, SLOTS = 24, 70, 40, 9
# Two queries share a key head; inner and outputs are no multiples of a panel.
SHAPE = Shape(heads=(4, 2, 16), text_heads=(2, 2, 8), inner=56, scale=0.25, text_scale=0.4, eps=1e-5)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def random_weights(half: bool = False) -> tuple[list[LayerWeights], Tensor, Tensor]:
    def matrix(outputs: int, inputs: int) -> Tensor:
        made = torch.randn(outputs, inputs) / math.sqrt(inputs)
        return made.bfloat16().float() if half else made

    def layer() -> LayerWeights:
        heads, groups, head = SHAPE.heads
        texts, _, text_head = SHAPE.text_heads
        own = matrix((heads + 2 * groups) * head, WIDTH), matrix(WIDTH, heads * head)
        text = matrix(texts * text_head, WIDTH), matrix(WIDTH, texts * text_head)
        mlp = matrix(2 * SHAPE.inner, WIDTH), matrix(WIDTH, SHAPE.inner)
        return LayerWeights(torch.rand(WIDTH), *own, torch.rand(WIDTH), *text, torch.rand(WIDTH), *mlp)

    return [layer(), layer()], torch.rand(WIDTH), matrix(OUTPUTS, WIDTH)


def random_buffers() -> list[Buffers]:
    _, groups, head = SHAPE.heads
    made = [torch.randn(2, SLOTS, 2, groups, ROWS, head) for _ in range(2)]
    return [Buffers(keys, values, torch.randn(WIDTH)) for keys, values in made]


def random_texts(lengths: list[int]) -> list[list[tuple[Tensor, Tensor]]]:
    _, groups, head = SHAPE.text_heads
    return [[tuple(torch.randn(2, 1, groups, n, head)) for n in lengths] for _ in range(2)]  # type: ignore[misc]


def attended(query: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """query [H, D] over [G, S, D] → [H · D]."""
    repeats = len(query) // len(keys)
    keys, values = keys.repeat_interleave(repeats, 0), values.repeat_interleave(repeats, 0)
    scores = (keys @ query[:, :, None])[..., 0] * scale
    return (scores.softmax(-1)[:, None] @ values).flatten()


def reference(weights: Any, buffers: list[Buffers], texts: Any, row: Tensor, angles: Tensor, slot: int, half: int):
    """The logits of one row, with the keys of the rows before it in `buffers`."""
    layers, norm, logits, length = *weights, 13
    (heads, groups, head), (text_heads, _, text_head) = SHAPE.heads, SHAPE.text_heads
    for layer, kept, (keys, values) in zip(layers, buffers, texts, strict=True):
        projected = (layer.own_in @ rms_norm(row, (WIDTH,), layer.own_norm, SHAPE.eps)).view(-1, head)
        turned = projected * angles[0] + projected.roll(head // 2, -1) * angles[1]
        own_keys, own_values = kept.keys[slot, half, :, :length].clone(), kept.values[slot, half, :, :length].clone()
        own_keys[:, -1], own_values[:, -1] = turned[heads : heads + groups], projected[heads + groups :]
        row = row + layer.own_out @ attended(turned[:heads], own_keys, own_values, SHAPE.scale)
        if half:
            row = row + kept.unconditional
        else:
            query = (layer.text_in @ rms_norm(row, (WIDTH,), layer.text_norm, SHAPE.eps)).view(text_heads, text_head)
            row = row + layer.text_out @ attended(query, keys[0], values[0], SHAPE.text_scale)
        gate, up = (layer.gate_up @ rms_norm(row, (WIDTH,), layer.mlp_norm, SHAPE.eps)).chunk(2)
        row = row + layer.down @ (silu(gate) * up)
    return logits @ rms_norm(row, (WIDTH,), norm, SHAPE.eps)


@pytest.mark.parametrize("half", [False, True])
def test_computes_what_torch_computes(half: bool) -> None:
    weights, buffers, texts = random_weights(half), random_buffers(), random_texts([5, 17])
    rows, angles = torch.randn(2, WIDTH), torch.randn(2, 2, SHAPE.heads[2])
    slots = [3, 7]
    wanted = [
        reference(weights, buffers, [layer[clip] for layer in texts], rows[clip], angles[clip], slot, part)
        for clip, slot in enumerate(slots)
        for part in (0, 1)
    ]
    packed = Weights(*weights, SHAPE, load())
    network = Network(packed, buffers)
    network.use(slots, texts)
    torch.testing.assert_close(network(rows, angles, [13, 13], 2), torch.stack(wanted), rtol=2e-5, atol=2e-5)
    assert packed.half == half


def test_a_clip_has_the_same_logits_alone_and_beside_others() -> None:
    weights, texts = random_weights(half=True), random_texts([5, 17, 1, 8, 9, 30, 2, 3, 64])
    network = Network(Weights(*weights, SHAPE, load()), random_buffers())
    rows, angles = torch.randn(SLOTS, WIDTH), torch.randn(SLOTS, 2, SHAPE.heads[2])
    lengths = [1, 2, 7, 8, 9, 33, 40, 16, 5]

    def logits(clips: list[int], halves: int) -> Tensor:
        network.use(clips, [[layer[clip] for clip in clips] for layer in texts])
        found = network(
            rows[clips].contiguous(), angles[clips].contiguous(), [lengths[clip] for clip in clips], halves
        )
        return found.view(len(clips), halves, -1)

    alone = torch.cat([logits([clip], 2) for clip in range(SLOTS)])
    for count in range(1, SLOTS + 1):
        clips = torch.randperm(SLOTS)[:count].tolist()
        assert torch.equal(logits(clips, 2), alone[clips])
        assert torch.equal(logits(clips, 1), alone[clips, :1])


@pytest.mark.skipif(not has_avx512(), reason="the CPU has no AVX-512")
@pytest.mark.parametrize("half", [False, True])
def test_wider_vectors_change_no_bit(monkeypatch: pytest.MonkeyPatch, half: bool) -> None:
    made, texts, buffers = random_weights(half), random_texts([5] * SLOTS), random_buffers()
    rows, angles = torch.randn(SLOTS, WIDTH), torch.randn(SLOTS, 2, SHAPE.heads[2])
    monkeypatch.setattr(compiling, "tiled_flags", lambda: (AVX512_FLAGS,))
    wide = load.__wrapped__()
    monkeypatch.setattr(compiling, "tiled_flags", lambda: (PLAIN_FLAGS,))
    narrow = load.__wrapped__()
    assert wide is not narrow
    for count in range(1, SLOTS + 1):
        found = []
        for library in (wide, narrow):
            network = Network(Weights(*made, SHAPE, library), buffers)
            network.use(list(range(count)), [layer[:count] for layer in texts])
            found.append(network(rows[:count], angles[:count], [10] * count, 2).clone())
        assert torch.equal(*found)


@pytest.mark.skipif(not has_amx(), reason="the CPU has no AMX")
def test_rows_in_tiles_are_those_of_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    made, texts, buffers = random_weights(half=True), random_texts([5] * SLOTS), random_buffers()
    rows, angles = torch.randn(SLOTS, WIDTH), torch.randn(SLOTS, 2, SHAPE.heads[2])
    assert load().tiled()
    monkeypatch.setattr(compiling, "tiled_flags", lambda: (AVX512_FLAGS,))
    for count in (1, 4, 8, 9):  # 2, 8, 16 and 18 rows; a block has 16 or 32
        found = []
        for library in (load(), load.__wrapped__()):
            network = Network(Weights(*made, SHAPE, library), buffers)
            network.use(list(range(count)), [layer[:count] for layer in texts])
            found.append(network(rows[:count], angles[:count], [10] * count, 2).clone())
        torch.testing.assert_close(*found, rtol=3e-6, atol=3e-6)


def test_attention_to_the_text_is_written_where_it_is_asked_for() -> None:
    weights, buffers, texts = random_weights(), random_buffers(), random_texts([5, 17])
    network = Network(Weights(*weights, SHAPE, load()), buffers)
    network.use([3, 7], texts)
    rows, angles = torch.randn(2, WIDTH), torch.randn(2, 2, SHAPE.heads[2])
    kept = torch.full((network.text_heads, 17), math.nan)
    found = network(rows, angles, [13, 13], 2, [None, kept]).clone()
    assert torch.equal(found, network(rows, angles, [13, 13], 2))
    torch.testing.assert_close(kept.sum(-1), torch.ones(network.text_heads))
    assert (kept >= 0).all()
    assert len(kept.unique(dim=0)) == network.text_heads
    with pytest.raises(ValueError, match="attention"):
        network(rows, angles, [13, 13], 2, [kept, None])


def test_bfloat16_weights_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, buffers, texts = random_weights(half=True), random_buffers(), random_texts([4] * SLOTS)
    rows, angles = torch.randn(SLOTS, WIDTH), torch.randn(SLOTS, 2, SHAPE.heads[2])
    packed = Weights(*weights, SHAPE, load())
    monkeypatch.setattr("dia.kernels.network._fits_in_bfloat16", lambda matrix: False)
    found = []
    for kept in (packed, Weights(*weights, SHAPE, load())):
        network = Network(kept, buffers)
        network.use(list(range(SLOTS)), texts)
        found.append(network(rows, angles, [10] * SLOTS, 2).clone())
    rounding = 3e-6 if load().tiled() else 0.0  # tiles add in another order
    torch.testing.assert_close(*found, rtol=rounding, atol=rounding)


def test_a_row_that_is_not_finite_gives_logits_that_are_not() -> None:
    network = Network(Weights(*random_weights(), SHAPE, load()), random_buffers())
    network.use([0, 1], random_texts([3, 3]))
    rows = torch.randn(2, WIDTH)
    rows[0, 5] = math.nan
    found = network(rows, torch.randn(2, 2, SHAPE.heads[2]), [4, 4], 1)
    assert not found[0].isfinite().any()
    assert found[1].isfinite().all()


@pytest.mark.parametrize("change", [Tensor.bfloat16, Tensor.double, lambda rows: rows[..., :4], lambda rows: rows[:1]])
def test_tensors_that_it_would_misread_are_refused(change: Any) -> None:
    network = Network(Weights(*random_weights(), SHAPE, load()), random_buffers())
    texts = random_texts([3, 3])
    network.use([0, 1], texts)
    rows, angles = torch.randn(2, WIDTH), torch.randn(2, 2, SHAPE.heads[2])
    with pytest.raises(ValueError, match="embedded"):
        network(change(rows), angles, [4, 4], 1)
    with pytest.raises(ValueError, match="angles"):
        network(rows, change(angles), [4, 4], 1)
    with pytest.raises(ValueError, match="lengths"):
        network(rows, angles, [4, ROWS + 1], 1)
    with pytest.raises(ValueError, match="a text"):
        network.use([0, 1], [[(change(keys[0, 0])[None, None], values) for keys, values in layer] for layer in texts])


def test_supports_only_whole_vectors() -> None:
    assert supports(SHAPE, WIDTH)
    assert not supports(SHAPE, WIDTH + 4)
    assert not supports(SHAPE, 2048)
