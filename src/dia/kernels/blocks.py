"""Rows and outputs in whole blocks, padded with zeros: what a product computes at once. Independent of models."""

import torch
from torch import Tensor, nn

_TILE = 16  # outputs, or pairs of inputs, of a tile of AMX
_BLOCK = 4  # rows of a block of a product in float32 on a CPU


def blocked(rows: int, like: Tensor) -> int:
    """Rows that a product of PyTorch must have so that each row's result does not depend on how many others there are.

    On a CPU in float32, products of fewer rows than a block use other kernels. With AVX-512 this is not enough: with 5
    rows and more, results may change. See docs/engine.md.

    Args:
        rows: number of rows.
        like: a tensor on the device and of the dtype of the rows.
    """
    if like.device.type != "cpu" or like.dtype != torch.float32:
        return rows
    return whole_blocks(rows, _BLOCK)


def whole_blocks(count: int, block: int) -> int:
    """`count`, rounded up to a multiple of `block`."""
    return -(-count // block) * block


def padded(rows: Tensor, count: int) -> Tensor:
    """Append rows of zeros to [N, …], up to `count` rows."""
    if len(rows) == count:
        return rows
    return nn.functional.pad(rows, (0, 0) * (rows.ndim - 1) + (0, count - len(rows)))


def in_tiles(matrix: Tensor) -> Tensor:
    """A matrix [O, I] in bfloat16, in the tiles of AMX as `tiles.h` describes them: [O / 32, I / 32, 1024]."""
    outputs, inputs = (whole_blocks(size, 2 * _TILE) for size in matrix.shape)
    filled = padded(padded(matrix.bfloat16(), outputs).T, inputs).T
    tiles = filled.reshape(outputs // (2 * _TILE), 2, _TILE, inputs // (2 * _TILE), _TILE, 2)
    return tiles.permute(0, 3, 1, 4, 2, 5).flatten(2)


__all__ = ["blocked", "in_tiles", "padded", "whole_blocks"]
