"""A DAC decoder for listening: the samples of `DacModel.decode`, sooner, and piece by piece.

Knows the layers of transformers' DAC and folds their weights into fewer and larger steps. Knows nothing of clips of
several lengths, nor of when it is worth its while: `dia.codec.dac` does.

What flows through it are rows, [B, T, C], one for each moment: convolutions and activations alike then read memory in
the order in which it lies. Every stage looks a few rows to both sides and keeps those that it will need again:

    first piece   [ silence | ~~~~~~~~~~ | kept ]
    next piece                           [ kept | ~~~~~~~~~~ | kept ]
    last piece                                               [ kept | ~~~~~~ | silence ]

so nothing is computed twice, and memory grows with the piece, not with the clip.
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

from dia.kernels.snake import snake
from dia.runtime.memory import page_out_weights, release_free_memory

DTYPES = (torch.float32, torch.bfloat16)

_USUAL_ROWS = 512
_LEAST_SLOPE = 1e-9  # a Snake divides by its slope
_EXACT = 2  # first stages, a twenty-fifth of the work, that stay float32: all others pass their noise on


class FastDecoder:
    """The decoder of a codec as it is now; weights that change later do not reach it.

    Args:
        model: a codec that `fits`.
        dtype: to compute in, one of `DTYPES`; the first stages are float32 in any case.
    """

    @torch.no_grad()
    def __init__(self, model: DacModel, dtype: torch.dtype) -> None:
        quantizers = list(model.quantizer.quantizers)
        self._codebooks = torch.cat([one.codebook.weight.detach() for one in quantizers]).float()  # [C · V, D]
        self._offsets = torch.arange(len(quantizers), device=model.device) * model.config.codebook_size
        self.stages = tuple(_stages(model, dtype))

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [B, T, C] as rows [B, T, C · D + 1]; the last column tells a frame from the silence around a clip."""
        rows = nn.functional.embedding(codes.to(self._offsets.device) + self._offsets, self._codebooks).flatten(2)
        return nn.functional.pad(rows, (0, 1), value=1.0)


class Stream:
    """Clips of one length on their way through a decoder: the rows that every stage keeps."""

    def __init__(self, decoder: FastDecoder) -> None:
        self._decoder = decoder
        self._kept: list[Tensor | None] = [None for _ in decoder.stages]

    @torch.no_grad()
    def push(self, codes: Tensor, last: bool = False) -> Tensor:
        """Decode the next frames, as far as what they need has come.

        Args:
            codes: [B, T, C], T of any size, 0 included.
            last: the clips end here.

        Returns:
            The next float32 samples [B, N]. They lag behind the codes by the decoder's context; the last call brings
            the rest.
        """
        rows = self._decoder.embed(codes)
        for index, stage in enumerate(self._decoder.stages):
            rows = self._through(index, stage, rows, last)
        return rows[..., 0].float().tanh_()

    def _through(self, index: int, stage: "_Stage", rows: Tensor, last: bool) -> Tensor:
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
        made = stage(rows)
        return made[:, stage.crop if first else 0 : made.shape[1] - (stage.crop if last else 0)]


def fits(model: DacModel) -> bool:
    """Whether `model` decodes as transformers' own does: nothing overridden, patched, hooked in or spread about."""
    parts = [model, *model.decoder.modules(), *model.quantizer.modules()]
    weights = [weight for part in (model.decoder, model.quantizer) for weight in part.parameters()]
    own = type(model).decode is DacModel.decode and "decode" not in vars(model) and type(model.decoder) is DacDecoder
    hooked = any(part._forward_hooks or part._forward_pre_hooks for part in parts)
    return own and not hooked and len({(weight.device, weight.dtype) for weight in weights}) == 1


_decoders: "WeakKeyDictionary[DacModel, tuple[Any, Tensor, FastDecoder]]" = WeakKeyDictionary()
_making = Lock()


@torch.no_grad()
def decoder_of(model: DacModel, dtype: torch.dtype) -> FastDecoder:
    """The decoder of a codec that `fits`: made once, and anew when its weights, its device or `dtype` change."""
    weights = [weight for part in (model.decoder, model.quantizer) for weight in part.parameters()]
    versions = [0 if weight.is_inference() else weight._version for weight in weights]
    identity = (dtype, versions, [weight.data_ptr() for weight in weights])
    # What is written through `.data` leaves no other trace.
    sample = torch.stack([weight.flatten()[weight.numel() // 2] for weight in weights])
    with _making:
        known = _decoders.get(model)
        if known is None or known[0] != identity or not torch.equal(known[1], sample):
            known = _decoders[model] = (identity, sample, FastDecoder(model, dtype))
            page_out_weights(weights)
            release_free_memory()
    return known[2]


class _Convolution:
    """A convolution that brings no silence of its own: [B, T, I] → [B, T - (K - 1) · dilation, O].

    Args:
        weight: [O, I, K].
        bias: [O].
        dtype: of rows.
        dilation: rows from one tap to the next.
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
        if self._packed:  # else every call would lay the weights out again, as it would without a size to expect
            size = [1, weight.shape[1], 1, _USUAL_ROWS]
            self._weight = torch.ops.mkldnn._reorder_convolution_weight(self._weight, *self._geometry, size)

    def __call__(self, rows: Tensor) -> Tensor:
        if self._packed:
            made = torch.ops.mkldnn._convolution_pointwise(*self._operands(rows), "none", [], None)
        else:
            image, weight, bias, padding, stride, dilation, groups = self._operands(rows)
            made = nn.functional.conv2d(image, weight, bias, stride, padding, dilation, groups)
        return made.squeeze(2).transpose(1, 2)

    def added_to(self, stream: Tensor, rows: Tensor) -> Tensor:
        """`stream` + what this makes of `rows`, in the memory of `stream`."""
        if not self._packed or len(stream) > 1:
            return stream.add_(self(rows))
        added = torch.ops.mkldnn._convolution_pointwise_.binary
        added(_image(stream), *self._operands(rows), "add", None, None, [], None)
        return stream

    def _operands(self, rows: Tensor) -> tuple[Any, ...]:
        return _image(rows), self._weight, self._bias, *self._geometry


class _Stage:
    """A layer between rows.

    Attributes:
        around: rows of silence that belong before and after a clip.
        span: how many rows fewer than it reads it makes, before they are multiplied; so many are kept.
        crop: rows to be dropped from both ends of what is made of a clip.
        width: columns that it makes.
        dtype: that it computes in.
    """

    around, span, crop, width = 3, 6, 0, 1

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, rows: Tensor) -> Tensor:
        """Rows [B, T, C], which may be overwritten, to rows [B, (T - span) · n, width]."""
        raise NotImplementedError


class _First(_Stage):
    """Embedded codes → the decoder's width: projections of all codebooks and the first convolution in one."""

    def __init__(self, model: DacModel, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        projections = [one.out_proj for one in model.quantizer.quantizers]
        silence = torch.stack([one.bias for one in projections]).sum(0)
        project = torch.cat([*(one.weight[..., 0] for one in projections), silence[:, None]], dim=1)  # [H, C · D + 1]
        convolution = model.decoder.conv1
        weight = torch.einsum("ohk,hd->odk", convolution.weight.float(), project.float())
        self._convolution = _Convolution(weight, convolution.bias, dtype)
        self.width = convolution.out_channels

    def __call__(self, rows: Tensor) -> Tensor:
        return self._convolution(rows)


class _Up(_Stage):
    """Snake and transposed convolution, as a convolution of two rows that makes a whole block of rows at once."""

    around, span = 1, 1

    def __init__(self, block: DacDecoderBlock, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        slope, convolution = _slope(block.snake1), block.conv_t1
        stride = convolution.stride[0]
        weight = convolution.weight.float() / slope[:, None, None]  # [I, O, 2 · stride]
        weight = torch.stack([weight[..., stride:], weight[..., :stride]], dim=-1)  # [I, O, stride, 2]
        weight = weight.permute(2, 1, 0, 3).flatten(0, 1)  # [stride · O, I, 2]
        self._slope = slope
        self._convolution = _Convolution(weight, convolution.bias.repeat(stride), dtype)
        self.crop, self.width = convolution.padding[0], convolution.out_channels

    def __call__(self, rows: Tensor) -> Tensor:
        blocks = self._convolution(snake(rows, self._slope))
        return blocks.reshape(len(rows), -1, self.width)


class _Unit(_Stage):
    """A residual unit. The slopes of both Snakes are in the weights on their two sides."""

    def __init__(self, unit: DacResidualUnit, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        wide, narrow = unit.conv1, unit.conv2
        slope, inner = _slope(unit.snake1), _slope(unit.snake2)
        weight = wide.weight.float() * inner[:, None, None] / slope[:, None]
        self._slope = slope
        self._wide = _Convolution(weight, wide.bias * inner, dtype, wide.dilation[0])
        self._narrow = _Convolution(narrow.weight.float() / inner[:, None], narrow.bias, dtype)
        self.around, self.span, self.width = wide.padding[0], 2 * wide.padding[0], narrow.out_channels

    def __call__(self, rows: Tensor) -> Tensor:
        hidden = snake(self._wide(snake(rows, self._slope)))
        return self._narrow.added_to(rows[:, self.around : -self.around], hidden)


class _Last(_Stage):
    """Snake and the convolution to one column; the hyperbolic tangent is still to come."""

    def __init__(self, decoder: DacDecoder, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        slope = _slope(decoder.snake1)
        self._slope = slope
        self._convolution = _Convolution(decoder.conv2.weight.float() / slope[:, None], decoder.conv2.bias, dtype)

    def __call__(self, rows: Tensor) -> Tensor:
        return self._convolution(snake(rows, self._slope))


def _packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN computes in `dtype` on this CPU; in half precision it refuses those without AVX512."""
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
    """[B, T, C] as an image [B, C, 1, T] of the same memory."""
    return rows.transpose(1, 2).unsqueeze(2)


__all__ = ["DTYPES", "FastDecoder", "Stream", "decoder_of", "fits"]
