"""The activation between a DAC's convolutions, u + sin²(u), in one pass over memory: `snake.c`, compiled on first use.

Knows rows and slopes, nothing of codecs. Where there is no compiler or the CPU lacks bfloat16, torch does it in three
passes; in half precision it then rounds between them.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dia.kernels.compile import functions_of

_SOURCE = Path(__file__).with_name("snake.c")
_FLAGS = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512bf16")
_ARGUMENTS = [ctypes.c_void_p] * 3 + [ctypes.c_long] * 2 + [ctypes.c_int]


def snake(rows: Tensor, slope: Tensor | None = None) -> Tensor:
    """u + sin²(u) of u = slope · rows.

    Args:
        rows: [B, T, C], float32 or bfloat16; they are overwritten where there is no slope.
        slope: float32 [C], by default ones.

    Returns:
        [B, T, C] of the same dtype.
    """
    function = _functions().get(rows.dtype) if rows.device.type == "cpu" and rows.is_contiguous() else None
    if function is None:
        turned = rows if slope is None else rows * slope.to(rows.dtype)
        wave = torch.sin(turned)
        return turned.addcmul_(wave, wave)
    made = rows if slope is None else torch.empty_like(rows)
    width = rows.shape[-1]
    sizes = rows.numel() // width, width, torch.get_num_threads()
    function(rows.data_ptr(), None if slope is None else slope.data_ptr(), made.data_ptr(), *sizes)
    return made


@cache
def _functions() -> dict[torch.dtype, Any]:
    """The kernel for each dtype; none where it cannot be had. The attempt is made once for each process."""
    if not getattr(torch.cpu, "_is_avx512_bf16_supported", bool)():
        return {}
    library = functions_of(_SOURCE, _FLAGS, dict.fromkeys(("snake_float", "snake_half"), _ARGUMENTS))
    if library is None:
        return {}
    return {torch.float32: library.snake_float, torch.bfloat16: library.snake_half}


__all__ = ["snake"]
