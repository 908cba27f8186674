"""Inspect safetensors files by their headers, and check tensors for missing, wrong or non-finite values.

Independent of models.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from dia.runtime.files.reading import REMEDY, check_file, check_not_pointer, reason_of
from dia.runtime.limits import HEADER_BYTES

_LENGTH = 8  # bytes of the header's length field
FLOATS = ("F64", "F32", "F16", "BF16")
_NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
_NAMES |= {torch.int8: "I8", torch.uint8: "U8"}


class Stored(NamedTuple):
    """A stored tensor: its dtype in the notation of safetensors, such as "BF16", and its shape."""

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> dict[str, Stored]:
    """Read the names, dtypes and shapes in a safetensors file, but none of its tensors.

    Raises:
        OSError: it is not a regular file, or cannot be read.
        ValueError: it is truncated, a Git LFS pointer, or not a safetensors file.
    """
    size = check_file(path)
    with path.open("rb") as file:
        beginning = file.read(64)
    check_not_pointer(path, beginning)
    length = int.from_bytes(beginning[:_LENGTH], "little")
    if size < _LENGTH or length > size - _LENGTH:
        raise ValueError(
            f"{path} cannot be read: it is truncated at {size} bytes, or not a safetensors file; {REMEDY}."
        )
    if length > HEADER_BYTES:
        raise ValueError(
            f"{path} cannot be read: its header has {length} bytes, but at most {HEADER_BYTES} are allowed; {REMEDY}."
        )
    try:
        with safe_open(path, framework="pt") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
            return {name: Stored(str(one.get_dtype()), tuple(one.get_shape())) for name, one in slices.items()}
    except Exception as error:  # the reader is in Rust and has its own exception types
        raise ValueError(
            f"{path} cannot be read: it is truncated or damaged ({reason_of(error)}); {REMEDY}."
        ) from error


def describe_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Stored]:
    """Describe tensors in memory in the form of `read_header`."""
    return {name: Stored(_NAMES.get(one.dtype, str(one.dtype)), tuple(one.shape)) for name, one in tensors.items()}


def mismatches(
    stored: dict[str, Stored], expected: Iterable[tuple[str, tuple[int, ...]]], dtypes: tuple[str, ...] = FLOATS
) -> Iterator[str]:
    """Describe stored tensors that are missing or have a shape or dtype other than expected."""
    for name, shape in expected:
        there = stored.get(name)
        if there is None:
            yield f"{name} {list(shape)} is missing"
        elif there.shape != shape:
            yield f"{name} has shape {list(there.shape)}, expected {list(shape)}"
        elif there.dtype not in dtypes:
            yield f"{name} is stored as {there.dtype}, expected one of {', '.join(dtypes)}"


def first_few(items: Iterable[str], limit: int = 3) -> str:
    """Join the first few items, and count the rest."""
    found = list(items)
    shown = "; ".join(found[:limit])
    return shown if len(found) <= limit else f"{shown}; and {len(found) - limit} more"


@torch.no_grad()
def not_finite(tensors: Iterable[tuple[str, Tensor]]) -> list[str]:
    """The names of tensors that contain NaN or infinities.

    A sum is NaN or infinite if one of its terms is, so each tensor is read once and a device is synchronized once.
    """
    plain = (pair for tensor in tensors for pair in _plain(*tensor))
    named = [(name, one) for name, one in plain if one.is_floating_point() and one.itemsize > 1 and not one.is_meta]
    sums = [tensor.sum(dtype=torch.float32 if tensor.itemsize < 8 else None).double() for _, tensor in named]
    if not sums:
        return []
    finite = torch.stack([one.to(sums[0].device, non_blocking=True) for one in sums]).isfinite().tolist()
    suspected = [
        pair for pair, good in zip(named, finite, strict=True) if not good
    ]  # a finite tensor's sum may overflow
    return list(dict.fromkeys(name for name, tensor in suspected if not tensor.isfinite().all()))


def _plain(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """A tensor, or the tensors that a subclass such as torchao's consists of. Subclasses lack operations."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        yield name, tensor
        return
    for attribute in flatten()[0]:
        yield from _plain(name, getattr(tensor, attribute))


__all__ = ["FLOATS", "Stored", "describe_tensors", "first_few", "mismatches", "not_finite", "read_header"]
