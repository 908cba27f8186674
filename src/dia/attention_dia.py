"""Eager attention and its masks. Independent of the layers.

Shapes: B batch, H heads, R query rows, K key rows, D head width.
"""

from typing import Any

import torch
from torch import Tensor, nn

# Their kernels return zeros for a fully masked row; older kernels of Apple GPUs return NaN.
_ZERO_FOR_EMPTY_ROWS = ("cpu", "cuda")


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
    """Compute attention step by step. The only implementation that returns the attention weights.

    Args:
        module: the attention layer; `module.training` turns dropout on.
        query: [B, H, R, D].
        key: [B, H / groups, K, D].
        value: [B, H / groups, K, D].
        attention_mask: added to the scores, broadcastable to [B, H, R, K].
        scaling: factor applied to the scores.
        dropout: probability of dropping a weight during training.

    Returns:
        The output, [B, R, H, D], and the weights, [B, H, R, K].
    """
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores.float() + attention_mask  # in float16 the mask's minimum plus a score would overflow to -inf
    weights = nn.functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


def unmask_empty_rows(mask: Any) -> Any:
    """Unmask fully masked rows on devices whose kernels return NaN for them.

    Only padding rows are fully masked, and their outputs are never read. `mask` is the mask that transformers creates
    for the selected attention; only boolean masks, [B, 1, R, K], can have fully masked rows.
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.ndim != 4:
        return mask
    return mask if mask.device.type in _ZERO_FOR_EMPTY_ROWS else mask | ~mask.any(-1, keepdim=True)


__all__ = ["eager_attention", "unmask_empty_rows"]
