"""Weights in eight hexadecimal digits, to know them again. Knows tensors only."""

import zlib
from collections.abc import Iterable

from torch import Tensor


def checksum(tensors: Iterable[Tensor]) -> str:
    """The same for the same values in the same order, as fp32, whatever device they are on."""
    content = 0
    for tensor in tensors:
        content = zlib.crc32(tensor.detach().float().cpu().numpy().tobytes(), content)
    return f"{content:08x}"


__all__ = ["checksum"]
