"""One decoder layer for one new row of each clip, over keys and values that keep their place.

Receives the model's layer and uses its weights as they lie; knows its parts by name, not by import, and no ids.

Shapes: N rows of the network, E model width, R grid rows, S text length, H heads, G key heads, D head width.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dia.kernels.decoder import skinny_attention, skinny_linear, skinny_norm

HOME = "dia.modeling_dia"  # whose forward methods the step knows how to stand in for
_NARROW = 1024  # up to this width a step waits for calls, not for memory, and joined weights are worth their copy

Linear = Callable[[Tensor], Tensor]


class FastLayer:
    """A `DiaDecoderLayer` of the model.

    Args:
        layer: the module.
        batch: N.
        rows: R, how many rows there is room for.
        text: S, likewise.
        dtype: of keys and values.
        eager: it will not be compiled, so that kernels of our own may be called.
        new: makes the room, `torch.empty` where no row is looked at before it is written.
    """

    def __init__(
        self,
        layer: Any,
        batch: int,
        rows: int,
        text: int,
        dtype: torch.dtype,
        eager: bool,
        new: Callable[..., Tensor],
    ) -> None:
        own, cross, mlp = layer.self_attention, layer.cross_attention, layer.mlp
        self.own_norm, self.text_norm = norm_of(layer.pre_sa_norm, eager), norm_of(layer.pre_ca_norm, eager)
        self.own_in, self.own_out = _joined([own.q_proj, own.k_proj, own.v_proj], eager), linear_of(own.o_proj, eager)
        self.text_in, self.text_out = linear_of(cross.q_proj, eager), linear_of(cross.o_proj, eager)
        self.mlp_norm, self.activation = norm_of(layer.pre_mlp_norm, eager), mlp.activation
        self.gate_up, self.down = linear_of(mlp.gate_up_proj, eager), linear_of(mlp.down_proj, eager)
        self.scaling, self.text_scaling = own.scaling, cross.scaling
        groups, text_groups = own.config.num_key_value_heads, cross.config.cross_num_key_value_heads
        self.heads, self.groups = groups * own.num_key_value_groups, groups
        device = layer.pre_sa_norm.weight.device
        self.keys, self.values = new(2, batch, groups, rows, own.head_dim, dtype=dtype, device=device)
        self.text_keys, self.text_values = new(2, batch, text_groups, text, cross.head_dim, dtype=dtype, device=device)
        self.attend_text = _attend
        # On a CPU the fused kernel is several times slower than two products for single queries in half precision.
        if device.type == "cpu" and dtype != torch.float32:
            self.attend_text = _attend_skinny if eager else _attend_written_out
            # Read along the text by the first product.
            self.text_keys = new(batch, text_groups, cross.head_dim, text, dtype=dtype, device=device).transpose(2, 3)

    def clear(self) -> None:
        """Forget a former call. Masks hide what it has left, but not if that is no number."""
        for kept in (self.keys, self.values, self.text_keys, self.text_values):
            kept.zero_()

    def load(self, own: Any, text: Any, place: Callable[[Tensor, Tensor], None]) -> None:
        """Take over the keys and values that the model has computed: transformers' cache layers of rows and text."""
        if isinstance(self.own_in, _Joined):
            self.own_in.refresh()
        place(self.keys, own.keys)
        place(self.values, own.values)
        place(self.text_keys, text.keys)
        place(self.text_values, text.values)

    def __call__(
        self,
        hidden: Tensor,
        rotary: tuple[Tensor, ...],
        row: Tensor,
        span: int,
        mask: Tensor | None,
        text_mask: Tensor | None,
    ) -> Tensor:
        """States of one row [N, E] → those after the layer.

        Args:
            hidden: [N, E].
            rotary: cosines and signed sines of the row, [1, D] each.
            row: its number, [1].
            span: so many rows are looked at, this one among them.
            mask: added to the scores, [N, 1, 1, span].
            text_mask: likewise, [N, 1, 1, S].
        """
        hidden = hidden + self._read_rows(self.own_norm(hidden), rotary, row, span, mask)
        hidden = hidden + self._read_text(self.text_norm(hidden), text_mask)
        gate, up = self.gate_up(self.mlp_norm(hidden)).chunk(2, dim=-1)
        return hidden + self.down(self.activation(gate) * up)

    def _read_rows(
        self, hidden: Tensor, rotary: tuple[Tensor, ...], row: Tensor, span: int, mask: Tensor | None
    ) -> Tensor:
        joined = self.own_in(hidden).view(len(hidden), -1, self.keys.shape[-1])  # [N, H + 2G, D]
        turning = self.heads + self.groups
        turned = rotate(joined[:, :turning], rotary)
        self.keys.index_copy_(2, row, turned[:, self.heads :, None])
        self.values.index_copy_(2, row, joined[:, turning:, None])
        keys, values = self.keys[:, :, :span], self.values[:, :, :span]
        return self.own_out(_attend(turned[:, : self.heads], keys, values, mask, self.scaling))

    def _read_text(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        query = self.text_in(hidden).view(len(hidden), -1, self.text_keys.shape[-1])
        return self.text_out(self.attend_text(query, self.text_keys, self.text_values, mask, self.text_scaling))


class _Joined:
    """Plain projections of the same rows in one multiplication: [N, E] → [N, sum of the outputs]."""

    def __init__(self, parts: list[Tensor]) -> None:
        self.parts = parts
        self.weight = torch.cat(parts)

    def refresh(self) -> None:
        """Follow the model's weights, which may have been trained since."""
        torch.cat(self.parts, out=self.weight)

    def __call__(self, rows: Tensor) -> Tensor:
        return nn.functional.linear(rows, self.weight)


def linear_of(module: nn.Module, eager: bool) -> Linear:
    """A projection of rows [N, in]: its weight where it is nothing but that, else the module, adapters and all."""
    if not _plain(module):
        return module
    weight: Any = module.weight
    own = skinny_linear(weight) if eager else None
    return own or (lambda rows: nn.functional.linear(rows, weight))


def norm_of(module: Any, eager: bool) -> Linear:
    """A root-mean-square norm in one call where the module is the model's own."""
    if type(module).forward.__module__ != HOME:
        return module
    weight, shape, eps = module.weight, module.weight.shape, module.eps
    own = skinny_norm(weight, eps) if eager else None
    return own or (lambda rows: torch.rms_norm(rows, shape, weight, eps))


def rotate(heads: Tensor, rotary: tuple[Tensor, ...]) -> Tensor:
    """Turn heads [N, H, D] by the angles of their row; the sine comes with the sign of its half, see `signed`."""
    cos, sin = rotary
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, dims=-1), sin)


def signed(cos: Tensor, sin: Tensor) -> Tensor:
    """Cosines and sines of all rows, [R, D] each, as the one table [R, 2, D] that `rotate` reads rows of."""
    first, second = sin.chunk(2, dim=-1)
    return torch.stack([cos, torch.cat([-first, second], dim=-1)], dim=1)


def _joined(modules: list[nn.Module], eager: bool) -> Linear:
    if all(map(_plain, modules)):
        weights: list[Any] = [module.weight for module in modules]
        if weights[0].is_cuda or weights[0].shape[1] <= _NARROW:
            return _Joined(weights)
    parts = [linear_of(module, eager) for module in modules]
    return lambda rows: torch.cat([part(rows) for part in parts], dim=-1)


def _plain(module: nn.Module) -> bool:
    """Its weight is all there is to it, and a tensor of the usual kind; torchao's, for one, only look like that."""
    return type(module) is nn.Linear and module.bias is None and type(module.weight) is nn.Parameter


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    """Attention of one row: query [N, H, D] over [N, G, rows, D] → [N, H · D]."""
    grouped = _grouped(query, keys)
    output = nn.functional.scaled_dot_product_attention(grouped, keys, values, attn_mask=mask, scale=scaling)
    return output.reshape(len(query), -1)


def _attend_written_out(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    scores = (_grouped(query, keys) * scaling) @ keys.transpose(2, 3)
    weights = (scores if mask is None else scores + mask).softmax(-1)
    return (weights @ values).reshape(len(query), -1)


def _attend_skinny(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    own = skinny_attention(_grouped(query, keys), keys, values, mask, scaling)
    return _attend_written_out(query, keys, values, mask, scaling) if own is None else own.view(len(query), -1)


def _grouped(query: Tensor, keys: Tensor) -> Tensor:
    """The query heads that share a key head laid out as rows, so that no key is repeated: [N, G, H / G, D]."""
    return query.reshape(len(query), keys.shape[1], -1, query.shape[-1])


__all__ = ["HOME", "FastLayer", "linear_of", "norm_of", "rotate", "signed"]
