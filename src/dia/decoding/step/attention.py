"""Attention of one new row over its keys, and the choice of its implementation for a device.

On a GPU PyTorch would choose for itself, and may choose one that first copies all keys to float32. So the step names
its implementation: the first of a list that computes the right numbers on random keys of the model's shape.

Shapes: N rows, H heads, G key heads, R keys, D head width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from dia.kernels.decoder import skinny_attention
from dia.runtime.log import get_logger

logger = get_logger(__name__)

_TRIED_KEYS = 320  # in the check of an implementation: several parts of `split_attention`, the last one not full
_TOLERANCE = 0.03  # relative, of half precision; wrong keys or scales are off by about 1


@dataclass(frozen=True)
class Attention:
    """An implementation of attention for single queries.

    Attributes:
        name: for reports.
        function: maps queries [N, G, H / G, D], keys and values [N, G, R, D], a limit and the scaling to
            [N, G, H / G, D].
        counted: the limit is the number of keys of each row, int32 [N], from 1 to R. Otherwise it is a mask
            [N, 1, 1, R] that is added to the scores, or None.
        keys_along_text: whether it reads keys that are contiguous along R faster.
    """

    name: str
    function: Callable[[Tensor, Tensor, Tensor, Tensor | None, float], Tensor]
    counted: bool = False
    keys_along_text: bool = False

    def __call__(self, query: Tensor, keys: Tensor, values: Tensor, limit: Tensor | None, scaling: float) -> Tensor:
        """Attend with a query [N, H, D] over keys and values [N, G, R, D]; returns [N, H · D]."""
        return self.function(_grouped(query, keys), keys, values, limit, scaling).reshape(len(query), -1)


def _grouped(query: Tensor, keys: Tensor) -> Tensor:
    """Reshape the query to [N, G, H / G, D]: heads that share a key head become rows, so keys are not repeated."""
    return query.reshape(len(query), keys.shape[1], -1, query.shape[-1])


def _by_torch(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    return nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scaling)


def _unfused(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    scores = (query * scaling) @ keys.transpose(2, 3)
    return (scores if mask is None else scores + mask).softmax(-1) @ values


def _skinny(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    own = skinny_attention(query, keys, values, mask, scaling)
    return _unfused(query, keys, values, mask, scaling) if own is None else own


def _memory_efficient(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    """PyTorch's kernel of that name. It is called directly: its public switch applies to all threads."""
    bias = None if mask is None else mask.expand(*query.shape[:3], keys.shape[2])
    operator = torch.ops.aten._scaled_dot_product_efficient_attention
    output: Tensor = operator(query, keys, values, bias, False, 0.0, False, scale=scaling)[0]
    return output


def _split(query: Tensor, keys: Tensor, values: Tensor, counts: Tensor | None, scaling: float) -> Tensor:
    from dia.kernels.split_attention import split_attention

    assert counts is not None
    output: Tensor = split_attention(query, keys, values, counts, scaling)
    return output


BY_TORCH = Attention("chosen by PyTorch", _by_torch)
UNFUSED = Attention("two products", _unfused, keys_along_text=True)
SKINNY = Attention("C kernel", _skinny, keys_along_text=True)
MEMORY_EFFICIENT = Attention("memory-efficient kernel", _memory_efficient)
SPLIT = Attention("Triton kernel over split keys", _split, counted=True)
_ON_CUDA = (SPLIT, MEMORY_EFFICIENT, UNFUSED)  # the fastest first


def attention_for_rows(device: torch.device, dtype: torch.dtype, shape: tuple[int, int, int]) -> Attention:
    """The implementation for attention over rows.

    Args:
        device: of the keys.
        dtype: of the keys.
        shape: H, G and D.
    """
    return _first_right(device, dtype, shape) if device.type == "cuda" else BY_TORCH


def attention_for_text(
    device: torch.device, dtype: torch.dtype, shape: tuple[int, int, int], eager: bool
) -> Attention:
    """The implementation for attention over the text.

    Args:
        device: of the keys.
        dtype: of the keys.
        shape: H, G and D.
        eager: whether the step runs without torch.compile, so that C kernels can be used.
    """
    # For single queries in half precision, the fused kernel on CPUs is several times slower than two products.
    if device.type == "cpu" and dtype != torch.float32:
        return SKINNY if eager else UNFUSED
    return attention_for_rows(device, dtype, shape)


@cache
def _first_right(device: torch.device, dtype: torch.dtype, shape: tuple[int, int, int]) -> Attention:
    """The fastest implementation that works on a GPU. Those that do not are logged with the reason."""
    for attention in _ON_CUDA[:-1]:
        fault = fault_of(attention, device, dtype, shape)
        if fault is None:
            logger.info_once(f"attention of the fast step uses the {attention.name}.")
            return attention
        logger.warning_once(f"attention of the fast step cannot use the {attention.name}: {fault}")
    return _ON_CUDA[-1]


@torch.inference_mode(False)
@torch.no_grad()
def fault_of(
    attention: Attention, device: torch.device, dtype: torch.dtype, shape: tuple[int, int, int]
) -> str | None:
    """Compare an implementation with two products in float32, on random keys; the fault, or None if it is right."""
    heads, key_heads, width = shape
    noise = torch.Generator().manual_seed(0)
    query, keys, values = (
        torch.randn(size, generator=noise).to(device, dtype)
        for size in ((2, heads, width), *((2, key_heads, _TRIED_KEYS, width),) * 2)
    )
    counts = torch.tensor([_TRIED_KEYS - 20, 1], device=device, dtype=torch.int32)
    hidden = torch.arange(_TRIED_KEYS, device=device) >= counts[:, None]
    mask = torch.zeros_like(hidden, dtype=dtype).masked_fill(hidden, float("-inf"))[:, None, None]
    expected = UNFUSED(query.float(), keys.float(), values.float(), mask.float(), width**-0.5)
    try:
        found = attention(query, keys, values, counts if attention.counted else mask, width**-0.5)
    except Exception as error:  # Triton and its absence, shapes that a kernel refuses, no memory
        return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    distance = float((found.float() - expected).norm() / expected.norm())
    return None if distance < _TOLERANCE else f"its result is off by {distance:.2g}"


__all__ = ["Attention", "attention_for_rows", "attention_for_text", "fault_of"]
