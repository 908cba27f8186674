"""Rows and outputs in whole blocks, padded with zeros: what a product computes at once. Independent of models."""

import torch
from torch import Tensor, nn

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


__all__ = ["blocked", "padded", "whole_blocks"]
