"""A decoder layer for one new row per clip, with keys and values in static buffers.

Uses the weights of a `DiaDecoderLayer` in place, without importing the class. Independent of ids.

Under guidance, half of the rows read the unconditional text. All its positions have the same value, so attention over
them is that value: one vector of each layer.

Shapes: B clips, N rows of the network (B, under guidance 2B), E model width, R grid rows, S text length, H heads,
G key heads, D head width.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from dia.decoding.step.attention import Attention
from dia.kernels.blocks import blocked, padded
from dia.kernels.decoder import skinny_linear, skinny_norm
from dia.kernels.wide import operations, wide_norm
from dia.quantization.half import HalfLinear
from dia.quantization.linear import QuantizedLinear
from dia.runtime.forks import Lock

MODELING_MODULE = "dia.modeling_dia"  # the step replaces forward methods of this module only
_NARROW = 1024  # up to this width call overhead dominates, so that copying weights into one matrix pays off

Linear = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class StepRows:
    """The rows that a step reads: one of each of its slots, with guidance conditional and unconditional.

    Attributes:
        clips: B.
        halves: N / B.
        cells: where the keys of the rows belong in a flat buffer, int64 [N · G].
        angles: cosines and signed sines of the rows, [N, 1, D] each.
        turns: the same of the clips, [B, 2, D].
        lengths: the number of each slot, and of rows that it attends to; None if limits on the device tell.
        limit: of attention over the first `span` rows, as its implementation reads it; see `Attention`.
        text_limit: of attention over the text.
        span: number of rows that limits apply to.
        blocks: whether products need whole blocks of rows, see `blocked`.
    """

    clips: int
    halves: int
    cells: Tensor
    angles: tuple[Tensor, Tensor]
    turns: Tensor
    lengths: Sequence[tuple[int, int]] | None = None
    limit: Tensor | None = None
    text_limit: Tensor | None = None
    span: int = 0
    blocks: bool = True


@dataclass(frozen=True)
class Attentions:
    """The implementations of attention in a layer."""

    rows: Attention
    text: Attention


class FastLayer:
    """A fast equivalent of a `DiaDecoderLayer`.

    Args:
        layer: the `DiaDecoderLayer`.
        slots: number of slots, and rows of the network for each.
        rows: R, the capacity in rows.
        text: S, the capacity in text ids; None to keep the text of each slot as it is given.
        dtype: dtype of keys and values.
        eager: whether the step runs without torch.compile, so that custom kernels can be used.
        attentions: how it attends.
        new: creates the buffers; `torch.empty` if every row is written before it is read.
    """

    def __init__(
        self,
        layer: Any,
        slots: tuple[int, int],
        rows: int,
        text: int | None,
        dtype: torch.dtype,
        eager: bool,
        attentions: Attentions,
        new: Callable[..., Tensor],
    ) -> None:
        own, cross, mlp = layer.self_attention, layer.cross_attention, layer.mlp
        self.own_norm, self.text_norm = norm_of(layer.pre_sa_norm, eager), norm_of(layer.pre_ca_norm, eager)
        self.own_in = _joined(own, [own.q_proj, own.k_proj, own.v_proj], eager)
        self.own_out = linear_of(own.o_proj, eager)
        self.text_in, self.text_out = linear_of(cross.q_proj, eager), linear_of(cross.o_proj, eager)
        self.mlp_norm, self.activation = norm_of(layer.pre_mlp_norm, eager), mlp.activation
        self.gate: Linear = self._gate
        self.gate_up, self.down = linear_of(mlp.gate_up_proj, eager), linear_of(mlp.down_proj, eager)
        self.scaling, self.text_scaling = own.scaling, cross.scaling
        groups, text_groups = own.config.num_key_value_heads, cross.config.cross_num_key_value_heads
        self.heads, self.groups = groups * own.num_key_value_groups, groups
        device = layer.pre_sa_norm.weight.device
        like = {"dtype": dtype, "device": device}
        self.keys, self.values = new(2, *slots, groups, rows, own.head_dim, **like)  # [slots, halves, G, R, D] each
        self.text_repeats = cross.num_key_value_groups
        self.unconditional = new(1, layer.pre_ca_norm.weight.shape[0], **like)  # output of attention, [1, E]
        self.text_keys, self.text_values = new(2, slots[0], text_groups, text or 0, cross.head_dim, **like)
        self.capacity = text is not None
        self.texts: list[tuple[Tensor, Tensor] | None] = [None] * slots[0]  # of each slot, without a capacity
        self.attend, self.attend_text = attentions.rows, attentions.text
        # Kernels, where there are some.
        self.attend_row: Callable[..., Tensor] | None = None
        self.attend_text_row: Callable[..., Tensor] | None = None
        if eager and not self.capacity and (own_kernels := operations(self.keys, own.head_dim, cross.head_dim)):
            self.attend_row, self.attend_text_row = own_kernels.attend_row, own_kernels.attend_text
            if type(mlp.activation) is type(ACT2FN["silu"]):
                self.gate = own_kernels.gate
        self.along_text = attentions.text.keys_along_text
        if self.along_text:
            self.text_keys = _along_text(self.text_keys)

    @property
    def buffers(self) -> tuple[Tensor, ...]:
        """Its keys and values of all slots."""
        return self.keys, self.values, self.text_keys, self.text_values

    def refresh(self) -> None:
        """Copy the model's current weights, which training may have changed."""
        if isinstance(self.own_in, _Joined):
            self.own_in.matrix.refresh()

    def clear(self, slot: int) -> None:
        """Empty a slot. Zeros, because masks hide values of an earlier call, but not NaN."""
        self.texts[slot] = None
        for kept in self.buffers:
            kept[slot].zero_()

    def load(self, slot: int, keys: Tensor, values: Tensor) -> None:
        """Copy keys and values of a clip's prompt, [halves, G, rows, D] each, to a slot."""
        for buffer, given in ((self.keys, keys), (self.values, values)):
            buffer[slot, : len(given), :, : given.shape[2]] = given

    def load_text(self, slot: int, keys: Tensor, values: Tensor) -> None:
        """Give a slot the keys and values of its text, [G, S, D] each."""
        if not self.capacity:
            ready = _along_text(keys[None]) if self.along_text else keys[None].contiguous()
            self.texts[slot] = ready, values[None].contiguous()
            return
        for buffer, given in ((self.text_keys, keys), (self.text_values, values)):
            buffer[slot, :, : given.shape[1]] = given

    def text_of(self, slot: int) -> tuple[Tensor, Tensor]:
        """Keys and values [1, G, S, D] of the text of a slot in use, in a step without a capacity for texts."""
        text = self.texts[slot]
        assert text is not None
        return text

    def load_unconditional(self, value: Tensor) -> None:
        """Keep the output of attention over the unconditional text, from its value [G, D]."""
        self.unconditional.copy_(self.text_out(value.repeat_interleave(self.text_repeats, dim=0).reshape(1, -1)))

    def __call__(self, hidden_states: Tensor, rows: StepRows) -> Tensor:
        """Compute the layer's output [P, E] for the rows [P, E] of a step; the first N belong to its slots."""
        hidden_states = hidden_states + self._self_attention(self.own_norm(hidden_states), rows)
        hidden_states = hidden_states + self._cross_attention(hidden_states, rows)
        return hidden_states + self.down(self.gate(self.gate_up(self.mlp_norm(hidden_states))))

    def _gate(self, both: Tensor) -> Tensor:
        gate, up = both.chunk(2, dim=-1)
        return self.activation(gate) * up

    def _self_attention(self, hidden_states: Tensor, rows: StepRows) -> Tensor:
        count, width = rows.clips * rows.halves, self.keys.shape[-1]
        heads = self.own_in(hidden_states)[:count].view(count, -1, width)  # [N, H + 2G, D]
        if self.attend_row is None or rows.lengths is None:
            attended = self._attend(heads, rows)
        else:
            given = zip(heads.split(rows.halves), rows.turns, rows.lengths, strict=True)
            attended = _joined_parts(
                [
                    self.attend_row(part, turn, self.keys[slot], self.values[slot], length, self.scaling)
                    for part, turn, (slot, length) in given
                ]
            )
        return self.own_out(padded(attended, len(hidden_states)))

    def _attend(self, heads: Tensor, rows: StepRows) -> Tensor:
        """Rotate new rows [N, H + 2G, D], keep their keys and values, and attend."""
        width = heads.shape[-1]
        first_value = self.heads + self.groups
        rotated = rotate(heads[:, :first_value], rows.angles)
        self.keys.view(-1, width).index_copy_(0, rows.cells, rotated[:, self.heads :].reshape(-1, width))
        self.values.view(-1, width).index_copy_(0, rows.cells, heads[:, first_value:].reshape(-1, width))
        query = rotated[:, : self.heads]
        if rows.lengths is None:
            keys, values = (kept.flatten(0, 1)[:, :, : rows.span] for kept in (self.keys, self.values))
            return self.attend(query, keys, values, rows.limit, self.scaling)
        parts = zip(query.split(rows.halves), rows.lengths, strict=True)
        return _joined_parts([self._attend_slot(part, *place) for part, place in parts])

    def _attend_slot(self, query: Tensor, slot: int, rows: int) -> Tensor:
        keys, values = (kept[slot, : len(query), :, :rows] for kept in (self.keys, self.values))
        return self.attend(query, keys, values, None, self.scaling)

    def _cross_attention(self, hidden_states: Tensor, rows: StepRows) -> Tensor:
        clips, halves, count = rows.clips, rows.halves, len(hidden_states)
        read = hidden_states[: clips * halves : halves]
        if rows.blocks:
            read = padded(read, blocked(clips, read))
        query = self.text_in(self.text_norm(read))[:clips].view(clips, -1, self.text_keys.shape[-1])
        if rows.lengths is None:
            attended = self.attend_text(query, self.text_keys, self.text_values, rows.text_limit, self.text_scaling)
        else:
            parts = zip(query.split(1), (self.text_of(slot) for slot, _ in rows.lengths), strict=True)
            attended = _joined_parts([self._attend_text_slot(part, *text) for part, text in parts])
        output = self.text_out(padded(attended, len(read)))[:clips]
        if halves == 2:
            output = torch.stack([output, self.unconditional.expand(clips, -1)], dim=1).flatten(0, 1)
        return padded(output, count)

    def _attend_text_slot(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        if self.attend_text_row is not None:
            return self.attend_text_row(query, keys, values, self.text_scaling)
        return self.attend_text(query, keys, values, None, self.text_scaling)


def _joined_parts(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _along_text(keys: Tensor) -> Tensor:
    """The same keys [N, G, S, D], contiguous along S."""
    return keys.transpose(2, 3).contiguous().transpose(2, 3)


class _Matrix:
    """The weights of several projections in one matrix, [sum of the outputs, in]. All steps of a model share it."""

    def __init__(self, parts: list[Tensor]) -> None:
        self.parts = parts
        self.weight = torch.cat(parts)

    def joins(self, parts: list[Tensor]) -> bool:
        """Whether this is the matrix of these weights, where they are now."""
        same = [id(part) for part in self.parts] == [id(part) for part in parts]
        return same and (self.weight.device, self.weight.dtype) == (parts[0].device, parts[0].dtype)

    def refresh(self) -> None:
        """Copy the model's current weights, which training may have changed."""
        torch.cat(self.parts, out=self.weight)


class _Joined:
    """Several projections of the same rows in one matrix product: [N, E] → [N, sum of the outputs]."""

    def __init__(self, matrix: _Matrix, eager: bool) -> None:
        self.matrix, self.product = matrix, _product(matrix.weight, eager)

    def __call__(self, rows: Tensor) -> Tensor:
        return self.product(rows)


def linear_of(module: nn.Module, eager: bool) -> Linear:
    """A projection of rows [N, in]: a direct product for a plain `nn.Linear`, otherwise the module itself."""
    if isinstance(module, HalfLinear) and eager:
        return module.product
    if not is_plain(module):
        return module
    weight: Any = module.weight
    return _product(weight, eager)


def _product(weight: Tensor, eager: bool) -> Linear:
    own = skinny_linear(weight) if eager else None
    return own or (lambda rows: nn.functional.linear(rows, weight))


def needs_blocks(modules: Iterable[nn.Module], eager: bool) -> bool:
    """Whether products need whole blocks of rows for a row's result not to depend on how many others there are."""
    matrices = [module for module in modules if isinstance(module, nn.Linear | QuantizedLinear)]
    return not (eager and all(isinstance(one, HalfLinear | QuantizedLinear) and one.rowwise for one in matrices))


def norm_of(module: Any, eager: bool) -> Linear:
    """A root-mean-square norm: a single call for the model's own class, otherwise the module itself."""
    if type(module).forward.__module__ != MODELING_MODULE:
        return module
    weight, shape, eps = module.weight, module.weight.shape, module.eps
    own = (skinny_norm(weight, eps) or wide_norm(weight, eps)) if eager else None
    return own or (lambda rows: torch.rms_norm(rows, shape, weight, eps))


def rotate(heads: Tensor, position_embeddings: tuple[Tensor, ...]) -> Tensor:
    """Rotate heads [N, H, D] by the angles of their row. The sines are signed, see `signed`."""
    cos, sin = position_embeddings
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, dims=-1), sin)


def signed(cos: Tensor, sin: Tensor) -> Tensor:
    """Combine cosines and sines of all rows, [R, D] each, in a table [R, 2, D] for `rotate`."""
    first, second = sin.chunk(2, dim=-1)
    return torch.stack([cos, torch.cat([-first, second], dim=-1)], dim=1)


def _joined(owner: nn.Module, modules: list[nn.Module], eager: bool) -> Linear:
    """Projections of the same rows, in one product where that is faster. All steps of a model share the matrix."""
    if all(map(is_plain, modules)):
        weights: list[Any] = [module.weight for module in modules]
        if weights[0].is_cuda or weights[0].shape[1] <= _NARROW:
            return _Joined(_shared(owner, weights), eager)
    parts = [linear_of(module, eager) for module in modules]
    return lambda rows: torch.cat([part(rows) for part in parts], dim=-1)


_matrices: WeakKeyDictionary[nn.Module, _Matrix] = WeakKeyDictionary()
_matrices_lock = Lock()


def _shared(owner: nn.Module, weights: list[Tensor]) -> _Matrix:
    """The joined matrix of a module, created with its first step and again once its weights are moved or replaced."""
    with _matrices_lock:
        matrix = _matrices.get(owner)
        if matrix is None or not matrix.joins(weights):
            # A tensor that is created in inference mode cannot be written to outside of it, by a later call.
            with torch.inference_mode(False), torch.no_grad():
                matrix = _matrices[owner] = _Matrix(weights)
        return matrix


def is_plain(module: nn.Module) -> bool:
    """Whether a module is a plain `nn.Linear` without bias. torchao replaces the weight with a tensor subclass."""
    return type(module) is nn.Linear and module.bias is None and type(module.weight) is nn.Parameter


__all__ = [
    "MODELING_MODULE",
    "Attentions",
    "FastLayer",
    "StepRows",
    "is_plain",
    "linear_of",
    "needs_blocks",
    "norm_of",
    "rotate",
    "signed",
]
