"""Convolutions over time in float32 on a CPU, with the same result in pieces as in one: `convolution.c`.

Independent of codecs. `supported` tells where the kernel is used; elsewhere, the caller uses PyTorch's.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dia.kernels.blocks import padded, whole_blocks
from dia.kernels.compile import load_functions, runs_plain_kernels
from dia.kernels.sources import PLAIN_FLAGS

_SOURCE = Path(__file__).with_name("convolution.c")
_PANEL, _FEW = 16, 4  # outputs, as in the C file
_Address, _Long = ctypes.c_void_p, ctypes.c_long


class Convolution:
    """A convolution without padding: [B, T, I] → [B, T - (K - 1) · dilation, O].

    Args:
        weight: [O, I, K].
        bias: [O].
        dilation: distance between taps, in rows.
    """

    def __init__(self, weight: Tensor, bias: Tensor, dilation: int = 1) -> None:
        self._outputs, self._inputs, self._taps = weight.shape
        self._dilation = dilation
        self.span = (self._taps - 1) * dilation
        block = 1 if self._outputs <= _FEW else _PANEL
        outputs = whole_blocks(self._outputs, block)
        taps_first = padded(weight.detach().float().permute(0, 2, 1).contiguous(), outputs)  # [O, K, I]
        self._weight = taps_first.view(-1, block, self._taps, self._inputs).permute(0, 2, 3, 1).contiguous()
        self._bias = padded(bias.detach().float().contiguous()[:, None], outputs)[:, 0].contiguous()

    def __call__(self, rows: Tensor) -> Tensor:
        """The convolution of float32 rows.

        Raises:
            ValueError: `rows` has another dtype, device or number of channels, or is shorter than the taps.
        """
        result = rows.new_empty(len(rows), max(rows.shape[1] - self.span, 0), self._outputs)
        self._run(rows, result, add=False)
        return result

    def added_to(self, stream: Tensor, rows: Tensor) -> Tensor:
        """Add the convolution of `rows` to `stream` in place.

        Raises:
            ValueError: a tensor has another dtype, device or shape.
        """
        self._run(rows, stream, add=True)
        return stream

    def _run(self, rows: Tensor, result: Tensor, add: bool) -> None:
        batch, length, _ = rows.shape
        rows = rows if _is_dense(rows) else rows.contiguous()
        _check("rows", rows, (batch, max(length, self.span), self._inputs))
        _check("stream", result, (batch, length - self.span, self._outputs))
        call = _Call(
            rows.data_ptr(), self._weight.data_ptr(), self._bias.data_ptr(), result.data_ptr(), batch,
            length - self.span, self._inputs, self._outputs, self._taps, self._dilation, rows.stride(0),
            result.stride(0), add,
        )  # fmt: skip
        _load().convolve(ctypes.byref(call), torch.get_num_threads())


@cache
def supported() -> bool:
    """Whether the kernel is used on this CPU. With AVX-512, oneDNN has kernels for every length."""
    return "AVX512" not in torch.backends.cpu.get_cpu_capability() and _load() is not None


@cache
def _load() -> Any:
    """The compiled function, or None. Loaded at most once per process."""
    if not runs_plain_kernels():
        return None
    return load_functions(_SOURCE, PLAIN_FLAGS, {"convolve": [ctypes.POINTER(_Call), ctypes.c_int]})


class _Call(ctypes.Structure):
    _fields_ = [
        *((name, _Address) for name in ("x", "weight", "bias", "y")),
        *((name, _Long) for name in ("batch", "rows", "inputs", "outputs", "taps", "dilation")),
        *((name, _Long) for name in ("x_stride", "y_stride", "add")),
    ]


def _is_dense(rows: Tensor) -> bool:
    """Whether each clip's rows are contiguous."""
    return rows.stride(2) == 1 and rows.stride(1) == rows.shape[2]


def _check(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """The kernel reads memory, so a tensor of another kind would be read beyond its end."""
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu" or tensor.shape != shape or not _is_dense(tensor):
        found = f"{tensor.dtype} {list(tensor.shape)} on {tensor.device}"
        raise ValueError(f"{name} is {found}; the kernel needs float32 {list(shape)} without gaps on the CPU.")


__all__ = ["Convolution", "supported"]
