"""Attention written out, and the masks it is given. Knows shapes, nothing of layers.

Shapes: B batch, H heads, R rows that look, K rows that are looked at, D head width.
"""

from typing import Any

import torch
from torch import Tensor, nn

_SAFE = ("cpu", "cuda")  # their kernels give zeros for a row that sees nothing; older ones of Apple GPUs give NaN


def eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Attention written out, the one implementation that returns its weights.

    Args:
        module: the attention layer; gives the number of query heads to each key head.
        query: [B, H, R, D].
        key: [B, H / groups, K, D].
        value: likewise.
        attention_mask: added to the scores, broadcastable to [B, H, R, K].
        scaling: factor on the scores.
        dropout: probability of dropping a weight while training.

    Returns:
        The output, [B, R, H, D], and the weights, [B, H, R, K].
    """
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores.float() + attention_mask  # in float16 the lowest number plus a score would be -inf
    weights = nn.functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


def nowhere_empty(mask: Any) -> Any:
    """Let a row that sees nothing see everything, where kernels make NaN of nothing.

    Only padding is ever such a row, and nothing reads what becomes of it. `mask` is what transformers makes for the
    chosen attention; only boolean ones, [B, 1, R, K], can be empty.
    """
    if isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.ndim == 4 and mask.device.type not in _SAFE:
        return mask | ~mask.any(-1, keepdim=True)
    return mask


__all__ = ["eager_attention", "nowhere_empty"]
