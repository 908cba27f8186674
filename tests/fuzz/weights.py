"""Mutations of safetensors files: their header, and names, shapes, types and values of tensors."""

import json
import math
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

Weights = dict[str, Tensor]


def tensors(folder: Path, draw: random.Random) -> str:
    """Apply one mutation to the weights of the model or the codec."""
    file = draw.choice(sorted(folder.rglob("*.safetensors")))
    while "voices" in file.parts:
        file = draw.choice(sorted(folder.rglob("*.safetensors")))
    kind = draw.choice(sorted(_CHANGES) + sorted(_HEADERS))
    if kind in _HEADERS:
        detail = _with_header(file, draw, _HEADERS[kind])
    else:
        weights = load_file(file)
        file.unlink()
        detail = _CHANGES[kind](weights, draw)
        save_file({name: tensor.contiguous().clone() for name, tensor in weights.items()}, file, {"format": "pt"})
    return f"tensors {file.relative_to(folder)} {kind} {detail}"


def _name(weights: Weights, draw: random.Random) -> str:
    return draw.choice(sorted(weights))


def _renamed(weights: Weights, draw: random.Random) -> str:
    name = _name(weights, draw)
    weights[
        draw.choice([f"{name}_", f"x.{name}", name.replace("weight", "bias"), name.replace("layers.0", "layers.9")])
    ] = weights.pop(name)
    return name


def _removed(weights: Weights, draw: random.Random) -> str:
    name = _name(weights, draw)
    del weights[name]
    return name


def _added(weights: Weights, draw: random.Random) -> str:
    weights["model.decoder.extra.weight"] = torch.zeros(3, 3)
    return ""


def _transposed(weights: Weights, draw: random.Random) -> str:
    name = draw.choice(sorted(name for name, tensor in weights.items() if tensor.ndim > 1))
    weights[name] = weights[name].transpose(0, 1)
    return name


def _reshaped(weights: Weights, draw: random.Random) -> str:
    name = _name(weights, draw)
    tensor = weights[name]
    weights[name] = draw.choice([tensor.flatten(), tensor[None], tensor[:-1], tensor[:0], tensor.flatten()[0]])
    return f"{name} {tuple(weights[name].shape)}"


def _typed(weights: Weights, draw: random.Random) -> str:
    name, kinds = _name(weights, draw), (torch.float64, torch.int64, torch.bool, torch.uint8, torch.float8_e4m3fn)
    kind = draw.choice(kinds)
    weights[name] = weights[name].to(kind)
    return f"{name} {kind}"


def _all_typed(weights: Weights, draw: random.Random) -> str:
    kind = draw.choice([torch.float64, torch.float32, torch.float16, torch.int8, torch.bool, torch.complex64])
    for name in weights:
        weights[name] = weights[name].to(kind)
    return str(kind)


def _not_finite(weights: Weights, draw: random.Random) -> str:
    name, value = _name(weights, draw), draw.choice([math.nan, math.inf, -math.inf])
    weights[name] = weights[name].float()
    if draw.random() < 0.3:
        weights[name][:] = value
    else:
        weights[name].view(-1)[draw.randrange(weights[name].numel())] = value
    return f"{name} {value}"


def _layer_more(weights: Weights, draw: random.Random) -> str:
    layers = {int(part) for name in weights for part in name.split(".") if part.isdigit()}
    last = max(layers)
    for name in [name for name in weights if f".{last}." in name]:
        weights[name.replace(f".{last}.", f".{last + 1}.")] = weights[name].clone()
    return str(last + 1)


def _layer_less(weights: Weights, draw: random.Random) -> str:
    last = max(int(part) for name in weights for part in name.split(".") if part.isdigit())
    for name in [name for name in weights if f".{last}." in name]:
        del weights[name]
    return str(last)


def _nothing(weights: Weights, draw: random.Random) -> str:
    weights.clear()
    return ""


def _prefixed(weights: Weights, draw: random.Random) -> str:
    prefix = draw.choice(["module.", "_orig_mod.", "model.", "x."])
    for name in list(weights):
        weights[prefix + name] = weights.pop(name)
    return prefix


_CHANGES: dict[str, Callable[[Weights, random.Random], str]] = {
    "renamed": _renamed,
    "removed": _removed,
    "added": _added,
    "transposed": _transposed,
    "reshaped": _reshaped,
    "typed": _typed,
    "all typed": _all_typed,
    "not finite": _not_finite,
    "a layer more": _layer_more,
    "a layer less": _layer_less,
    "nothing": _nothing,
    "prefixed": _prefixed,
}


# The header: its length in eight bytes, then JSON


def _with_header(file: Path, draw: random.Random, change: Callable[[Any, bytes, random.Random], bytes]) -> str:
    whole = file.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header, data = json.loads(whole[8 : 8 + length]), whole[8 + length :]
    file.unlink()
    file.write_bytes(change(header, data, draw))
    return ""


def _written(header: Any, data: bytes) -> bytes:
    content = json.dumps(header).encode()
    return struct.pack("<Q", len(content)) + content + data


def _long(header: Any, data: bytes, draw: random.Random) -> bytes:
    return struct.pack("<Q", draw.choice([2**63, 2**40, 10**9, 99_999_999])) + json.dumps(header).encode() + data


def _huge_shape(header: Any, data: bytes, draw: random.Random) -> bytes:
    entry = header[draw.choice(sorted(set(header) - {"__metadata__"}))]
    entry["shape"] = draw.choice([[2**40, 2**40], [10**9], [0], [-1], ["x"], [1.5], None, [1] * 1000, []])
    return _written(header, data)


def _offsets(header: Any, data: bytes, draw: random.Random) -> bytes:
    entry = header[draw.choice(sorted(set(header) - {"__metadata__"}))]
    entry["data_offsets"] = draw.choice([[0, 2**60], [5, 1], [-1, 3], [0], None, [0, len(data)]])
    return _written(header, data)


def _other_type(header: Any, data: bytes, draw: random.Random) -> bytes:
    header[draw.choice(sorted(set(header) - {"__metadata__"}))]["dtype"] = draw.choice(
        ["F4", "I8", 5, None, "F64", ""]
    )
    return _written(header, data)


def _metadata(header: Any, data: bytes, draw: random.Random) -> bytes:
    header["__metadata__"] = draw.choice([None, 5, {"format": "tf"}, {"format": 5}, {"x": {}}, [], {"format": "np"}])
    return _written(header, data)


def _no_metadata(header: Any, data: bytes, draw: random.Random) -> bytes:
    header.pop("__metadata__", None)
    return _written(header, data)


_HEADERS: dict[str, Callable[[Any, bytes, random.Random], bytes]] = {
    "header's length": _long,
    "huge shape": _huge_shape,
    "offsets": _offsets,
    "other type": _other_type,
    "metadata": _metadata,
    "no metadata": _no_metadata,
    "header is a list": lambda header, data, draw: _written([], data),
    "deep header": lambda header, data, draw: struct.pack("<Q", 200_000) + b"[" * 100_000 + b"]" * 100_000 + data,
    "all empty": lambda header, data, draw: _written({}, b""),
}


__all__ = ["tensors"]
