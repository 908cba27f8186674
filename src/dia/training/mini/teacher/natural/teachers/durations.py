"""onnxruntime sessions that also return how long each phone lasts, which the published graphs keep to themselves."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime

_GRAPH, _OUTPUT, _NAME = 7, 12, 1  # fields of ModelProto, GraphProto and ValueInfoProto in onnx.proto


def with_output(model: bytes, tensor: str) -> bytes:
    """An ONNX model whose inner tensor `tensor` is an output, after all others.

    A message that occurs twice in a protocol buffer is merged, so that a second graph, which holds only this output,
    is added to the first. The package onnx is not needed for that.
    """
    return model + _field(_GRAPH, _field(_OUTPUT, _field(_NAME, tensor.encode())))


def session(model: bytes, tensor: str) -> "onnxruntime.InferenceSession":
    """A session whose last output is the inner tensor `tensor`, see `opened`."""
    return opened(with_output(model, tensor))


def opened(model: bytes) -> "onnxruntime.InferenceSession":
    """A session on one thread of the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
