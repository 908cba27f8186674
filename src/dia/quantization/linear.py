"""`QuantizedLinear`, a linear layer with 8- or 4-bit weights. Independent of models.

Weights are saved and moved in the formats of `codes`. On first use a layer packs them for the fastest kernel of the
device, see `products`.
"""

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dia.quantization.codes import GROUP_SIZES, Codes, Format, int4_codes, int8_codes
from dia.quantization.products import ROWS_AT_ONCE, CompiledKernel, Kernel, kernel_for

_packing = threading.Lock()  # two threads can use a layer for the first time at once


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
        chunks = weight.split(ROWS_AT_ONCE)
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
                self._kernel = kernel_for(self.codes(), dtype)
                self._buffers.update(dict.fromkeys(self._buffers))  # free the unpacked copy
        return self._kernel

    def codes(self) -> Codes:
        """Codes, scales and zeros in the formats of `codes`."""
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
        return isinstance(self._kernel, CompiledKernel)

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


__all__ = ["QuantizedLinear"]
