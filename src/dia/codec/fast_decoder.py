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

from collections.abc import Iterator
from itertools import chain, repeat
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import DacModel
from transformers.models.dac.modeling_dac import DacDecoder, DacDecoderBlock, DacResidualUnit, Snake1d

from dia.kernels import convolution
from dia.kernels.snake import snake
from dia.runtime.resources.fingerprint import fingerprint
from dia.runtime.resources.memory import page_out_weights, release_free_memory

DTYPES = (torch.float32, torch.bfloat16)

_USUAL_ROWS = 512
_LEAST_SLOPE = 1e-9  # a Snake divides by its slope
_EXACT = 2  # first stages that stay float32: 4 % of the work, but their rounding noise passes through all others


class FastDecoder:
    """A decoder with a copy of a codec's current weights. Later changes of the weights have no effect.

    Args:
        model: a codec that is supported, see `supports`.
        dtype: the dtype to compute in, one of `DTYPES`; the first stages always use float32.
    """

    @torch.no_grad()
    def __init__(self, model: DacModel, dtype: torch.dtype) -> None:
        quantizers = list(model.quantizer.quantizers)
        self._codebooks = torch.cat([one.codebook.weight.detach() for one in quantizers]).float()  # [C · V, D]
        self._offsets = torch.arange(len(quantizers), device=model.device) * model.config.codebook_size
        self.stages = tuple(_stages(model, dtype))

    def embed(self, codes: Tensor) -> Tensor:
        """Embed codes [B, T, C] as rows [B, T, C · D + 1]; the last column is 1, but 0 in silence around a clip."""
        rows = nn.functional.embedding(codes.to(self._offsets.device) + self._offsets, self._codebooks).flatten(2)
        return nn.functional.pad(rows, (0, 1), value=1.0)


class Stream:
    """Decodes a batch of clips of equal length incrementally. Stores the rows that every stage keeps."""

    def __init__(self, decoder: FastDecoder) -> None:
        self._decoder = decoder
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
        for index, stage in enumerate(self._decoder.stages):
            rows = self._run_stage(index, stage, rows, last)
        return rows[..., 0].float().tanh_()

    def _run_stage(self, index: int, stage: "_Stage", rows: Tensor, last: bool) -> Tensor:
        rows = rows.to(stage.dtype)
        nothing = rows.new_zeros(len(rows), 0, stage.width)
        if not rows.shape[1] and not last:
            return nothing
        silence = rows.new_zeros(len(rows), stage.around, rows.shape[2])
        kept = self._kept[index]
        first = kept is None
        rows = torch.cat([silence if kept is None else kept, rows, *([silence] if last else [])], dim=1)
        self._kept[index] = rows[:, max(rows.shape[1] - stage.span, 0) :].clone()
        if rows.shape[1] <= stage.span:
            return nothing
        result = stage(rows)
        return result[:, stage.crop if first else 0 : result.shape[1] - (stage.crop if last else 0)]


def supports(model: DacModel) -> bool:
    """Whether a codec uses transformers' own decoder without overrides, patches or hooks, on one device."""
    parts = [model, *model.decoder.modules(), *model.quantizer.modules()]
    weights = [weight for part in (model.decoder, model.quantizer) for weight in part.parameters()]
    own = type(model).decode is DacModel.decode and "decode" not in vars(model) and type(model.decoder) is DacDecoder
    hooked = any(part._forward_hooks or part._forward_pre_hooks for part in parts)
    return own and not hooked and len({(weight.device, weight.dtype) for weight in weights}) == 1


_decoders: "WeakKeyDictionary[DacModel, tuple[Any, FastDecoder]]" = WeakKeyDictionary()
_making = Lock()


@torch.no_grad()
def decoder_of(model: DacModel, dtype: torch.dtype) -> FastDecoder:
    """The cached decoder of a supported codec. It is built again if the weights, the device or `dtype` change."""
    weights = [weight for part in (model.decoder, model.quantizer) for weight in part.parameters()]
    identity = dtype, fingerprint(weights)
    with _making:
        known = _decoders.get(model)
        if known is None or known[0] != identity:
            known = _decoders[model] = (identity, FastDecoder(model, dtype))
            page_out_weights(weights)
            release_free_memory()
    return known[1]


def _convolution(weight: Tensor, bias: Tensor, dtype: torch.dtype, dilation: int = 1) -> "_Convolves":
    """A convolution of rows of `dtype` on the weight's device, see `_Convolution`."""
    if dtype == torch.float32 and weight.device.type == "cpu" and convolution.supported():
        return convolution.Convolution(weight, bias, dilation)
    return _Convolution(weight, bias, dtype, dilation)


class _Convolution:
    """PyTorch's convolution without padding: [B, T, I] → [B, T - (K - 1) · dilation, O].

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


_Convolves = _Convolution | convolution.Convolution


class _Stage:
    """A layer that maps rows to rows.

    Attributes:
        around: rows of silence to add before and after a clip.
        span: by how many rows the output is shorter than the input, before upsampling; as many are kept for later.
        crop: rows to drop from both ends of the output of a clip.
        width: columns of the output.
        dtype: the dtype to compute in.
    """

    around, span, crop, width = 3, 6, 0, 1

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, rows: Tensor) -> Tensor:
        """Map rows [B, T, C], which may be overwritten, to rows [B, (T - span) · n, width]."""
        raise NotImplementedError


class _First(_Stage):
    """The projections of all codebooks and the first convolution as one convolution."""

    def __init__(self, model: DacModel, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        projections = [one.out_proj for one in model.quantizer.quantizers]
        silence = torch.stack([one.bias for one in projections]).sum(0)
        project = torch.cat([*(one.weight[..., 0] for one in projections), silence[:, None]], dim=1)  # [H, C · D + 1]
        convolution = model.decoder.conv1
        weight = torch.einsum("ohk,hd->odk", convolution.weight.float(), project.float())
        self._convolution = _convolution(weight, convolution.bias, dtype)
        self.width = convolution.out_channels

    def __call__(self, rows: Tensor) -> Tensor:
        return self._convolution(rows)


class _Up(_Stage):
    """Snake and a transposed convolution, as a convolution over two rows that computes a block of rows at once."""

    around, span = 1, 1

    def __init__(self, block: DacDecoderBlock, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        slope, convolution = _slope(block.snake1), block.conv_t1
        stride = convolution.stride[0]
        weight = convolution.weight.float() / slope[:, None, None]  # [I, O, 2 · stride]
        weight = torch.stack([weight[..., stride:], weight[..., :stride]], dim=-1)  # [I, O, stride, 2]
        weight = weight.permute(2, 1, 0, 3).flatten(0, 1)  # [stride · O, I, 2]
        self._slope = slope
        self._convolution = _convolution(weight, convolution.bias.repeat(stride), dtype)
        self.crop, self.width = convolution.padding[0], convolution.out_channels

    def __call__(self, rows: Tensor) -> Tensor:
        blocks = self._convolution(snake(rows, self._slope))
        return blocks.reshape(len(rows), -1, self.width)


class _Unit(_Stage):
    """A residual unit. The slopes of both Snakes are folded into the adjacent weights."""

    def __init__(self, unit: DacResidualUnit, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        wide, narrow = unit.conv1, unit.conv2
        slope, inner = _slope(unit.snake1), _slope(unit.snake2)
        weight = wide.weight.float() * inner[:, None, None] / slope[:, None]
        self._slope = slope
        self._wide = _convolution(weight, wide.bias * inner, dtype, wide.dilation[0])
        self._narrow = _convolution(narrow.weight.float() / inner[:, None], narrow.bias, dtype)
        self.around, self.span, self.width = wide.padding[0], 2 * wide.padding[0], narrow.out_channels

    def __call__(self, rows: Tensor) -> Tensor:
        hidden = snake(self._wide(snake(rows, self._slope)))
        return self._narrow.added_to(rows[:, self.around : -self.around], hidden)


class _Last(_Stage):
    """Snake and the convolution to one column, without the final tanh."""

    def __init__(self, decoder: DacDecoder, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        slope = _slope(decoder.snake1)
        self._slope = slope
        self._convolution = _convolution(decoder.conv2.weight.float() / slope[:, None], decoder.conv2.bias, dtype)

    def __call__(self, rows: Tensor) -> Tensor:
        return self._convolution(snake(rows, self._slope))


def _packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN supports `dtype` on this CPU; bfloat16 requires AVX512."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _stages(model: DacModel, dtype: torch.dtype) -> Iterator[_Stage]:
    dtypes = chain(repeat(torch.float32, _EXACT), repeat(dtype))
    yield _First(model, next(dtypes))
    for block in model.decoder.block:
        yield _Up(block, next(dtypes))
        for unit in (block.res_unit1, block.res_unit2, block.res_unit3):
            yield _Unit(unit, next(dtypes))
    yield _Last(model.decoder, next(dtypes))


def _slope(snake: Snake1d) -> Tensor:
    slope = snake.alpha.flatten().float()
    return torch.where(slope.abs() < _LEAST_SLOPE, _LEAST_SLOPE, slope)


def _image(rows: Tensor) -> Tensor:
    """A view of rows [B, T, C] as an image [B, C, 1, T]."""
    return rows.transpose(1, 2).unsqueeze(2)


__all__ = ["DTYPES", "FastDecoder", "Stream", "decoder_of", "supports"]
