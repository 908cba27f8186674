"""All layers of a narrow decoder for one new row of each clip, in one call in float32 on a CPU: `network.c`.

Independent of models and of decoding: knows weights, buffers and shapes. A row's logits do not depend, bit for bit, on
the rows of other clips. Without a library (see `compile.py`) there is no kernel.

Shapes: E model width, H heads, G key heads, D head width, S text length, R capacity in rows.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dia.kernels.blocks import in_tiles, padded, whole_blocks
from dia.kernels.compile import load_with_tiles

_SOURCE = Path(__file__).with_name("network.c")
LANES, WIDEST, _PANEL = 8, 128, 32  # as in network.c
WIDTH = 1024  # model width above which memory, not calls, takes the time, and copies of the weights would be large
_Address, _Long, _Float = ctypes.c_void_p, ctypes.c_long, ctypes.c_float


@dataclass(frozen=True)
class LayerWeights:
    """The weights of a layer: norms [E]; projections [out, in], those of queries, keys and values joined."""

    own_norm: Tensor
    own_in: Tensor
    own_out: Tensor
    text_norm: Tensor
    text_in: Tensor
    text_out: Tensor
    mlp_norm: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Attributes:
        heads: H, G and D of self-attention.
        text_heads: the same of attention to the text.
        inner: width inside the MLP, whose activation is SiLU.
        scale: factor of the scores of self-attention.
        text_scale: the same for the text.
        eps: of the norms.
    """

    heads: tuple[int, int, int]
    text_heads: tuple[int, int, int]
    inner: int
    scale: float
    text_scale: float
    eps: float


class Weights:
    """The weights of all layers, packed for the kernel. They are kept in bfloat16 if that loses nothing.

    Args:
        layers: of the decoder.
        norm: [E].
        logits: [outputs, E].
        shape: sizes of the network.
        library: of `load`.
    """

    def __init__(
        self, layers: Sequence[LayerWeights], norm: Tensor, logits: Tensor, shape: Shape, library: Any
    ) -> None:
        self.library, self.shape, self.width, self.outputs = library, shape, len(norm), len(logits)
        matrices = [getattr(layer, name) for layer in layers for name in _MATRICES] + [logits]
        self.half = all(_fits_in_bfloat16(matrix) for matrix in matrices)
        pack = in_tiles if self.half and library.tiled() else partial(_panels, half=self.half)
        self.layers = [
            {
                name: pack(value.detach()).contiguous() if name in _MATRICES else value.detach().float().clone()
                for name, value in vars(layer).items()
            }
            for layer in layers
        ]
        self.norm, self.logits = norm.detach().float().clone(), pack(logits.detach()).contiguous()


@dataclass(frozen=True)
class Buffers:
    """What a layer keeps for each slot: keys and values [slots, halves, G, R, D], and the constant output of attention
    to the unconditional text, [E]."""

    keys: Tensor
    values: Tensor
    unconditional: Tensor


class Network:
    """Runs the network on buffers.

    Args:
        weights: of the layers.
        buffers: of each layer, float32 and contiguous.
    """

    def __init__(self, weights: Weights, buffers: Sequence[Buffers]) -> None:
        self._kept = weights, list(buffers)
        self._library, self._outputs, self._width = weights.library, weights.outputs, weights.width
        self._layers = (_Layer * len(buffers))(*map(_layer, weights.layers, buffers))
        shape, keys = weights.shape, buffers[0].keys
        sizes = (len(buffers), weights.width, *shape.heads, *shape.text_heads, shape.inner, weights.outputs)
        self._network = _Network(
            self._layers, weights.norm.data_ptr(), weights.logits.data_ptr(), *sizes, keys.shape[1], keys.shape[3],
            weights.half, shape.eps, shape.scale, shape.text_scale,
        )  # fmt: skip
        self.text_heads = len(buffers) * shape.text_heads[0]  # of all layers
        self._texts: Any = None

    def use(self, slots: Sequence[int], texts: Sequence[Sequence[tuple[Tensor, Tensor]]]) -> None:
        """Choose the slots that are computed.

        Args:
            slots: of the clips.
            texts: of each layer, the keys and values of each clip's text: contiguous, [1, G, S, D] each.

        Raises:
            ValueError: a tensor has another dtype, device or shape.
        """
        pairs = [pair for layer in texts for pair in layer]
        _, groups, width = self._kept[0].shape.text_heads
        for tensor in (tensor for pair in pairs for tensor in pair):
            _check("a text", tensor, (1, groups, tensor.shape[2] if tensor.ndim == 4 else 0, width))
        addresses = [(_Address * len(pairs))(*(pair[kind].data_ptr() for pair in pairs)) for kind in (0, 1)]
        count = len(slots)
        lengths = [pair[0].shape[2] for pair in texts[0]]
        self._texts = texts, (_Long * count)(*slots), (_Long * count)(*lengths), addresses, max(lengths)

    def __call__(
        self,
        embedded: Tensor,
        angles: Tensor,
        lengths: Sequence[int],
        halves: int,
        attention: Sequence[Tensor | None] | None = None,
    ) -> Tensor:
        """The logits of one row of each clip, [B · halves, outputs].

        Args:
            embedded: the rows, float32 [B, E], contiguous.
            angles: cosines and signed sines of the clips' positions, [B, 2, D], contiguous.
            lengths: number of rows of each clip, the new one included.
            halves: 2 to compute conditional and unconditional rows, conditional first.
            attention: for each clip, where its attention to the text is written, [layers · H, S], or None.

        Raises:
            ValueError: a tensor has another dtype, device or shape, or a length is out of range.
        """
        _, slots, text_lengths, (keys, values), longest = self._texts
        clips, weights, capacity = len(lengths), self._kept[0], self._network
        _check("embedded", embedded, (clips, weights.width))
        _check("angles", angles, (clips, 2, weights.shape.heads[2]))
        if clips != len(slots) or halves > capacity.halves or not 0 < min(lengths) <= max(lengths) <= capacity.rows:
            raise ValueError(f"lengths {list(lengths)}, halves {halves}: the kernel has {len(slots)} slots in use.")
        count, longest = len(lengths) * halves, max(longest, *lengths)
        own, kept = (_Long * len(lengths))(*lengths), self._addresses(attention or [None] * clips, text_lengths)
        rows = _Rows(
            len(lengths), halves, embedded.data_ptr(), angles.data_ptr(), slots, own, text_lengths, keys, values, kept
        )
        network = ctypes.byref(self._network)
        scratch = embedded.new_empty(self._library.scratch_size(network, count, longest))
        logits = embedded.new_empty(count, whole_blocks(self._outputs, _PANEL))
        self._library.run_network(network, ctypes.byref(rows), longest, scratch.data_ptr(), logits.data_ptr())
        return logits[:, : self._outputs]

    def _addresses(self, attention: Sequence[Tensor | None], lengths: Sequence[int]) -> Any:
        for tensor, length in zip(attention, lengths, strict=True):
            if tensor is not None:
                _check("attention", tensor, (self.text_heads, length))
        return (_Address * len(attention))(*(None if one is None else one.data_ptr() for one in attention))


def supports(shape: Shape, width: int) -> bool:
    """Whether the kernel computes a network of these sizes."""
    heads = (shape.heads[2], shape.text_heads[2])
    aligned = all(size % LANES == 0 for size in (width, shape.inner, *heads))
    return aligned and max(heads) <= WIDEST and width <= WIDTH


@cache
def load() -> Any:
    """The compiled functions, or None. Loaded at most once per process."""
    library = load_with_tiles(_SOURCE, _ARGUMENTS)
    if library is not None:
        library.scratch_size.restype = _Long
    return library


_MATRICES = ("own_in", "own_out", "text_in", "text_out", "gate_up", "down")


class _Layer(ctypes.Structure):
    _fields_ = [
        (name, _Address)
        for name in ("own_norm", "text_norm", "mlp_norm", *_MATRICES, "keys", "values", "unconditional")
    ]


class _Network(ctypes.Structure):
    _fields_ = [
        *(("layer", ctypes.POINTER(_Layer)), ("norm", _Address), ("logits", _Address)),
        *((name, _Long) for name in ("layers", "width", "heads", "groups", "head")),
        *((name, _Long) for name in ("text_heads", "text_groups", "text_head")),
        *((name, _Long) for name in ("inner", "outputs", "halves", "rows", "half")),
        *((name, _Float) for name in ("eps", "scale", "text_scale")),
    ]


class _Rows(ctypes.Structure):
    _fields_ = [
        ("clips", _Long), ("halves", _Long), ("embedded", _Address), ("angles", _Address),
        *((name, ctypes.POINTER(_Long)) for name in ("slots", "lengths", "text_lengths")),
        *((name, ctypes.POINTER(_Address)) for name in ("text_keys", "text_values", "attention")),
    ]  # fmt: skip


_ARGUMENTS: dict[str, list[Any]] = {
    "run_network": [ctypes.POINTER(_Network), ctypes.POINTER(_Rows), _Long, _Address, _Address],
    "scratch_size": [ctypes.POINTER(_Network), _Long, _Long],
    "norm_rows": [_Address] * 3 + [_Long] * 2 + [_Float],
    "gate_rows": [_Address] * 2 + [_Long] * 2,
    "attend_text": [_Address] * 4 + [_Long] * 4 + [_Float, ctypes.c_int],
    "attend_new_row": [_Address] * 5 + [_Long] * 6 + [_Float, ctypes.c_int],
}


def _layer(weights: dict[str, Tensor], buffers: Buffers) -> _Layer:
    return _Layer(**{name: tensor.data_ptr() for name, tensor in (weights | vars(buffers)).items()})


def _check(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """The kernel reads memory, so a tensor of another kind would be read beyond its end."""
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu" or tensor.shape != shape:
        found = f"{tensor.dtype} {list(tensor.shape)} on {tensor.device}"
        raise ValueError(f"{name} is {found}; the kernel needs float32 {list(shape)} on the CPU.")
    if not tensor.is_contiguous():
        raise ValueError(f"{name} has gaps; the kernel needs contiguous tensors.")


def _fits_in_bfloat16(matrix: Tensor) -> bool:
    return bool((matrix.bfloat16().float() == matrix).all())


def _panels(matrix: Tensor, half: bool) -> Tensor:
    """A matrix [out, in] in panels of outputs, [out / 32, in, 32]; the last panel is filled with zeros."""
    panels = padded(matrix.to(torch.bfloat16 if half else torch.float32), whole_blocks(len(matrix), _PANEL))
    return panels.view(-1, _PANEL, matrix.shape[1]).transpose(1, 2)


__all__ = [
    "LANES",
    "WIDEST",
    "WIDTH",
    "Buffers",
    "LayerWeights",
    "Network",
    "Shape",
    "Weights",
    "load",
    "supports",
]
