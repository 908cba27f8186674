"""Linear layers with 8- or 4-bit weights. Independent of models.

Shapes: R rows, K inputs, N outputs, G groups of inputs that share a scale.

    int8    weight = code · scale               code −127…127 [N, K], scale [N]
    int4    weight = (code − 8) · scale + zero  code 0…15, two to a byte [N, K / 2], scale and zero [N, G]

Weights are saved and moved in these formats. On first use a layer packs them for the fastest kernel of the device. On
CPUs with AVX512-VNNI or AVX2 that is `quantized.c` if there is a library of it, otherwise one of PyTorch's kernels.
"""

import ctypes
import threading
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn

from dia.kernels.blocks import padded, whole_blocks
from dia.kernels.compile import load_functions, runs_plain_kernels
from dia.kernels.sources import BYTES_FLAGS, PLAIN_FLAGS, WORDS_FLAGS, Flags
from dia.runtime.log import get_logger
from dia.runtime.resources.processor import has_avx512, multiplies_bytes

logger = get_logger(__name__)

Format = Literal["int8", "int4"]
Codes = dict[str, Tensor]  # "weight", "scale" and for int4 "zero", as above

GROUP_SIZES = (64, 32)  # the first that divides K
_PACKED_GROUPS = (32, 64, 128, 256)  # group sizes that PyTorch's int4 kernels support
_TILE = 16  # outputs per tile in CPU kernels
_ROWS_AT_ONCE = 256
_MIN_SCALE = 1e-8
_SOURCE = Path(__file__).parents[1] / "kernels" / "quantized.c"
_ARGUMENTS = [ctypes.c_void_p] * 4 + [ctypes.c_long] * 4 + [ctypes.c_int] * 2
_packing = threading.Lock()  # two threads can use a layer for the first time at once


def int8_codes(weight: Tensor) -> Codes:
    """Quantize each row of a matrix [N, K] to 255 levels, symmetric about zero."""
    wide = weight.detach().float()
    scale = (wide.abs().amax(1) / 127).clamp_min(_MIN_SCALE)
    return {"weight": (wide / scale[:, None]).round_().to(torch.int8), "scale": scale}


def int4_codes(weight: Tensor, group_size: int) -> Codes:
    """Quantize each group of `group_size` adjacent weights in a row of [N, K] to 16 levels between their min and max.

    Scale and zero are bfloat16, which every kernel supports. Codes are computed from the rounded scale and zero.
    """
    groups = weight.detach().float().unflatten(1, (-1, group_size))  # [N, G, K / G]
    low, high = groups.amin(-1), groups.amax(-1)
    scale = ((high - low) / 15).clamp_min(_MIN_SCALE).bfloat16()
    zero = (low + 8 * scale.float()).bfloat16()
    codes = (groups - zero.float()[..., None]).div_(scale.float()[..., None]).round_().add_(8).clamp_(0, 15)
    codes = codes.to(torch.uint8).flatten(1)
    return {"weight": codes[:, ::2] << 4 | codes[:, 1::2], "scale": scale, "zero": zero}


def dequantized(codes: Codes) -> Tensor:
    """The dequantized matrix, float32 [N, K]."""
    if "zero" not in codes:
        return codes["weight"].float() * codes["scale"][:, None]
    groups = _unpack_pairs(codes["weight"]).float().unflatten(1, (codes["scale"].shape[1], -1))
    return ((groups - 8) * codes["scale"].float()[..., None] + codes["zero"].float()[..., None]).flatten(1)


def _group_size(codes: Codes) -> int:
    """Number of int4 weights that share a scale."""
    return 2 * codes["weight"].shape[1] // codes["scale"].shape[1]


def _unpack_pairs(pairs: Tensor) -> Tensor:
    """Unpack two codes per byte, [N, K / 2], to one code per byte, [N, K]."""
    return torch.stack((pairs >> 4, pairs & 15), dim=-1).flatten(1)


def _pad_to_tiles(matrix: Tensor) -> Tensor:
    """Pad the outputs with zeros to a multiple of the tile size."""
    return padded(matrix, whole_blocks(len(matrix), _TILE))


def _int8_tiles(weight: Tensor) -> Tensor:
    """Codes [N, K] → unsigned, offset by 128, [N / 16, K / 4, 16, 4]."""
    return (weight.view(torch.uint8) ^ 128).reshape(-1, _TILE, weight.shape[1] // 4, 4).transpose(1, 2).contiguous()


def _from_int8_tiles(tiles: Tensor) -> Tensor:
    return (tiles.transpose(1, 2).flatten(2).flatten(0, 1) ^ 128).view(torch.int8)


def _int4_tiles(pairs: Tensor) -> Tensor:
    """Two codes per byte, [N, K / 2] → of every eight codes, code i with code i + 4, [N / 16, K / 8, 16, 4]."""
    eights = _unpack_pairs(pairs).view(-1, _TILE, pairs.shape[1] // 4, 2, 4)
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


class _Compiled:
    """Uses the kernel `quantized.c`, which reads weights in tiles of 16 outputs by a few inputs."""

    def __init__(self, codes: Codes, function: Callable[..., int]) -> None:
        self._function, self._is_int4 = function, "zero" in codes
        tile = _int4_tiles if self._is_int4 else _int8_tiles
        chunks = codes["weight"].split(_ROWS_AT_ONCE)
        self._tiles = torch.cat([tile(_pad_to_tiles(rows)) for rows in chunks])
        scale = codes["scale"]
        steps = torch.stack((scale, codes["zero"]), -1) if self._is_int4 else scale[:, None, None]  # [N, G, 2 or 1]
        self._steps = _pad_to_tiles(steps).unflatten(0, (-1, _TILE)).permute(0, 2, 3, 1).contiguous()
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
        chunks = self._tiles.split(_ROWS_AT_ONCE // _TILE)
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
        peak = torch.linalg.vector_norm(x, torch.inf, 1, keepdim=True, dtype=torch.float32).clamp_min_(_MIN_SCALE)
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
        self._group_size = _group_size(codes)
        self._steps = {name: codes[name] for name in ("scale", "zero")}
        self._scales = torch.stack([step.t() for step in self._steps.values()], -1).to(self._dtype)  # [G, N, 2]
        if self._cuda:
            depth = 128 // self._group_size if self._group_size < 128 else 1
            self._packed = torch.ops.aten._convert_weight_to_int4pack(codes["weight"], 8 // depth)
        else:
            self._packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(_unpack_pairs(codes["weight"]).int(), 1)

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


def _kernel(codes: Codes, dtype: torch.dtype) -> Kernel:
    """The fastest kernel for the codes' device and the dtype of x."""
    where, is_int4 = codes["weight"].device, "zero" in codes
    function = _function(codes) if where.type == "cpu" else None
    if function is not None:
        return _Compiled(codes, function)
    if is_int4 and (where.type == "cpu" or _has_bf16_tensor_cores(where)):
        return _Int4Pack(codes, dtype) if _group_size(codes) in _PACKED_GROUPS else _Cast(codes)
    if where.type == "cpu":
        return _Int8Dot(codes) if _multiplies_bytes() else _Int8Pack(codes)
    if where.type != "cuda":
        logger.warning_once(f"{where.type} has no kernel for quantized weights; they save memory, but not time.")
    return _Cast(codes)


def _function(codes: Codes) -> Callable[..., int] | None:
    """The function of `quantized.c` for the codes, or None if it does not support their shape or the CPU."""
    group = _group_size(codes) if "zero" in codes else 0
    fits = group % 8 == 0 if group else codes["weight"].shape[1] % 4 == 0
    library = _library() if fits else None
    return library and (library.int4_linear if "zero" in codes else library.int8_linear)


@cache
def _library() -> Any:
    """The compiled kernels, or None. Loading is attempted once per process."""
    flags = library_flags()
    if flags is None:
        return None
    return load_functions(_SOURCE, flags, dict.fromkeys(("int8_linear", "int4_linear"), _ARGUMENTS), ctypes.c_int)


def library_flags() -> Flags | None:
    """How `quantized.c` is compiled for this CPU; None if it is not for this CPU."""
    if _multiplies_bytes() and has_avx512():
        return BYTES_FLAGS
    return WORDS_FLAGS if PLAIN_FLAGS and runs_plain_kernels() else None


def _multiplies_bytes() -> bool:
    return multiplies_bytes() and "fbgemm" in torch.backends.quantized.supported_engines


def _has_bf16_tensor_cores(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


class QuantizedLinear(nn.Module):
    """Computes x Wᵀ for x of any floating dtype, [..., K] → [..., N], without bias, for inference only.

    Args:
        format: "int8" or "int4".
        in_features: K.
        out_features: N.
        group_size: weights per scale in int4, a divisor of K; int8 has one scale per row.
        device: device of the empty buffers.
    """

    def __init__(
        self,
        format: Format,
        in_features: int,
        out_features: int,
        group_size: int = GROUP_SIZES[0],
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.format, self.in_features, self.out_features = format, in_features, out_features
        self.group_size = group_size if format == "int4" else in_features
        self._kernel: Kernel | None = None
        for name, tensor in self._empty(device).items():
            self.register_buffer(name, tensor)

    def _empty(self, device: torch.device | str | None) -> Codes:
        n, k, groups = self.out_features, self.in_features, self.in_features // self.group_size
        if self.format == "int8":
            shapes: dict[str, Any] = {"weight": ((n, k), torch.int8), "scale": ((n,), torch.float32)}
        else:
            step = ((n, groups), torch.bfloat16)
            shapes = {"weight": ((n, k // 2), torch.uint8), "scale": step, "zero": step}
        return {name: torch.empty(shape, dtype=dtype, device=device) for name, (shape, dtype) in shapes.items()}

    @classmethod
    def of(cls, weight: Tensor, format: Format, group_size: int = GROUP_SIZES[0]) -> "QuantizedLinear":
        """Quantize a matrix [N, K]."""
        layer = cls(format, weight.shape[1], weight.shape[0], group_size, device="meta")
        chunks = weight.split(_ROWS_AT_ONCE)  # keeps intermediates small, because the heap does not shrink
        parts = [int8_codes(rows) if format == "int8" else int4_codes(rows, group_size) for rows in chunks]
        layer._set({name: torch.cat([part[name] for part in parts]) for name in parts[0]})
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """[..., K] → [..., N]."""
        kernel = self._kernel or self.pack(x.dtype)
        if x.ndim == 2:
            return kernel(x)
        return kernel(x.reshape(-1, self.in_features)).unflatten(0, x.shape[:-1])

    def pack(self, dtype: torch.dtype) -> Kernel:
        """Pack the weights for x of a dtype. Otherwise the first `forward` does it."""
        with _packing:
            if self._kernel is None:
                self._device = self.device
                self._kernel = _kernel(self.codes(), dtype)
                self._buffers.update(dict.fromkeys(self._buffers))  # free the unpacked copy
        return self._kernel

    def codes(self) -> Codes:
        """Codes, scales and zeros in the format described in this module."""
        if self._kernel is not None:
            return self._kernel.codes()
        return {name: tensor for name, tensor in self._buffers.items() if tensor is not None}

    @property
    def packed_bytes(self) -> int:
        """Size of the packed weights, which are no buffers; 0 before they are packed."""
        return 0 if self._kernel is None else sum(tensor.nbytes for tensor in self._empty("meta").values())

    @property
    def rowwise(self) -> bool:
        """Whether the kernel's result for a row does not depend, bit for bit, on the number of rows."""
        return isinstance(self._kernel, _Compiled)

    @property
    def device(self) -> torch.device:
        """Device of the codes."""
        return self._device if self._kernel is not None else self.codes()["weight"].device

    def _set(self, codes: Codes) -> None:
        self._buffers.update(codes)
        self._kernel = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "QuantizedLinear":
        """Move to the model's device. The model's dtype does not apply to codes, and must not round scales."""
        there = fn(torch.empty(0, dtype=torch.uint8, device=self.device)).device
        if there != self.device:
            move = torch.empty_like if self.device.type == "meta" else torch.Tensor.to
            self._set({name: move(tensor, device=there) for name, tensor in self.codes().items()})
        return self

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        destination.update({f"{prefix}{name}": tensor for name, tensor in self.codes().items()})

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._set(self.codes())  # unpack, because packed weights have no names
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_buffers": self.codes(), "_kernel": None}

    def extra_repr(self) -> str:
        """Text for `print(model)`."""
        return f"{self.format}, in_features={self.in_features}, out_features={self.out_features}"


def fitting_group(in_features: int, out_features: int) -> int | None:
    """The int4 group size for a matrix, or None if the kernels do not support its shape."""
    if out_features % _TILE:
        return None
    return next((size for size in GROUP_SIZES if in_features % size == 0), None)


__all__ = ["GROUP_SIZES", "QuantizedLinear", "dequantized", "fitting_group", "int4_codes", "int8_codes"]
