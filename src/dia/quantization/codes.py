"""The 8- and 4-bit formats of a matrix: quantize it and restore it. Independent of kernels.

Shapes: K inputs, N outputs, G groups of inputs that share a scale.

    int8    weight = code · scale               code −127…127 [N, K], scale [N]
    int4    weight = (code − 8) · scale + zero  code 0…15, two to a byte [N, K / 2], scale and zero [N, G]
"""

from typing import Literal

import torch
from torch import Tensor

Format = Literal["int8", "int4"]
Codes = dict[str, Tensor]  # "weight", "scale" and for int4 "zero", as above

GROUP_SIZES = (64, 32)  # the first that divides K
TILE = 16  # outputs per tile in CPU kernels
MIN_SCALE = 1e-8


def int8_codes(weight: Tensor) -> Codes:
    """Quantize each row of a matrix [N, K] to 255 levels, symmetric about zero."""
    wide = weight.detach().float()
    scale = (wide.abs().amax(1) / 127).clamp_min(MIN_SCALE)
    return {"weight": (wide / scale[:, None]).round_().to(torch.int8), "scale": scale}


def int4_codes(weight: Tensor, group_size: int) -> Codes:
    """Quantize each group of `group_size` adjacent weights in a row of [N, K] to 16 levels between their min and max.

    Scale and zero are bfloat16, which every kernel supports. Codes are computed from the rounded scale and zero.
    """
    groups = weight.detach().float().unflatten(1, (-1, group_size))  # [N, G, K / G]
    low, high = groups.amin(-1), groups.amax(-1)
    scale = ((high - low) / 15).clamp_min(MIN_SCALE).bfloat16()
    zero = (low + 8 * scale.float()).bfloat16()
    codes = (groups - zero.float()[..., None]).div_(scale.float()[..., None]).round_().add_(8).clamp_(0, 15)
    codes = codes.to(torch.uint8).flatten(1)
    return {"weight": codes[:, ::2] << 4 | codes[:, 1::2], "scale": scale, "zero": zero}


def dequantized(codes: Codes) -> Tensor:
    """The dequantized matrix, float32 [N, K]."""
    if "zero" not in codes:
        return codes["weight"].float() * codes["scale"][:, None]
    groups = unpack_pairs(codes["weight"]).float().unflatten(1, (codes["scale"].shape[1], -1))
    return ((groups - 8) * codes["scale"].float()[..., None] + codes["zero"].float()[..., None]).flatten(1)


def fitting_group(in_features: int, out_features: int) -> int | None:
    """The int4 group size for a matrix, or None if the kernels do not support its shape."""
    if out_features % TILE:
        return None
    return next((size for size in GROUP_SIZES if in_features % size == 0), None)


def group_size_of(codes: Codes) -> int:
    """Number of int4 weights that share a scale."""
    return 2 * codes["weight"].shape[1] // codes["scale"].shape[1]


def unpack_pairs(pairs: Tensor) -> Tensor:
    """Unpack two codes per byte, [N, K / 2], to one code per byte, [N, K]."""
    return torch.stack((pairs >> 4, pairs & 15), dim=-1).flatten(1)


__all__ = [
    "GROUP_SIZES",
    "MIN_SCALE",
    "TILE",
    "dequantized",
    "fitting_group",
    "group_size_of",
    "int4_codes",
    "int8_codes",
    "unpack_pairs",
]
