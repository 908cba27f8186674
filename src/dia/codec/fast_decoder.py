"""A DAC decoder for inference: the samples of `DacModel.decode`, faster, and piece by piece.

Folds the weights of transformers' DAC layers into fewer and larger operations. `dia.codec.dac` handles clips of
different lengths and decides when to use it.

Activations are rows [B, T, C], one per time step, so that convolutions and activation functions read contiguous
memory. Every stage needs a few rows of context on both sides and keeps those that it needs again:

    first piece   [ silence | ~~~~~~~~~~ | kept ]
    next piece                           [ kept | ~~~~~~~~~~ | kept ]
    last piece                                               [ kept | ~~~~~~ | silence ]

Nothing is computed twice, and memory grows with the piece, not with the clip.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import DacModel
from transformers.models.dac.modeling_dac import DacDecoder, DacDecoderBlock, DacResidualUnit, Snake1d

from dia.kernels.codec import ClipState, Kernel, StageWeights, is_used
from dia.kernels.snake import snake
from dia.runtime.forks import Lock
from dia.runtime.resources.fingerprint import fingerprint, modules_of, weights_of
from dia.runtime.resources.memory import page_out_weights, release_free_memory

DTYPES = (torch.float32, torch.bfloat16)

_USUAL_ROWS = 512
_LEAST_SLOPE = 1e-9  # a Snake divides by its slope
_EXACT = 2  # first stages that stay float32: 4 % of the work, but their rounding noise passes through all others


class FastDecoder:
    """A decoder with a copy of a codec's current weights. Later changes of the weights have no effect.

    Args:
        model: a codec with transformers' own decoder.
        dtype: the dtype to compute in, one of `DTYPES`; the first stages always use float32.
    """

    @torch.no_grad()
    def __init__(self, model: DacModel, dtype: torch.dtype) -> None:
        quantizers = list(model.quantizer.quantizers)
        self._codebooks = torch.cat([one.codebook.weight.detach() for one in quantizers]).float()  # [C · V, D]
        self._offsets = torch.arange(len(quantizers), device=model.device) * model.config.codebook_size
        weights = list(_weights(model))
        uses_kernel = dtype == torch.float32 and model.device.type == "cpu" and is_used()
        self.kernel = Kernel(weights) if uses_kernel else None
        dtypes = chain(repeat(torch.float32, _EXACT), repeat(dtype))
        self.stages = () if uses_kernel else tuple(_Stage(*pair) for pair in zip(weights, dtypes, strict=False))

    def embed(self, codes: Tensor) -> Tensor:
        """Embed codes [B, T, C] as rows [B, T, C · D + 1]; the last column is 1, but 0 in silence around a clip."""
        rows = nn.functional.embedding(codes.to(self._offsets.device) + self._offsets, self._codebooks).flatten(2)
        return nn.functional.pad(rows, (0, 1), value=1.0)


class Stream:
    """Decodes a batch of clips of equal length incrementally. Stores the rows that every stage keeps.

    Args:
        decoder: of the codec.
        clips: B.
    """

    def __init__(self, decoder: FastDecoder, clips: int = 1) -> None:
        self._decoder = decoder
        self._states = [] if decoder.kernel is None else [ClipState(decoder.kernel) for _ in range(clips)]
        self._kept: list[Tensor | None] = [None for _ in decoder.stages]

    @torch.no_grad()
    def push(self, codes: Tensor, last: bool = False) -> Tensor:
        """Decode the next frames, as far as their context is available.

        Args:
            codes: [B, T, C], with any T, including 0.
            last: whether the clips end here.

        Returns:
            The next float32 samples [B, N]. They lag behind the codes by the decoder's context; the last call returns
            the rest.
        """
        rows = self._decoder.embed(codes)
        if self._decoder.kernel is not None:
            made = [state.push(clip, last) for state, clip in zip(self._states, rows, strict=True)]
            return torch.stack(made).tanh_()
        for index, stage in enumerate(self._decoder.stages):
            rows = self._run_stage(index, stage, rows, last)
        return rows[..., 0].float().tanh_()

    def _run_stage(self, index: int, stage: "_Stage", rows: Tensor, last: bool) -> Tensor:
        sizes, rows = stage.sizes, rows.to(stage.dtype)
        nothing = rows.new_zeros(len(rows), 0, sizes.width)
        if not rows.shape[1] and not last:
            return nothing
        silence = rows.new_zeros(len(rows), sizes.around, rows.shape[2])
        kept = self._kept[index]
        first = kept is None
        rows = torch.cat([silence if kept is None else kept, rows, *([silence] if last else [])], dim=1)
        self._kept[index] = rows[:, max(rows.shape[1] - sizes.span, 0) :].clone()
        if rows.shape[1] <= sizes.span:
            return nothing
        result = stage(rows)
        return result[:, sizes.crop if first else 0 : result.shape[1] - (sizes.crop if last else 0)]


def _supports(model: DacModel, parts: Sequence[nn.Module], weights: Sequence[Tensor]) -> bool:
    """Whether a codec uses transformers' own decoder without overrides, patches or hooks, on one device."""
    own = type(model).decode is DacModel.decode and "decode" not in vars(model) and type(model.decoder) is DacDecoder
    hooked = any(part._forward_hooks or part._forward_pre_hooks for part in (model, *parts))
    return own and not hooked and len({(weight.device, weight.dtype) for weight in weights}) == 1


_decoders: "WeakKeyDictionary[DacModel, tuple[Any, FastDecoder]]" = WeakKeyDictionary()
_making = Lock()


@torch.no_grad()
def decoder_of(model: DacModel, dtype: torch.dtype) -> FastDecoder | None:
    """The cached decoder of a codec. It is built again if the weights, the device or `dtype` change.

    None if the codec has another decoder than transformers' own, or hooks, or is on several devices.
    """
    weights = weights_of(parts := modules_of(model.decoder, model.quantizer))
    if not _supports(model, parts, weights):
        return None
    with _making:
        known = _decoders.get(model)
        identity = dtype, fingerprint(weights, known and known[0][1])
        if known is None or known[0] != identity:
            known = _decoders[model] = (identity, FastDecoder(model, dtype))
            page_out_weights(weights)
            release_free_memory()
    return known[1]


class _Convolution:
    """A convolution without padding: [B, T, I] → [B, T - (K - 1) · dilation, O].

    Args:
        weight: [O, I, K].
        bias: [O].
        dtype: the dtype of the rows.
        dilation: distance between taps, in rows.
    """

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, dilation: int = 1) -> None:
        self._geometry = (
            [0, 0],
            [1, 1],
            [1, dilation],
            1,
        )  # padding, stride, dilation, groups of an image of height 1
        self._weight = weight[:, :, None].to(dtype, memory_format=torch.channels_last)
        self._bias = bias.to(dtype)
        self._packed = weight.device.type == "cpu" and _packs(dtype)
        if self._packed:  # otherwise every call reorders the weights; without an expected size, too
            size = [1, weight.shape[1], 1, _USUAL_ROWS]
            self._weight = torch.ops.mkldnn._reorder_convolution_weight(self._weight, *self._geometry, size)

    def __call__(self, rows: Tensor) -> Tensor:
        if self._packed:
            result = torch.ops.mkldnn._convolution_pointwise(*self._operands(rows), "none", [], None)
        else:
            image, weight, bias, padding, stride, dilation, groups = self._operands(rows)
            result = nn.functional.conv2d(image, weight, bias, stride, padding, dilation, groups)
        return result.squeeze(2).transpose(1, 2)

    def added_to(self, stream: Tensor, rows: Tensor) -> Tensor:
        """Add the convolution of `rows` to `stream` in place."""
        if not self._packed or len(stream) > 1:
            return stream.add_(self(rows))
        added = torch.ops.mkldnn._convolution_pointwise_.binary
        added(_image(stream), *self._operands(rows), "add", None, None, [], None)
        return stream

    def _operands(self, rows: Tensor) -> tuple[Any, ...]:
        return _image(rows), self._weight, self._bias, *self._geometry


class _Stage:
    """A layer that maps rows to rows, with PyTorch's operations.

    Attributes:
        sizes: its weights and sizes.
        dtype: the dtype to compute in.
    """

    def __init__(self, weights: StageWeights, dtype: torch.dtype) -> None:
        self.sizes, self.dtype = weights, dtype
        self._wide = _Convolution(weights.weight, weights.bias, dtype, weights.dilation)
        self._narrow = None if weights.narrow is None else _Convolution(*weights.narrow, dtype)

    def __call__(self, rows: Tensor) -> Tensor:
        """Map rows [B, T, C], which may be overwritten, to rows [B, (T - span) · n, width]."""
        sizes = self.sizes
        made = self._wide(rows if sizes.slope is None else snake(rows, sizes.slope))
        if self._narrow is not None:
            return self._narrow.added_to(rows[:, sizes.around : -sizes.around], snake(made))
        return made.reshape(len(rows), -1, sizes.width)


def _packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN supports `dtype` on this CPU; bfloat16 requires AVX512."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _weights(model: DacModel) -> Iterator[StageWeights]:
    """The stages of a codec, with its weights folded."""
    yield _first(model)
    for block in model.decoder.block:
        yield _up(block)
        yield from map(_unit, (block.res_unit1, block.res_unit2, block.res_unit3))
    slope, convolution = _slope(model.decoder.snake1), model.decoder.conv2
    weight = convolution.weight.float() / slope[:, None]
    yield StageWeights(weight, convolution.bias, width=convolution.out_channels, slope=slope)


def _first(model: DacModel) -> StageWeights:
    """The projections of all codebooks and the first convolution as one convolution."""
    projections = [one.out_proj for one in model.quantizer.quantizers]
    silence = torch.stack([one.bias for one in projections]).sum(0)
    project = torch.cat([*(one.weight[..., 0] for one in projections), silence[:, None]], dim=1)  # [H, C · D + 1]
    convolution = model.decoder.conv1
    weight = torch.einsum("ohk,hd->odk", convolution.weight.float(), project.float())
    return StageWeights(weight, convolution.bias, width=convolution.out_channels)


def _up(block: DacDecoderBlock) -> StageWeights:
    """Snake and a transposed convolution, as a convolution over two rows that computes a block of rows at once."""
    slope, convolution = _slope(block.snake1), block.conv_t1
    stride = convolution.stride[0]
    weight = convolution.weight.float() / slope[:, None, None]  # [I, O, 2 · stride]
    weight = torch.stack([weight[..., stride:], weight[..., :stride]], dim=-1)  # [I, O, stride, 2]
    weight = weight.permute(2, 1, 0, 3).flatten(0, 1)  # [stride · O, I, 2]
    sizes = {"width": convolution.out_channels, "around": 1, "span": 1, "crop": convolution.padding[0]}
    return StageWeights(weight, convolution.bias.repeat(stride), slope=slope, **sizes)


def _unit(unit: DacResidualUnit) -> StageWeights:
    """A residual unit. The slopes of both Snakes are folded into the adjacent weights."""
    wide, narrow = unit.conv1, unit.conv2
    slope, inner = _slope(unit.snake1), _slope(unit.snake2)
    weight = wide.weight.float() * inner[:, None, None] / slope[:, None]
    sizes = {"width": narrow.out_channels, "around": wide.padding[0], "span": 2 * wide.padding[0]}
    second = narrow.weight.float() / inner[:, None], narrow.bias
    return StageWeights(weight, wide.bias * inner, dilation=wide.dilation[0], slope=slope, narrow=second, **sizes)


def _slope(snake: Snake1d) -> Tensor:
    slope = snake.alpha.flatten().float()
    return torch.where(slope.abs() < _LEAST_SLOPE, _LEAST_SLOPE, slope)


def _image(rows: Tensor) -> Tensor:
    """A view of rows [B, T, C] as an image [B, C, 1, T]."""
    return rows.transpose(1, 2).unsqueeze(2)


__all__ = ["DTYPES", "FastDecoder", "Stream", "decoder_of"]
