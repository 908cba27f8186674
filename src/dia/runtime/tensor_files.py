"""Files of tensors: what is in them, read from their headers, before any tensor is.

Knows safetensors, and whether numbers are finite. Knows nothing of models.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from dia.runtime.limits import HEADER_BYTES
from dia.runtime.reading import REMEDY, check_file, check_no_pointer, reason_of

_LENGTH = 8  # bytes that say how long the header is
FLOATS = ("F64", "F32", "F16", "BF16")
_NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
_NAMES |= {torch.int8: "I8", torch.uint8: "U8"}


class Stored(NamedTuple):
    """A tensor in a file: its type as the file writes it, such as "BF16", and its shape."""

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file by name, none of them read.

    Raises:
        OSError: it is no file, or may not be read.
        ValueError: it is cut off, a pointer of Git LFS, or no safetensors file; the message names it.
    """
    size = check_file(path)
    with path.open("rb") as file:
        begins = file.read(64)
    check_no_pointer(path, begins)
    length = int.from_bytes(begins[:_LENGTH], "little")
    if size < _LENGTH or length > size - _LENGTH:
        raise ValueError(f"{path} cannot be read: it is truncated at {size} bytes, or no safetensors file; {REMEDY}.")
    if length > HEADER_BYTES:
        raise ValueError(
            f"{path} cannot be read: its header has {length} bytes, and at most {HEADER_BYTES} are read; {REMEDY}."
        )
    try:
        with safe_open(path, framework="pt") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
            return {name: Stored(str(one.get_dtype()), tuple(one.get_shape())) for name, one in slices.items()}
    except Exception as error:  # of a reader in Rust, which raises what it likes
        raise ValueError(
            f"{path} cannot be read: it is truncated or damaged ({reason_of(error)}); {REMEDY}."
        ) from error


def described(tensors: Mapping[str, Tensor]) -> dict[str, Stored]:
    """Tensors in hand as `read_header` describes those in a file."""
    return {name: Stored(_NAMES.get(one.dtype, str(one.dtype)), tuple(one.shape)) for name, one in tensors.items()}


def misfits(
    stored: dict[str, Stored], expected: Iterable[tuple[str, tuple[int, ...]]], dtypes: tuple[str, ...] = FLOATS
) -> Iterator[str]:
    """What is wrong with stored tensors: those that are missing, and those of another shape or type than expected."""
    for name, shape in expected:
        there = stored.get(name)
        if there is None:
            yield f"{name} {list(shape)} is missing"
        elif there.shape != shape:
            yield f"{name} is {list(there.shape)}, where {list(shape)} is expected"
        elif there.dtype not in dtypes:
            yield f"{name} is stored as {there.dtype}, where one of {', '.join(dtypes)} is expected"


def some(items: Iterable[str], limit: int = 3) -> str:
    """The first few of many items, and how many more there are."""
    found = list(items)
    shown = "; ".join(found[:limit])
    return shown if len(found) <= limit else f"{shown}; and {len(found) - limit} more"


@torch.no_grad()
def not_finite(tensors: Iterable[tuple[str, Tensor]]) -> list[str]:
    """The names of tensors that hold NaN or an infinity. Each is read once, and the host waits once for a device.

    A sum is NaN or infinite where one of its terms is.
    """
    named = [(name, one) for name, one in tensors if one.is_floating_point() and one.itemsize > 1 and not one.is_meta]
    sums = [tensor.sum(dtype=torch.float32 if tensor.itemsize < 8 else None).double() for _, tensor in named]
    if not sums:
        return []
    finite = torch.stack([one.to(sums[0].device, non_blocking=True) for one in sums]).isfinite().tolist()
    suspected = [pair for pair, good in zip(named, finite, strict=True) if not good]  # a sum may overflow, too
    return [name for name, tensor in suspected if not tensor.isfinite().all()]


__all__ = ["FLOATS", "Stored", "described", "misfits", "not_finite", "read_header", "some"]
