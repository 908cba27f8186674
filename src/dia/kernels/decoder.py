"""Linear, norm and attention kernels for the few rows of a decoder step in bfloat16 on a CPU: `decoder.c`.

Independent of models. Without CPU support for bfloat16, or without a library (see `compile.py`), there is no kernel,
except that `half.py` may have one for products.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dia.kernels.compile import load_functions
from dia.kernels.half import half_linear, is_readable, multiplies_half
from dia.kernels.sources import BFLOAT16_FLAGS
from dia.runtime.resources.processor import multiplies_bfloat16

_SOURCE = Path(__file__).with_name("decoder.c")
_LANES = 32  # bfloat16 numbers per vector
_ARGUMENTS: dict[str, list[Any]] = {
    "skinny_linear": [ctypes.c_void_p] * 3 + [ctypes.c_long] * 3 + [ctypes.c_int],
    "norm_rows": [ctypes.c_void_p] * 3 + [ctypes.c_long] * 2 + [ctypes.c_float],
    "attend_text": [ctypes.c_void_p] * 5 + [ctypes.c_long] * 5 + [ctypes.c_float, ctypes.c_int],
}


class _Weight:
    """The memory of a parameter for a kernel. The reference keeps it alive after `parameter.data = …`.

    Args:
        parameter: bfloat16, contiguous, on the CPU.
    """

    def __init__(self, parameter: Tensor) -> None:
        self._parameter, self._shape = parameter, parameter.shape
        self._update()

    def _update(self) -> None:
        self._reference, self._address = self._parameter.detach(), self._parameter.data_ptr()

    def address(self) -> int | None:
        """The current address of the weight; None if its new data is not readable by the kernel."""
        if self._parameter.data_ptr() != self._address:
            if not is_readable(self._parameter) or self._parameter.shape != self._shape:
                return None
            self._update()
        return self._address


def skinny_linear(weight: Tensor) -> Callable[[Tensor], Tensor] | None:
    """A function `linear(x)` for a bfloat16 weight [out, in] on the CPU, or None without a kernel.

    The function maps x [N, in] to [N, out] and reads the weight once, for few rows at memory bandwidth. A row's result
    does not depend, bit for bit, on the other rows. Other dtypes are left to torch. It follows replaced data of the
    weight.
    """
    if not is_readable(weight) or weight.shape[1] % _LANES:
        return None
    kernel = _kernel()
    if kernel is None:
        return _with_half_linear(weight) if multiplies_half() else None
    (outputs, inputs), memory = weight.shape, _Weight(weight)

    def linear(x: Tensor) -> Tensor:
        address = memory.address()
        if address is None or x.dtype != torch.bfloat16 or x.shape[1:] != (inputs,):
            return nn.functional.linear(x, weight)
        x, y = x.contiguous(), x.new_empty(len(x), outputs)
        shape = len(x), outputs, inputs
        kernel.skinny_linear(x.data_ptr(), address, y.data_ptr(), *shape, torch.get_num_threads())
        return y

    return linear


def _with_half_linear(weight: Tensor) -> Callable[[Tensor], Tensor]:
    def linear(x: Tensor) -> Tensor:
        found = half_linear(x, weight) if x.dtype == torch.bfloat16 else None
        return nn.functional.linear(x, weight) if found is None else found

    return linear


def skinny_norm(weight: Tensor, eps: float) -> Callable[[Tensor], Tensor] | None:
    """A function `norm(x)`, the RMS norm of rows [N, width], for a bfloat16 weight [width] on the CPU, or None.

    A row's result does not depend on the other rows. It follows replaced data of the weight.
    """
    kernel = _kernel() if is_readable(weight) else None
    if kernel is None:
        return None
    (width,), memory = weight.shape, _Weight(weight)

    def norm(x: Tensor) -> Tensor:
        address = memory.address()
        if address is None or x.dtype != torch.bfloat16 or x.shape[-1:] != (width,):
            return torch.rms_norm(x, weight.shape, weight, eps)
        x = x.contiguous()
        y = torch.empty_like(x)
        kernel.norm_rows(x.data_ptr(), address, y.data_ptr(), x.numel() // width, width, eps)
        return y

    return norm


def skinny_attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float) -> Tensor | None:
    """Attention of one row in bfloat16 on the CPU: query [N, G, Q, D] over [N, G, S, D] → [N, G, Q, D], or None.

    Args:
        query: the queries of one row; the Q queries that share a key head are adjacent.
        keys: contiguous along S, which means that their transpose is contiguous.
        values: contiguous.
        mask: added to the scores, [N, 1, 1, S].
        scale: factor of the scores.
    """
    along, given = keys.transpose(2, 3), [query, values] if mask is None else [query, values, mask]
    kernel = _kernel() if all(x.dtype == torch.bfloat16 and x.is_contiguous() for x in (along, *given)) else None
    if kernel is None or query.device.type != "cpu":
        return None
    (clips, heads, queries, width), length = query.shape, keys.shape[2]
    y = torch.empty_like(query)
    addresses = query.data_ptr(), along.data_ptr(), values.data_ptr(), None if mask is None else mask.data_ptr()
    sizes = clips * heads, heads, queries, length, width
    kernel.attend_text(*addresses, y.data_ptr(), *sizes, scale, torch.get_num_threads())
    return y


@cache
def _kernel() -> Any:
    """The compiled functions, or None. Loaded at most once per process."""
    if not multiplies_bfloat16():
        return None
    return load_functions(_SOURCE, BFLOAT16_FLAGS, _ARGUMENTS)


__all__ = ["skinny_attention", "skinny_linear", "skinny_norm"]
