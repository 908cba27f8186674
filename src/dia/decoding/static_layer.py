"""A decoder layer for one new row per clip, with keys and values in static buffers.

Uses the weights of a `DiaDecoderLayer` in place, without importing the class. Independent of ids.

Under guidance, half of the rows read the unconditional text. All its positions have the same value, so attention over
them is that value: one vector of each layer.

Shapes: B clips, N rows of the network (B, under guidance 2B), E model width, R grid rows, S text length, H heads,
G key heads, D head width.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dia.kernels.decoder import skinny_attention, skinny_linear, skinny_norm

MODELING_MODULE = "dia.modeling_dia"  # the step replaces forward methods of this module only
_NARROW = 1024  # up to this width call overhead dominates, so that copying weights into one matrix pays off

Linear = Callable[[Tensor], Tensor]


class FastLayer:
    """A fast equivalent of a `DiaDecoderLayer`.

    Args:
        layer: the `DiaDecoderLayer`.
        rows: N, and R, the capacity in rows.
        text: B, and S, the capacity in text ids.
        dtype: dtype of keys and values.
        eager: whether the step runs without torch.compile, so that custom kernels can be used.
        new: creates the buffers; `torch.empty` if every row is written before it is read.
    """

    def __init__(
        self,
        layer: Any,
        rows: tuple[int, int],
        text: tuple[int, int],
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
        self.keys, self.values = new(2, rows[0], groups, rows[1], own.head_dim, dtype=dtype, device=device)
        like = {"dtype": dtype, "device": device}
        self.text_keys, self.text_values = new(2, text[0], text_groups, text[1], cross.head_dim, **like)
        self.text_repeats = cross.num_key_value_groups
        self.unconditional = new(1, layer.pre_ca_norm.weight.shape[0], **like)  # output of attention, [1, E]
        self.attend_text = _attend
        # For single queries in half precision, the fused kernel on CPUs is several times slower than two products.
        if device.type == "cpu" and dtype != torch.float32:
            self.attend_text = _attend_skinny if eager else _attend_unfused
            # The first product reads the keys along the text axis.
            self.text_keys = new(text[0], text_groups, cross.head_dim, text[1], **like).transpose(2, 3)

    def clear(self) -> None:
        """Zero the buffers. Masks hide values of an earlier call, but not NaN."""
        for kept in (self.keys, self.values, self.text_keys, self.text_values):
            kept.zero_()

    def load(self, own: Any, text: Any, place: Callable[[Tensor, Tensor], None], guided: bool) -> None:
        """Copy the keys and values that the model has computed.

        Args:
            own: transformers' cache layer of the rows.
            text: transformers' cache layer of the text.
            place: copies a tensor [N, …] into a buffer.
            guided: whether the second half of N is unconditional.
        """
        if isinstance(self.own_in, _Joined):
            self.own_in.refresh()
        place(self.keys, own.keys)
        place(self.values, own.values)
        clips = len(text.keys) // (2 if guided else 1)
        for buffer, given in ((self.text_keys, text.keys), (self.text_values, text.values)):
            buffer[:clips, :, : given.shape[2]] = given[:clips]
        if guided:
            value = text.values[clips, :, 0].repeat_interleave(self.text_repeats, dim=0)  # [H, D]
            self.unconditional.copy_(self.text_out(value.view(1, -1)))

    def __call__(
        self,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, ...],
        row: Tensor,
        span: int,
        attention_mask: Tensor | None,
        encoder_attention_mask: Tensor | None,
    ) -> Tensor:
        """Compute the layer's output [N, E] for one row.

        Args:
            hidden_states: [N, E].
            position_embeddings: cosines and signed sines of the row, [1, D] each.
            row: index of the row, [1].
            span: number of rows to attend to, including this row.
            attention_mask: added to the scores, [N, 1, 1, span].
            encoder_attention_mask: added to the scores of the text, [N, 1, 1, S].
        """
        normed = self.own_norm(hidden_states)
        hidden_states = hidden_states + self._self_attention(normed, position_embeddings, row, span, attention_mask)
        hidden_states = hidden_states + self._cross_attention(hidden_states, encoder_attention_mask)
        gate, up = self.gate_up(self.mlp_norm(hidden_states)).chunk(2, dim=-1)
        return hidden_states + self.down(self.activation(gate) * up)

    def _self_attention(
        self,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, ...],
        row: Tensor,
        span: int,
        attention_mask: Tensor | None,
    ) -> Tensor:
        heads = self.own_in(hidden_states).view(len(hidden_states), -1, self.keys.shape[-1])  # [N, H + 2G, D]
        first_value = self.heads + self.groups
        rotated = rotate(heads[:, :first_value], position_embeddings)
        self.keys.index_copy_(2, row, rotated[:, self.heads :, None])
        self.values.index_copy_(2, row, heads[:, first_value:, None])
        keys, values = self.keys[:, :, :span], self.values[:, :, :span]
        return self.own_out(_attend(rotated[:, : self.heads], keys, values, attention_mask, self.scaling))

    def _cross_attention(self, hidden_states: Tensor, attention_mask: Tensor | None) -> Tensor:
        clips, rows = len(self.text_keys), len(hidden_states)
        query = self.text_in(self.text_norm(hidden_states[:clips])).view(clips, -1, self.text_keys.shape[-1])
        output = self.attend_text(query, self.text_keys, self.text_values, attention_mask, self.text_scaling)
        read = self.text_out(output)
        return read if clips == rows else torch.cat([read, self.unconditional.expand(rows - clips, -1)])


class _Joined:
    """Several projections of the same rows in one matrix product: [N, E] → [N, sum of the outputs]."""

    def __init__(self, parts: list[Tensor]) -> None:
        self.parts = parts
        self.weight = torch.cat(parts)

    def refresh(self) -> None:
        """Copy the model's current weights, which training may have changed."""
        torch.cat(self.parts, out=self.weight)

    def __call__(self, rows: Tensor) -> Tensor:
        return nn.functional.linear(rows, self.weight)


def linear_of(module: nn.Module, eager: bool) -> Linear:
    """A projection of rows [N, in]: a direct product for a plain `nn.Linear`, otherwise the module itself."""
    if not _plain(module):
        return module
    weight: Any = module.weight
    own = skinny_linear(weight) if eager else None
    return own or (lambda rows: nn.functional.linear(rows, weight))


def norm_of(module: Any, eager: bool) -> Linear:
    """A root-mean-square norm: a single call for the model's own class, otherwise the module itself."""
    if type(module).forward.__module__ != MODELING_MODULE:
        return module
    weight, shape, eps = module.weight, module.weight.shape, module.eps
    own = skinny_norm(weight, eps) if eager else None
    return own or (lambda rows: torch.rms_norm(rows, shape, weight, eps))


def rotate(heads: Tensor, position_embeddings: tuple[Tensor, ...]) -> Tensor:
    """Rotate heads [N, H, D] by the angles of their row. The sines are signed, see `signed`."""
    cos, sin = position_embeddings
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, dims=-1), sin)


def signed(cos: Tensor, sin: Tensor) -> Tensor:
    """Combine cosines and sines of all rows, [R, D] each, in a table [R, 2, D] for `rotate`."""
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
    """Whether a module is a plain `nn.Linear` without bias. torchao replaces the weight with a tensor subclass."""
    return type(module) is nn.Linear and module.bias is None and type(module.weight) is nn.Parameter


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    """Attention of one row: query [N, H, D] over [N, G, rows, D] → [N, H · D]."""
    grouped = _grouped(query, keys)
    output = nn.functional.scaled_dot_product_attention(grouped, keys, values, attn_mask=mask, scale=scaling)
    return output.reshape(len(query), -1)


def _attend_unfused(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    scores = (_grouped(query, keys) * scaling) @ keys.transpose(2, 3)
    weights = (scores if mask is None else scores + mask).softmax(-1)
    return (weights @ values).reshape(len(query), -1)


def _attend_skinny(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    own = skinny_attention(_grouped(query, keys), keys, values, mask, scaling)
    return _attend_unfused(query, keys, values, mask, scaling) if own is None else own.view(len(query), -1)


def _grouped(query: Tensor, keys: Tensor) -> Tensor:
    """Reshape the query to [N, G, H / G, D]: heads that share a key head become rows, so keys are not repeated."""
    return query.reshape(len(query), keys.shape[1], -1, query.shape[-1])


__all__ = ["MODELING_MODULE", "FastLayer", "linear_of", "norm_of", "rotate", "signed"]
