"""Kernels for the few rows of a decoder step on a CPU, products, norms, attention: `decoder.c`, compiled on first use.

Knows shapes, nothing of models. Where the CPU lacks bfloat16, or `decoder.c` cannot be compiled, there is no kernel.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dia.kernels.compile import functions_of

_SOURCE = Path(__file__).with_name("decoder.c")
_FLAGS = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512bf16", "-fno-math-errno")
_ROWS = 16  # of the input; with more, torch's own kernel is as fast
_LANES = 32  # numbers in a vector
_ARGUMENTS: dict[str, list[Any]] = {
    "skinny_linear": [ctypes.c_void_p] * 3 + [ctypes.c_long] * 3 + [ctypes.c_int],
    "norm_rows": [ctypes.c_void_p] * 3 + [ctypes.c_long] * 2 + [ctypes.c_float],
    "attend_text": [ctypes.c_void_p] * 5 + [ctypes.c_long] * 5 + [ctypes.c_float, ctypes.c_int],
}


class _Weight:
    """A parameter's memory as a kernel reads it. It is held, so that it outlives `parameter.data = …`.

    Args:
        parameter: bfloat16, contiguous, on the CPU.
    """

    def __init__(self, parameter: Tensor) -> None:
        self._parameter, self._shape = parameter, parameter.shape
        self._hold()

    def _hold(self) -> None:
        self._held, self._address = self._parameter.detach(), self._parameter.data_ptr()

    def address(self) -> int | None:
        """Where the weight is now; None if what has taken its place is no longer what the kernel reads."""
        if self._parameter.data_ptr() != self._address:
            if not _readable(self._parameter) or self._parameter.shape != self._shape:
                return None
            self._hold()
        return self._address


def skinny_linear(weight: Tensor) -> Callable[[Tensor], Tensor] | None:
    """`linear(x)` for a bfloat16 weight [out, in] on the CPU that reads it once at the memory's speed, or None.

    It takes x [N, in] and gives [N, out]; more than 16 rows, rows with gaps or of another dtype go to torch. It
    follows a weight whose data is exchanged.
    """
    if not _readable(weight) or weight.shape[1] % _LANES:
        return None
    kernel = _kernel()
    if kernel is None:
        return None
    (outputs, inputs), memory = weight.shape, _Weight(weight)

    def linear(x: Tensor) -> Tensor:
        address = memory.address()
        if address is None or len(x) > _ROWS or x.dtype != torch.bfloat16 or not x.is_contiguous():
            return nn.functional.linear(x, weight)
        y = x.new_empty(len(x), outputs)
        shape = len(x), outputs, inputs
        kernel.skinny_linear(x.data_ptr(), address, y.data_ptr(), *shape, torch.get_num_threads())
        return y

    return linear


def skinny_norm(weight: Tensor, eps: float) -> Callable[[Tensor], Tensor] | None:
    """`norm(x)`, root mean square, of rows [N, width] for a bfloat16 weight [width] on the CPU, or None.

    It follows a weight whose data is exchanged.
    """
    kernel = _kernel() if _readable(weight) else None
    if kernel is None:
        return None
    (width,), memory = weight.shape, _Weight(weight)

    def norm(x: Tensor) -> Tensor:
        address = memory.address()
        if address is None or x.dtype != torch.bfloat16 or not x.is_contiguous():
            return torch.rms_norm(x, weight.shape, weight, eps)
        y = torch.empty_like(x)
        kernel.norm_rows(x.data_ptr(), address, y.data_ptr(), x.numel() // width, width, eps)
        return y

    return norm


def _readable(weight: Tensor) -> bool:
    """Whether a kernel can read a weight as it lies."""
    plain = type(weight) in (Tensor, nn.Parameter) and weight.is_contiguous()
    return plain and weight.device.type == "cpu" and weight.dtype == torch.bfloat16


def skinny_attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float) -> Tensor | None:
    """Attention of one row in bfloat16 on the CPU: query [N, G, Q, D] over [N, G, S, D] → [N, G, Q, D], or None.

    Args:
        query: queries of one row; those that share a key head, Q, stand together.
        keys: read along S: their transpose is contiguous.
        values: contiguous.
        mask: added to the scores, [N, 1, 1, S].
        scale: of the scores.
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
    """The compiled functions, or None; the attempt is made once for each process."""
    if not getattr(torch.cpu, "_is_avx512_bf16_supported", bool)():
        return None
    return functions_of(_SOURCE, _FLAGS, _ARGUMENTS)


__all__ = ["skinny_attention", "skinny_linear", "skinny_norm"]
