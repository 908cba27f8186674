"""Products with a quantized matrix: weights packed for the fastest kernel of a device. Independent of layers.

Shapes: R rows, K inputs, N outputs, G groups of inputs that share a scale.

On CPUs with AVX512-VNNI or AVX2 that is `quantized.c` if there is a library of it, otherwise one of PyTorch's kernels.
"""

import ctypes
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from dia.kernels.blocks import padded, whole_blocks
from dia.kernels.compile import load_functions, runs_plain_kernels
from dia.kernels.sources import BYTES_FLAGS, PLAIN_FLAGS, WORDS_FLAGS, Flags
from dia.quantization.codes import MIN_SCALE, TILE, Codes, dequantized, group_size_of, unpack_pairs
from dia.runtime.log import get_logger
from dia.runtime.resources.processor import has_avx512, multiplies_bytes

logger = get_logger(__name__)

ROWS_AT_ONCE = 256  # of a matrix that is converted: intermediates stay small, because the heap does not shrink
SOURCE = Path(__file__).parents[1] / "kernels" / "quantized.c"
_PACKED_GROUPS = (32, 64, 128, 256)  # group sizes that PyTorch's int4 kernels support
_ARGUMENTS = [ctypes.c_void_p] * 4 + [ctypes.c_long] * 4 + [ctypes.c_int] * 2


def _pad_to_tiles(matrix: Tensor) -> Tensor:
    """Pad the outputs with zeros to a multiple of the tile size."""
    return padded(matrix, whole_blocks(len(matrix), TILE))


def _int8_tiles(weight: Tensor) -> Tensor:
    """Codes [N, K] → unsigned, offset by 128, [N / 16, K / 4, 16, 4]."""
    return (weight.view(torch.uint8) ^ 128).reshape(-1, TILE, weight.shape[1] // 4, 4).transpose(1, 2).contiguous()


def _from_int8_tiles(tiles: Tensor) -> Tensor:
    return (tiles.transpose(1, 2).flatten(2).flatten(0, 1) ^ 128).view(torch.int8)


def _int4_tiles(pairs: Tensor) -> Tensor:
    """Two codes per byte, [N, K / 2] → of every eight codes, code i with code i + 4, [N / 16, K / 8, 16, 4]."""
    eights = unpack_pairs(pairs).view(-1, TILE, pairs.shape[1] // 4, 2, 4)
    return (eights[..., 0, :] | eights[..., 1, :] << 4).transpose(1, 2).contiguous()


def _from_int4_tiles(tiles: Tensor) -> Tensor:
    eights = tiles.transpose(1, 2)
    codes = torch.stack((eights & 15, eights >> 4), -2).flatten(2).flatten(0, 1)
    return codes[:, ::2] << 4 | codes[:, 1::2]


class Kernel(Protocol):
    """Quantized weights, packed for a device."""

    def __call__(self, x: Tensor) -> Tensor:
        """[R, K] → [R, N], in the same dtype."""

    def codes(self) -> Codes:
        """The original codes, restored exactly."""


class _Cast:
    """Casts weights to the dtype of x before every product. Works everywhere; fast if a compiler fuses the cast."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes

    def __call__(self, x: Tensor) -> Tensor:
        if "zero" in self._codes:
            return nn.functional.linear(x, dequantized(self._codes).to(x.dtype))
        return nn.functional.linear(x, self._codes["weight"].to(x.dtype)) * self._codes["scale"].to(x.dtype)

    def codes(self) -> Codes:
        return self._codes


class CompiledKernel:
    """Uses the kernel `quantized.c`, which reads weights in tiles of 16 outputs by a few inputs."""

    def __init__(self, codes: Codes, function: Callable[..., int]) -> None:
        self._function, self._is_int4 = function, "zero" in codes
        tile = _int4_tiles if self._is_int4 else _int8_tiles
        chunks = codes["weight"].split(ROWS_AT_ONCE)
        self._tiles = torch.cat([tile(_pad_to_tiles(rows)) for rows in chunks])
        scale = codes["scale"]
        steps = torch.stack((scale, codes["zero"]), -1) if self._is_int4 else scale[:, None, None]  # [N, G, 2 or 1]
        self._steps = _pad_to_tiles(steps).unflatten(0, (-1, TILE)).permute(0, 2, 3, 1).contiguous()
        self._outputs, self._inputs = len(scale), codes["weight"].shape[1] * (2 if self._is_int4 else 1)

    def __call__(self, x: Tensor) -> Tensor:
        half = x.dtype == torch.bfloat16
        read = (x if half else x.float()).contiguous()
        y = read.new_empty(len(read), self._outputs)
        addresses = (tensor.data_ptr() for tensor in (read, self._tiles, self._steps, y))
        sizes = *y.shape, self._inputs, self._inputs // self._steps.shape[1]
        if not self._function(*addresses, *sizes, half, torch.get_num_threads()):
            raise MemoryError(f"out of memory for {len(read)} rows of {self._inputs} numbers; use a smaller batch.")
        return y.to(x.dtype)

    def codes(self) -> Codes:
        from_tiles = _from_int4_tiles if self._is_int4 else _from_int8_tiles
        chunks = self._tiles.split(ROWS_AT_ONCE // TILE)
        weight = torch.cat([from_tiles(tiles) for tiles in chunks])[: self._outputs]
        steps = self._steps.permute(2, 0, 3, 1).flatten(1, 2)[:, : self._outputs].contiguous()  # [2 or 1, N, G]
        if self._is_int4:
            return {"weight": weight, "scale": steps[0], "zero": steps[1]}
        return {"weight": weight, "scale": steps.flatten()}


class _Int8Dot:
    """Uses byte products, four per instruction (AVX512-VNNI).

    x is split into two 8-bit digits, as two rows, so that its rounding error is negligible next to that of the
    weights. Each row has its own scale, so a clip's result does not depend on the batch.
    """

    _LEVELS, _ZERO, _DIGIT = 127, 128, 254

    def __init__(self, codes: Codes) -> None:
        scale = codes["scale"].double()
        engine, torch.backends.quantized.engine = torch.backends.quantized.engine, "fbgemm"
        try:
            with warnings.catch_warnings():  # quantized tensors are deprecated since torch 2.13
                warnings.filterwarnings("ignore", message=".*quantized tensor creation", category=UserWarning)
                matrix = torch._make_per_channel_quantized_tensor(codes["weight"], scale, (0 * scale).long(), 0)
                self._packed = torch.ops.quantized.linear_prepack(matrix, None)
        finally:
            torch.backends.quantized.engine = engine

    def __call__(self, x: Tensor) -> Tensor:
        peak = torch.linalg.vector_norm(x, torch.inf, 1, keepdim=True, dtype=torch.float32).clamp_min_(MIN_SCALE)
        first = x / peak  # −1…1
        second = (first - (first * self._LEVELS).round_().div_(self._LEVELS)).mul_(self._DIGIT)
        digits = torch.cat((first, second))  # [2R, K]
        product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            digits, 1 / self._LEVELS, self._ZERO, self._packed
        )
        return torch.add(product[: len(x)], product[len(x) :], alpha=1 / self._DIGIT).mul_(peak).to(x.dtype)

    def codes(self) -> Codes:
        matrix = torch.ops.quantized.linear_unpack(self._packed)[0]
        return {"weight": matrix.int_repr(), "scale": matrix.q_per_channel_scales().float()}


class _Int8Pack:
    """Converts weights in registers, for CPUs without byte products."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.aten._weight_int8pack_mm(x, self._codes["weight"], self._codes["scale"].to(x.dtype))

    def codes(self) -> Codes:
        return self._codes


class _Int4Pack:
    """Converts packed weights in registers. CPU and CUDA use the same product with different packing."""

    def __init__(self, codes: Codes, dtype: torch.dtype) -> None:
        self._cuda = codes["weight"].is_cuda
        self._dtype = torch.bfloat16 if self._cuda else dtype
        self._group_size = group_size_of(codes)
        self._steps = {name: codes[name] for name in ("scale", "zero")}
        self._scales = torch.stack([step.t() for step in self._steps.values()], -1).to(self._dtype)  # [G, N, 2]
        if self._cuda:
            depth = 128 // self._group_size if self._group_size < 128 else 1
            self._packed = torch.ops.aten._convert_weight_to_int4pack(codes["weight"], 8 // depth)
        else:
            self._packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(unpack_pairs(codes["weight"]).int(), 1)

    def __call__(self, x: Tensor) -> Tensor:
        return self._product(x.to(self._dtype).contiguous(), self._scales).to(x.dtype)

    def _product(self, x: Tensor, scales: Tensor) -> Tensor:
        aten = torch.ops.aten
        product = aten._weight_int4pack_mm if self._cuda else aten._weight_int4pack_mm_for_cpu
        return cast(Tensor, product(x, self._packed, self._group_size, scales))

    def codes(self) -> Codes:
        """Recover the codes with products of known rows, because the packing is private to the kernel.

        A row of 16 and 1 recovers two codes at once, 16 · first + second. These sums are exact in any dtype.
        """
        groups, outputs, _ = self._scales.shape
        inputs = groups * self._group_size
        plain = torch.tensor([1.0, 8.0]).to(self._scales).expand(groups, outputs, 2).contiguous()
        probes = self._scales.new_zeros(inputs // 2, inputs)
        places = torch.arange(0, inputs, 2, device=probes.device)
        probes[places // 2, places], probes[places // 2, places + 1] = 16.0, 1.0
        pairs = torch.cat([self._product(some, plain).to(torch.uint8) for some in probes.split(512)])
        return {"weight": pairs.t().contiguous(), **self._steps}


def kernel_for(codes: Codes, dtype: torch.dtype) -> Kernel:
    """The fastest kernel for the codes' device and the dtype of x."""
    where, is_int4 = codes["weight"].device, "zero" in codes
    function = _function(codes) if where.type == "cpu" else None
    if function is not None:
        return CompiledKernel(codes, function)
    if is_int4 and (where.type == "cpu" or _has_bf16_tensor_cores(where)):
        return _Int4Pack(codes, dtype) if group_size_of(codes) in _PACKED_GROUPS else _Cast(codes)
    if where.type == "cpu":
        return _Int8Dot(codes) if _multiplies_bytes() else _Int8Pack(codes)
    if where.type != "cuda":
        logger.warning_once(f"{where.type} has no kernel for quantized weights; they save memory, but not time.")
    return _Cast(codes)


def _function(codes: Codes) -> Callable[..., int] | None:
    """The function of `quantized.c` for the codes, or None if it does not support their shape or the CPU."""
    group = group_size_of(codes) if "zero" in codes else 0
    fits = group % 8 == 0 if group else codes["weight"].shape[1] % 4 == 0
    library = _library() if fits else None
    return library and (library.int4_linear if "zero" in codes else library.int8_linear)


@cache
def _library() -> Any:
    """The compiled kernels, or None. Loading is attempted once per process."""
    flags = library_flags()
    if flags is None:
        return None
    return load_functions(SOURCE, flags, dict.fromkeys(("int8_linear", "int4_linear"), _ARGUMENTS), ctypes.c_int)


def library_flags() -> Flags | None:
    """How `quantized.c` is compiled for this CPU; None if it is not for this CPU."""
    if _multiplies_bytes() and has_avx512():
        return BYTES_FLAGS
    return WORDS_FLAGS if PLAIN_FLAGS and runs_plain_kernels() else None


def _multiplies_bytes() -> bool:
    return multiplies_bytes() and "fbgemm" in torch.backends.quantized.supported_engines


def _has_bf16_tensor_cores(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


__all__ = ["ROWS_AT_ONCE", "SOURCE", "CompiledKernel", "Kernel", "kernel_for", "library_flags"]
