"""Matrix products with weights in bfloat16 on CPUs without instructions for it: `half.c`, with AVX2.

PyTorch emulates such products and is several times slower. Independent of models. With AVX-512, or without a library
(see `compile.py`), there is no kernel.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dia.kernels.compile import load_functions
from dia.kernels.sources import PLAIN_FLAGS

_SOURCE = Path(__file__).with_name("half.c")
_ARGUMENTS = {"half_linear": [ctypes.c_void_p] * 3 + [ctypes.c_long] * 3 + [ctypes.c_int] * 2}
_DTYPES = (torch.float32, torch.bfloat16)


def multiplies_half() -> bool:
    """Whether there is a kernel for this CPU."""
    return _kernel() is not None


def half_linear(x: Tensor, weight: Tensor) -> Tensor | None:
    """x Wᵀ for a weight [out, in] in bfloat16: [N, in] → [N, out], or None if the kernel does not compute it.

    Reads the weight once, for few rows at memory bandwidth, and adds in float32. A row's result does not depend, bit
    for bit, on the other rows.

    Args:
        x: float32 or bfloat16, on the CPU.
        weight: contiguous, on the CPU.

    Raises:
        MemoryError: there is no memory for a copy of x.
    """
    if x.dtype not in _DTYPES or x.ndim != 2 or x.device.type != "cpu" or not is_readable(weight):
        return None
    kernel = _kernel()
    if kernel is None or x.shape[1] != weight.shape[1]:
        return None
    x = x.contiguous()
    y = x.new_empty(len(x), len(weight))
    addresses, shape = (x.data_ptr(), weight.data_ptr(), y.data_ptr()), (*y.shape, x.shape[1])
    if not kernel.half_linear(*addresses, *shape, x.dtype == torch.bfloat16, torch.get_num_threads()):
        raise MemoryError(f"out of memory for {len(x)} rows of {x.shape[1]} numbers; use a smaller batch.")
    return y


def is_readable(weight: Tensor) -> bool:
    """Whether a kernel can read a weight in bfloat16 directly from memory."""
    plain = type(weight) in (Tensor, nn.Parameter) and weight.is_contiguous()
    return plain and weight.device.type == "cpu" and weight.dtype == torch.bfloat16


@cache
def _kernel() -> Any:
    """The compiled functions, or None. Loaded at most once per process."""
    return load_functions(_SOURCE, PLAIN_FLAGS, _ARGUMENTS, ctypes.c_int) if fits() else None


def fits() -> bool:
    """Whether the kernel is for this CPU. With AVX-512, products in float32 use wider vectors, or there is another."""
    return bool(PLAIN_FLAGS) and torch.backends.cpu.get_cpu_capability() == "AVX2"


__all__ = ["fits", "half_linear", "is_readable", "multiplies_half"]
