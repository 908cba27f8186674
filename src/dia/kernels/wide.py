"""The operations between the products of a wide decoder, for the new row of each clip in float32 on a CPU.

They are functions of `network.c`: for few rows, the calls of PyTorch's operations cost more than the computation.
Independent of models. A row's result does not depend, bit for bit, on the other rows.

Shapes: N rows, E model width, H heads, G key heads, D head width, R capacity in rows, S text length.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dia.kernels.network import LANES, WIDEST, load

_DTYPE = torch.float32
_MANY = 1 << 16  # keys times their width; with fewer, other threads cost more than they save


class Operations:
    """The operations for heads of one width. `operations` makes it."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def gate(self, x: Tensor) -> Tensor:
        """SiLU of the first half of the columns, times the second: [N, 2 I] → [N, I]; I is a multiple of 8."""
        y = x.new_empty(len(x), x.shape[1] // 2)
        self._library.gate_rows(x.data_ptr(), y.data_ptr(), *y.shape)
        return y

    def attend_row(
        self, row: Tensor, angles: Tensor, keys: Tensor, values: Tensor, length: int, scale: float
    ) -> Tensor:
        """Rotate the new row of a clip, keep its keys and values, and attend: [halves, H + 2G, D] → [halves, H · D].

        Args:
            row: queries, keys and values of the row, contiguous. It is overwritten.
            angles: cosines and signed sines, [2, D], contiguous.
            keys: of the clip, [at least halves, G, R, D], contiguous.
            values: the same.
            length: number of rows, the new one included.
            scale: factor of the scores.
        """
        (halves, heads, width), (_, groups, capacity, _) = row.shape, keys.shape
        y = row.new_empty(halves, (heads - 2 * groups) * width)
        addresses = (tensor.data_ptr() for tensor in (row, angles, keys, values, y))
        sizes = halves, heads - 2 * groups, groups, width, capacity, length
        self._library.attend_new_row(*addresses, *sizes, scale, _threads(groups * length * width))
        return y

    def attend_text(self, query: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        """Attend with the queries of a row to a text, [1, H, D] → [1, H · D].

        Args:
            query: contiguous.
            keys: [1, G, S, D], contiguous.
            values: the same.
            scale: factor of the scores.
        """
        _, groups, length, width = keys.shape
        y = query.new_empty(1, query.shape[1] * width)
        addresses = (tensor.data_ptr() for tensor in (query, keys, values, y))
        sizes = groups, query.shape[1] // groups, length, width
        self._library.attend_text(*addresses, *sizes, scale, _threads(groups * length * width))
        return y


def operations(like: Tensor, *widths: int) -> Operations | None:
    """The operations, or None if they are not there for a tensor's device and dtype, or for these widths of heads."""
    fits = all(width % LANES == 0 and width <= WIDEST for width in widths)
    if like.device.type != "cpu" or like.dtype != _DTYPE or not fits:
        return None
    library = load()
    return None if library is None else Operations(library)


def wide_norm(weight: Tensor, eps: float) -> Callable[[Tensor], Tensor] | None:
    """A function `norm(x)`, the RMS norm of rows [N, E], for a float32 weight [E] on the CPU, or None."""
    kernel = load() if _is_readable(weight) and len(weight) % LANES == 0 else None
    if kernel is None:
        return None
    width, shape = len(weight), weight.shape

    def norm(x: Tensor) -> Tensor:
        if not _is_readable(weight) or weight.shape != shape or x.dtype != _DTYPE or x.shape[-1] != width:
            return torch.rms_norm(x, weight.shape, weight, eps)
        x = x.contiguous()
        y = torch.empty_like(x)
        kernel.norm_rows(x.data_ptr(), weight.data_ptr(), y.data_ptr(), x.numel() // width, width, eps)
        return y

    return norm


def _is_readable(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == _DTYPE and weight.is_contiguous()


def _threads(numbers: int) -> int:
    return torch.get_num_threads() if numbers >= _MANY else 1


__all__ = ["Operations", "operations", "wide_norm"]
