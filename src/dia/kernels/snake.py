"""The Snake activation of a DAC, u + sin²(u), in one pass over memory: `snake.c`, or that of `codec.c`.

Independent of codecs. Without a library (see `compile.py`), or in half precision without CPU support
for bfloat16, torch computes it in three passes; in half precision it then rounds between them.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dia.kernels.codec import snake_function
from dia.kernels.compile import load_functions
from dia.kernels.sources import BFLOAT16_FLAGS
from dia.runtime.resources.processor import multiplies_bfloat16

_SOURCE = Path(__file__).with_name("snake.c")
_ARGUMENTS = [ctypes.c_void_p] * 3 + [ctypes.c_long] * 2 + [ctypes.c_int]


def snake(rows: Tensor, slope: Tensor | None = None) -> Tensor:
    """Compute u + sin²(u) with u = slope · rows.

    Args:
        rows: [B, T, C], float32 or bfloat16; overwritten if there is no slope.
        slope: float32 [C], by default ones.

    Returns:
        [B, T, C] with the same dtype.
    """
    function = _functions().get(rows.dtype) if rows.device.type == "cpu" and rows.is_contiguous() else None
    if function is None:
        scaled = rows if slope is None else rows * slope.to(rows.dtype)
        wave = torch.sin(scaled)
        return scaled.addcmul_(wave, wave)
    result = rows if slope is None else torch.empty_like(rows)
    width = rows.shape[-1]
    sizes = rows.numel() // width, width, torch.get_num_threads()
    function(rows.data_ptr(), None if slope is None else slope.data_ptr(), result.data_ptr(), *sizes)
    return result


@cache
def _functions() -> dict[torch.dtype, Any]:
    """The kernel for each dtype; empty if not available. Loaded at most once per process."""
    if not multiplies_bfloat16():
        plain = snake_function()
        return {} if plain is None else {torch.float32: plain}
    names = {torch.float32: "snake_float", torch.bfloat16: "snake_half"}
    library = load_functions(_SOURCE, BFLOAT16_FLAGS, dict.fromkeys(names.values(), _ARGUMENTS))
    return {} if library is None else {dtype: getattr(library, name) for dtype, name in names.items()}


__all__ = ["snake"]
