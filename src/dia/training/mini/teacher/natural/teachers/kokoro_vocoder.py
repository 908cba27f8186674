"""The vocoder of Kokoro in PyTorch, with convolutions in bfloat16: three times as fast as in onnxruntime on AMX.

Knows the names of nodes in the published int8 export, whose weights it reads. onnxruntime still runs what comes before
the vocoder. Does not know texts, voices or durations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dia.audio.waveform import Waveform
from dia.training.mini.teacher.natural.teachers.durations import opened

if TYPE_CHECKING:
    from onnx import GraphProto

_VOCODER, _WEIGHTS = "/decoder/decoder/generator", "decoder.decoder.generator"
INPUTS = ("/decoder/decoder/decode.3/Div_4_output_0", f"{_VOCODER}/Concat_3_output_0", "/decoder/Slice_output_0")
_RATES = (10, 6)  # of the two stages of upsampling
_BLOCKS, _DILATED = 3, 3  # blocks of a stage, and pairs of convolutions in a block
_BINS, _FFT, _HOP = 11, 20, 5  # of the short-time Fourier transform at the end
_EPSILON = 1e-5  # of the normalization


def normalized_snake(x: Tensor, scale: Tensor, shift: Tensor, alpha: Tensor) -> Tensor:
    """Instance normalization over time with a scale and a shift, then y + sin²(αy)/α, in bfloat16.

    Args:
        x: [1, C, 1, T].
        scale, shift, alpha: [1, C, 1, 1].
    """
    variance, mean = torch.var_mean(x.float(), -1, keepdim=True, correction=0)
    factor = scale * torch.rsqrt(variance + _EPSILON)
    y = x * factor + (shift - mean * factor)
    return (y + torch.sin(alpha * y).square() / alpha).bfloat16()


def inverse_transform(magnitudes: Tensor, phases: Tensor) -> Tensor:
    """The waveform [T · 5 - 5] of magnitudes and phases [1, 11, T], with the window of the transform."""
    spectrum = torch.polar(magnitudes, phases)
    return torch.istft(spectrum, _FFT, _HOP, window=torch.hann_window(_FFT))[0]


@dataclass(frozen=True)
class _Convolution:
    weight: Tensor  # [O, I, 1, K]
    bias: Tensor
    padding: int
    dilation: int
    stride: int

    def __call__(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, (1, self.stride), (0, self.padding), (1, self.dilation))


@dataclass(frozen=True)
class _Block:
    """Pairs of convolutions with residual connections; a style sets the scales and shifts before each of them."""

    convolutions: list[_Convolution]
    alphas: list[Tensor]
    weight: Tensor  # [style, 6 · 2 · C]
    bias: Tensor

    def __call__(self, x: Tensor, style: Tensor, activation: Any) -> Tensor:
        modulation = (style @ self.weight + self.bias).view(-1, 2, 1, x.shape[1], 1, 1)
        steps = list(zip(self.convolutions, self.alphas, modulation, strict=True))
        for pair in range(0, len(steps), 2):
            y = x
            for convolution, alpha, (scale, shift) in steps[pair : pair + 2]:
                y = convolution(activation(y, 1 + scale, shift, alpha))
            x = x + y
        return x


class _Weights:
    """The weights of a graph by the names of its nodes, as float32."""

    def __init__(self, graph: "GraphProto") -> None:
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._tensors |= {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
        self._nodes = {node.name: node for node in graph.node}
        self._origin = {output: node for node in graph.node for output in node.output}

    def tensor(self, name: str) -> Tensor:
        from onnx import numpy_helper

        return torch.from_numpy(numpy_helper.to_array(self._tensors[name]).astype(np.float32))

    def inputs(self, node: str) -> list[Tensor]:
        """The constant inputs of a node."""
        return [self.tensor(name) for name in self._nodes[f"{_VOCODER}/{node}"].input if name in self._tensors]

    def convolution(self, name: str, dtype: torch.dtype = torch.bfloat16) -> _Convolution:
        node = self._nodes[f"{_VOCODER}/{name}/Conv_quant"]
        scales = self._nodes[f"{_VOCODER}/{name}/Conv_quant_output_scale_mul"].input[1]
        weight = (self.tensor(node.input[1]) - self.tensor(node.input[3])) * self.tensor(self._origin[scales].input[1])
        ints = {attribute.name: list(attribute.ints) for attribute in node.attribute}
        return _Convolution(
            weight[:, :, None].to(dtype, memory_format=torch.channels_last),
            self.tensor(f"{_WEIGHTS}.{name.replace('/', '.')}.bias").to(dtype),
            ints["pads"][0],
            ints["dilations"][0],
            ints["strides"][0],
        )

    def block(self, name: str) -> _Block:
        orders = [f"{half}.{pair}" for pair in range(_DILATED) for half in (1, 2)]
        styles = [self._style(f"{name}/adain{order}") for order in orders]
        return _Block(
            [self.convolution(f"{name}/convs{order}") for order in orders],
            [self.tensor(f"{_WEIGHTS}.{name}.alpha{order}")[..., None] for order in orders],
            torch.cat([weight for weight, _ in styles], 1),
            torch.cat([bias for _, bias in styles]),
        )

    def _style(self, name: str) -> tuple[Tensor, Tensor]:
        node, prefix = (
            self._nodes[f"{_VOCODER}/{name}/fc/Gemm_MatMul_quant"],
            f"{_WEIGHTS}.{name.replace('/', '.')}.fc",
        )
        weight = self.tensor(node.input[1]) - self.tensor(node.input[3])
        return weight * self.tensor(f"{prefix}.weight_scale"), self.tensor(f"{prefix}.bias")


class Vocoder:
    """Hidden states, harmonics and a style to a waveform.

    Args:
        graph: of the whole model.
    """

    def __init__(self, graph: "GraphProto") -> None:
        weights = _Weights(graph)
        stages = range(len(_RATES))
        self._noise = [weights.convolution(f"noise_convs.{stage}", torch.float32) for stage in stages]
        self._noise_blocks = [weights.block(f"noise_res.{stage}") for stage in stages]
        self._blocks = [weights.block(f"resblocks.{number}") for number in range(_BLOCKS * len(_RATES))]
        self._up = [[w.bfloat16() for w in weights.inputs(f"ups.{stage}/ConvTranspose")] for stage in stages]
        self._last = weights.inputs("conv_post/Conv")
        self._activation = torch.compile(normalized_snake, dynamic=True)

    @torch.inference_mode()
    def __call__(self, hidden: Waveform, harmonics: Waveform, style: Waveform) -> Waveform:
        """The waveform [N] at 24 kHz of hidden states [1, 512, T], harmonics [1, 22, 60 · T + 1] and a style."""
        x, source, given = (torch.from_numpy(array) for array in (hidden, harmonics, style))
        source = _columns(source)
        for stage, rate in enumerate(_RATES):
            weight, bias = self._up[stage]
            x = F.leaky_relu(x, 0.1).bfloat16()
            x = F.conv_transpose1d(x, weight, bias, stride=rate, padding=rate // 2).float()
            if stage == len(_RATES) - 1:
                x = F.pad(x, (1, 0), mode="reflect")
            noise = self._noise[stage](source)
            x = _columns(x) + self._noise_blocks[stage](_columns(noise[:, :, 0]), given, self._activation)
            blocks = self._blocks[_BLOCKS * stage : _BLOCKS * (stage + 1)]
            x = torch.stack([block(x, given, self._activation) for block in blocks]).mean(0)[:, :, 0]
        weight, bias = self._last
        last = F.conv1d(F.leaky_relu(x, 0.01), weight, bias, padding=3)
        waveform = inverse_transform(torch.exp(last[:, :_BINS]), torch.sin(last[:, _BINS:]))
        return np.asarray(waveform.numpy(), np.float32)


def _columns(x: Tensor) -> Tensor:
    """[1, C, T] as [1, C, 1, T] with the channels of a step side by side, as convolutions read them fastest."""
    return x[:, :, None].contiguous(memory_format=torch.channels_last)


class VocodedSession:
    """As an onnxruntime session of the whole model that also returns durations, with the vocoder in PyTorch.

    Args:
        model: the bytes of the whole model.
        durations: name of the tensor of durations.
    """

    def __init__(self, model: bytes, durations: str) -> None:
        import onnx

        whole = onnx.load_model_from_string(model)
        self._vocoder = Vocoder(whole.graph)
        self._outputs = [*INPUTS, durations]
        keep_before(whole.graph, self._outputs)
        self._session = opened(whole.SerializeToString())

    def run(self, _: None, inputs: dict[str, Any]) -> tuple[Waveform, Any]:
        """The waveform [N] and the durations."""
        *given, durations = self._session.run(self._outputs, inputs)
        return self._vocoder(*given), durations


def keep_before(graph: "GraphProto", tensors: Sequence[str]) -> None:
    """Remove the nodes of a graph that `tensors` do not need; these become its outputs."""
    from onnx import helper

    origin = {output: node for node in graph.node for output in node.output}
    needed, open_ends = set[str](), list(tensors)
    while open_ends:
        node = origin.get(open_ends.pop())
        if node is not None and node.output[0] not in needed:
            needed.add(node.output[0])
            open_ends += node.input
    kept = [node for node in graph.node if node.output[0] in needed]
    del graph.node[:], graph.output[:]
    graph.node.extend(kept)
    graph.output.extend(helper.make_empty_tensor_value_info(name) for name in tensors)


__all__ = ["VocodedSession", "Vocoder", "inverse_transform", "keep_before", "normalized_snake"]
