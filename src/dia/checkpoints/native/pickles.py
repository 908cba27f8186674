"""Reads tensors and settings from `torch.save` files without executing code in them.

Independent of what the tensors are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from torch import Tensor

from dia.runtime.files.reading import REMEDY, check_file, check_not_pointer, reason_of
from dia.runtime.ranges import shown


def load_pickle(path: str | Path, allowed: Sequence[Any] = (), mapped: bool = True) -> Any:
    """Load a `torch.save` file. Code in the file is an error and is never executed.

    Args:
        path: the file.
        allowed: harmless classes and functions that the file can refer to in addition to tensors.
        mapped: map tensors from the file instead of reading them.

    Raises:
        OSError: the file is missing, unreadable, or not a regular file.
        ValueError: the file is truncated or damaged, or contains code or other objects; the message names it.
    """
    path = Path(path)
    size = check_file(path)
    with path.open("rb") as file:
        check_not_pointer(path, file.read(64))
    try:
        archive = is_zipfile(path)  # files from before torch 1.6 are not, and cannot be mapped
        if archive:
            _check_archive(path, size)
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and archive)
    except UnpicklingError as error:  # torch's message explains how to run the code
        raise ValueError(
            f"{path} cannot be read: it contains objects other than tensors, which are not loaded; {REMEDY}."
        ) from error
    except Exception as error:  # for damaged bytes torch can raise any error
        raise ValueError(
            f"{path} cannot be read: it is truncated or damaged ({reason_of(error)}); {REMEDY}."
        ) from error


def check_tensors(path: str | Path, tensors: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Check that a file's content is a dict of plain tensors on the CPU, and return it.

    Raises:
        ValueError: there is another object, or a tensor with a shape that needs more data than the file has.
    """
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError(f"{path} has a {type(tensor).__name__} as {shown(name)}, not a tensor; {REMEDY}.")
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise ValueError(f"{path} has {name} in an unsupported tensor format; {REMEDY}.")
        if tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes():
            raise ValueError(f"{path} has too little data for {name} of shape {list(tensor.shape)}; {REMEDY}.")
    return dict(tensors)


def _check_archive(path: Path, size: int) -> None:
    """Refuse archives that unpack to more than their size. torch does not compress, so they are zip bombs."""
    try:
        with ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except BadZipFile as error:
        raise ValueError(f"its archive is damaged ({error})") from error
    if unpacked > size:
        raise ValueError(f"it has {size} bytes but unpacks to {unpacked}")


__all__ = ["check_tensors", "load_pickle"]
