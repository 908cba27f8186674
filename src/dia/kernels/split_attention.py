"""Attention of a few queries over many keys, split along the keys: Triton kernels for GPUs. Independent of models.

The number of keys of each row is read on the device, so one recorded launch serves all lengths, and keys beyond it are
never read. Parts have a fixed size and are joined in a fixed order: a row's result does not depend on other rows.

Import this module only where Triton is installed.

Shapes: N rows, G key heads, Q queries of each, R keys, D head width, P parts.
"""

# Triton's compiler refuses annotations other than its own.
# mypy: disable-error-code="no-untyped-def"

import torch
import triton
import triton.language as tl
from torch import Tensor

_PART = 128  # keys of a part: small parts keep all multiprocessors busy for a single clip
_BLOCK, _WIDE_BLOCK = 64, 32  # keys of a part that are read at once; fewer in float32, for the shared memory of a GPU
_TOGETHER = 32  # parts that are joined at once, a fixed number so that sums have the same order for every R
_LEAST = 16  # rows and columns of the smallest product of a GPU's matrix units


@triton.jit
def _attend_part(
    query,
    keys,
    values,
    counts,
    output,
    best_score,
    sum_of_weights,
    scaling,
    key_row,
    key_head,
    key_place,
    value_row,
    value_head,
    value_place,
    heads,
    parts,
    QUERIES: tl.constexpr,
    PADDED: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """One part of the keys of one key head: unscaled output, highest score and sum of weights of its queries."""
    place, part = tl.program_id(0), tl.program_id(1)
    row, head = (place // heads).to(tl.int64), place % heads
    count = tl.load(counts + row)
    start = part * BLOCK * BLOCKS
    if start < count:
        queries, width, block = tl.arange(0, PADDED), tl.arange(0, WIDTH), tl.arange(0, BLOCK)
        number = place * QUERIES + queries
        own = queries < QUERIES
        asked = tl.load(query + number[:, None] * WIDTH + width[None, :], mask=own[:, None], other=0.0)
        best = tl.full([PADDED], float("-inf"), tl.float32)
        total = tl.zeros([PADDED], tl.float32)
        summed = tl.zeros([PADDED, WIDTH], tl.float32)
        for number_of_block in range(BLOCKS):
            at = start + number_of_block * BLOCK + block
            seen = at < count
            key_at = keys + row * key_row + head * key_head + at[None, :] * key_place + width[:, None]
            key = tl.load(key_at, mask=seen[None, :], other=0.0)
            scores = tl.dot(asked, key, input_precision="ieee") * scaling
            scores = tl.where(seen[None, :], scores, float("-inf"))
            higher = tl.maximum(best, tl.max(scores, 1))
            fading = tl.exp(best - higher)
            weights = tl.exp(scores - higher[:, None])
            value_at = values + row * value_row + head * value_head + at[:, None] * value_place + width[None, :]
            value = tl.load(value_at, mask=seen[:, None], other=0.0)
            total = total * fading + tl.sum(weights, 1)
            product = tl.dot(weights.to(value.dtype), value, input_precision="ieee")
            summed = summed * fading[:, None] + product
            best = higher
        kept = number * parts + part
        tl.store(output + kept[:, None] * WIDTH + width[None, :], summed, mask=own[:, None])
        tl.store(best_score + kept, best, mask=own)
        tl.store(sum_of_weights + kept, total, mask=own)


@triton.jit
def _join_parts(
    output,
    best_score,
    sum_of_weights,
    counts,
    joined,
    queries,
    parts,
    PART: tl.constexpr,
    WIDTH: tl.constexpr,
    TOGETHER: tl.constexpr,
):
    """The output of one query, from its parts."""
    number = tl.program_id(0)
    used = tl.cdiv(tl.load(counts + number // queries), PART)
    width, together = tl.arange(0, WIDTH), tl.arange(0, TOGETHER)
    best = tl.full([], float("-inf"), tl.float32)
    total = tl.zeros([], tl.float32)
    summed = tl.zeros([WIDTH], tl.float32)
    for first in range(0, used, TOGETHER):
        at = number * parts + first + together
        seen = first + together < used
        scores = tl.load(best_score + at, mask=seen, other=float("-inf"))
        higher = tl.maximum(best, tl.max(scores, 0))
        fading = tl.exp(best - higher)
        weights = tl.exp(scores - higher)
        total = total * fading + tl.sum(weights * tl.load(sum_of_weights + at, mask=seen, other=0.0), 0)
        part = tl.load(output + at[:, None] * WIDTH + width[None, :], mask=seen[:, None], other=0.0)
        summed = summed * fading + tl.sum(weights[:, None] * part, 0)
        best = higher
    tl.store(joined + number * WIDTH + width, (summed / total).to(joined.dtype.element_ty))


@torch.library.custom_op("dia::split_attention", mutates_args=())
def split_attention(query: Tensor, keys: Tensor, values: Tensor, counts: Tensor, scaling: float) -> Tensor:
    """Attention of queries over the first keys of their row.

    Args:
        query: [N, G, Q, D]; D is a power of two, 16 or more.
        keys: [N, G, R, D], of any strides but the last, which is 1.
        values: as the keys.
        counts: the number of keys that each row attends to, 1 to R; int32 [N], contiguous.
        scaling: factor of the scores.

    Returns:
        [N, G, Q, D] in the dtype of the query.

    Raises:
        ValueError: there is no kernel for D.
    """
    rows, heads, queries, width = query.shape
    if width < _LEAST or width & (width - 1):
        raise ValueError(f"the head width is {width}; it must be a power of two, {_LEAST} or more.")
    query, block = query.contiguous(), _WIDE_BLOCK if keys.dtype == torch.float32 else _BLOCK
    parts = triton.cdiv(keys.shape[2], _PART)
    output = query.new_empty(rows * heads * queries, parts, width, dtype=torch.float32)
    best, total = query.new_empty(2, rows * heads * queries, parts, dtype=torch.float32)
    joined = torch.empty_like(query)
    strides = *keys.stride()[:3], *values.stride()[:3]
    with torch.cuda.device_of(query):
        _attend_part[(rows * heads, parts)](
            *(query, keys, values, counts, output, best, total, scaling, *strides, heads, parts),
            QUERIES=queries,
            PADDED=max(_LEAST, triton.next_power_of_2(queries)),
            WIDTH=width,
            BLOCK=block,
            BLOCKS=_PART // block,
        )
        _join_parts[(rows * heads * queries,)](
            *(output, best, total, counts, joined, heads * queries, parts),
            PART=_PART,
            WIDTH=width,
            TOGETHER=_TOGETHER,
        )
    return joined


@split_attention.register_fake
def _shape(query: Tensor, keys: Tensor, values: Tensor, counts: Tensor, scaling: float) -> Tensor:
    return torch.empty_like(query, memory_format=torch.contiguous_format)


__all__ = ["split_attention"]
