"""Projections whose weights stay in bfloat16 while everything else is float32, for CPUs without bfloat16 products.

Independent of models. Half of the memory of float32, and in products of few rows, which wait for memory, twice the
speed. Products differ from those of the same weights in float32 by the order of their sums alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dia.kernels.blocks import blocked, padded
from dia.kernels.half import half_linear, is_readable, multiplies_half

_MANY = 64  # rows from which it is faster to widen the weights and multiply in float32
_WIDENED = 1 << 20  # weights at a time, which stay in the cache


class HalfLinear(nn.Linear):
    """Computes x Wᵀ for x of any floating dtype, [..., in] → [..., out], without bias.

    `to` moves the weight and does not change its dtype.

    Args:
        weight: [out, in]; it is converted to bfloat16.
    """

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__(weight.shape[1], weight.shape[0], bias=False, device="meta", dtype=torch.bfloat16)
        self.weight = nn.Parameter(weight.detach().to(torch.bfloat16), requires_grad=weight.requires_grad)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] → [..., out]."""
        needs_graph = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        if needs_graph or torch.compiler.is_compiling() or x.device.type != "cpu":
            return nn.functional.linear(x, self.weight.to(x.dtype))
        rows = x.reshape(-1, x.shape[-1])
        product = self.product_of_many if len(rows) >= _MANY and x.dtype == torch.float32 else self.product
        return product(rows).unflatten(0, x.shape[:-1])

    @property
    def rowwise(self) -> bool:
        """Whether `product` uses the kernel, whose result for a row does not depend on the number of rows."""
        return multiplies_half() and is_readable(self.weight)

    def product(self, rows: Tensor) -> Tensor:
        """[N, in] → [N, out]. If `rowwise`, or without AVX-512, a row's result does not depend on the other rows."""
        found = half_linear(rows, self.weight)
        if found is not None:
            return found
        return nn.functional.linear(padded(rows, blocked(len(rows), rows)), self.weight.to(rows.dtype))[: len(rows)]

    def product_of_many(self, rows: Tensor) -> Tensor:
        """The same, up to rounding, with the weights widened part by part: [N, in] → [N, out] in float32."""
        y = rows.new_empty(len(rows), self.out_features)
        count = max(1, _WIDENED // self.in_features)
        for part, weight in zip(y.split(count, dim=1), self.weight.split(count), strict=True):
            torch.mm(rows, weight.float().t(), out=part)
        return y

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "HalfLinear":
        """Move to the model's device. The model's dtype does not apply: conversions change floating tensors only."""
        super()._apply(lambda tensor: fn(tensor.view(torch.int16)).view(torch.bfloat16), recurse)
        return self


def hold_half(model: nn.Module) -> None:
    """Replace every plain `nn.Linear` without bias by a `HalfLinear`, in place."""
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear and module.bias is None:
            model.set_submodule(name, HalfLinear(module.weight))


__all__ = ["HalfLinear", "hold_half"]
