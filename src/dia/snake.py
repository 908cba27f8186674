"""The activation between a DAC's convolutions, u + sin²(u), in one pass over memory: `snake.c`, compiled on first use.

Knows rows and slopes, nothing of codecs. Where there is no compiler or the CPU lacks bfloat16, torch does it in three
passes; in half precision it then rounds between them.
"""

import ctypes
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging

from dia.skinny import compiled

logger = logging.get_logger(__name__)

_SOURCE = Path(__file__).with_name("snake.c")
_FLAGS = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512bf16")


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
    try:
        library = compiled(_SOURCE, *_FLAGS)
    except (OSError, subprocess.SubprocessError) as error:
        logger.debug("no kernel of our own for the codec's activation, torch's operations are used: %s", error)
        return {}
    for function in (library.snake_float, library.snake_half):
        function.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_long] * 2 + [ctypes.c_int]
        function.restype = None
    return {torch.float32: library.snake_float, torch.bfloat16: library.snake_half}


__all__ = ["snake"]
