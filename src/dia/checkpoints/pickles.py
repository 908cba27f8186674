"""Files of `torch.save`, read without running what is in them: plain tensors, and settings beside them.

Knows the zip archive that such a file is. Knows nothing of what the tensors are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from torch import Tensor

from dia.runtime.ranges import shown
from dia.runtime.reading import REMEDY, check_file, check_not_pointer, reason_of


def load_pickle(path: str | Path, allowed: Sequence[Any] = (), mapped: bool = True) -> Any:
    """What a file of `torch.save` holds; code in it is refused, not run.

    Args:
        path: the file.
        allowed: harmless classes and functions that it may name beside those of tensors.
        mapped: leave tensors in the file until they are used.

    Raises:
        OSError: it is missing, no file, or may not be read.
        ValueError: it is cut off, damaged, holds code or other objects; the message names it.
    """
    path = Path(path)
    size = check_file(path)
    with path.open("rb") as file:
        check_not_pointer(path, file.read(64))
    try:
        archive = is_zipfile(path)  # files of before torch 1.6 are none, and cannot be mapped
        if archive:
            _check_archive(path, size)
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and archive)
    except UnpicklingError as error:  # whose message says how to run the code
        raise ValueError(
            f"{path} cannot be read: it is not a state dict of tensors alone, and no code in it is run; {REMEDY}."
        ) from error
    except Exception as error:  # damaged bytes lead torch's reader to errors of every kind
        raise ValueError(
            f"{path} cannot be read: it is truncated or damaged ({reason_of(error)}); {REMEDY}."
        ) from error


def check_tensors(path: str | Path, tensors: Mapping[Any, Any]) -> dict[str, Tensor]:
    """What a file holds under names, as plain tensors on the CPU.

    Raises:
        ValueError: something else is there, or a tensor that stands for more numbers than the file has.
    """
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError(f"{path} holds a {type(tensor).__name__} as {shown(name)}, not a tensor; {REMEDY}.")
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise ValueError(f"{path} holds {name} in a form that no weights are saved in; {REMEDY}.")
        if tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes():
            raise ValueError(f"{path} gives {name} the shape {list(tensor.shape)}, but not the numbers; {REMEDY}.")
    return dict(tensors)


def _check_archive(path: Path, size: int) -> None:
    """torch stores without compression: what unpacks to more than it takes is an attack."""
    try:
        with ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except BadZipFile as error:
        raise ValueError(f"its archive is damaged ({error})") from error
    if unpacked > size:
        raise ValueError(f"it unpacks to {unpacked} bytes and has {size}")


__all__ = ["check_tensors", "load_pickle"]
