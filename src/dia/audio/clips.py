"""Read a clip in every form in which libraries hand audio over: files, arrays, tensors, pairs, dicts and objects.

Says what a clip is and at what rate. Its shape and level are checked where it is used.
"""

import array
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import torch

from dia.audio import files
from dia.audio.waveform import as_array, checked_rate, one_of_batch
from dia.runtime.limits import STREAM_BYTES

# Keys of dicts with samples, of `datasets`, ComfyUI, and the outputs and inputs of transformers' pipelines.
_SAMPLES = ("array", "waveform", "audio", "raw")
_RATE = ("sampling_rate", "sample_rate")
_ENCODED = ("bytes", "path")
_ARRAYS = (np.ndarray, torch.Tensor, array.array)
_FORMS = (
    "an array, a tensor, a list of floats, a tuple of one of these and its rate, a path, bytes, a file object or a "
    'dict with "array" and "sampling_rate"'
)


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip as it was given.

    Attributes:
        samples: of any shape and type, without conversion; files have [N, channels].
        rate: Hz; None if it is unknown.
        remarks: what is missing of a file, each a fact about "it".
    """

    samples: npt.NDArray[Any]
    rate: int | None
    remarks: tuple[str, ...] = ()


def read_clip(clip: Any, name: str = "audio", longest: float | None = None) -> Clip:
    """Read a clip of any type that `DiaFeatureExtractor` supports.

    Args:
        clip: one clip.
        name: name of the clip in error messages.
        longest: maximum length of a file in seconds; no more is decoded. None for no limit.

    Raises:
        TypeError: the clip has an unsupported type.
        ValueError: the clip cannot be decoded, is a file longer than `longest`, is a batch of several, or is a pair in
            which the rate cannot be told from the samples.
        FileNotFoundError: a path does not exist.
    """
    if isinstance(clip, str | Path | bytes | bytearray | memoryview) or hasattr(clip, "read"):
        return _from_file(clip, name, longest)
    if isinstance(clip, os.PathLike):
        return _from_file(os.fsdecode(clip), name, longest)
    if is_pair(clip):
        samples, rate = clip if _is_samples(clip[0]) else (clip[1], clip[0])
        return _with_rate(samples, rate, name)
    if isinstance(clip, list | tuple):
        return Clip(_from_list(clip, name), None)
    if isinstance(clip, Mapping):
        return _from_mapping(clip, name, longest)
    if isinstance(clip, _ARRAYS) or (hasattr(clip, "__array__") and not _is_number(clip)):
        return Clip(one_of_batch(as_array(clip), name), None)
    return _from_object(clip, name)


def named_clips(audio: Any, name: str) -> dict[str, Any]:
    """Split a batch into clips and name each clip for error messages.

    A list or tuple is a batch unless it contains numbers, or is a pair of samples and their rate.

    Returns:
        The clips in order: `{"audio": clip}` for one, `{"audio[0]": clip, "audio[1]": clip, …}` for several.

    Raises:
        ValueError: `audio` is an empty list.
        TypeError: `audio` is None.
    """
    if audio is None:
        raise TypeError(f"{name} is None; pass a clip or a list of clips.")
    if not isinstance(audio, list | tuple):
        return {name: audio}
    if not audio:
        raise ValueError(f"{name} is an empty list; pass at least one clip.")
    if _is_number(audio[0]) or is_pair(audio):
        return {name: audio}
    return {f"{name}[{row}]" if len(audio) > 1 else name: clip for row, clip in enumerate(audio)}


def with_own_rate(clip: Any, name: str = "audio") -> tuple[Any, int | None]:
    """The samples and rate of a pair or a dict; any other clip as it is, without a rate.

    Raises:
        TypeError, ValueError: as `read_clip`.
    """
    if not is_pair(clip) and not isinstance(clip, Mapping):
        return clip, None
    found = read_clip(clip, name)
    return found.samples, found.rate


def is_pair(clip: Any) -> bool:
    """Whether a clip is a tuple of samples and their sampling rate, in any order, and so not a batch."""
    if not isinstance(clip, tuple) or len(clip) != 2:
        return False
    return any(_is_samples(one) and _is_number(other) for one, other in (clip, clip[::-1]))


def _is_samples(item: Any) -> bool:
    if isinstance(item, list):
        return bool(item) and _is_number(item[0])
    return (isinstance(item, _ARRAYS) or hasattr(item, "__array__")) and not _is_number(item)


def _is_number(item: Any) -> bool:
    if isinstance(item, np.ndarray | torch.Tensor):
        return item.ndim == 0
    return isinstance(item, int | float | np.number)


def _from_file(source: Any, name: str, longest: float | None) -> Clip:
    if isinstance(source, bytearray | memoryview):
        source = bytes(source)
    sound = files.decode(source if isinstance(source, str | Path | bytes) else _seekable(source, name), name, longest)
    return Clip(sound.samples, sound.rate, sound.remarks)


def _seekable(file: Any, name: str) -> BinaryIO:
    """A file object that can be read from its start. One that can be read only once is read into memory."""
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"{name} is a file opened in text mode; open it with mode 'rb'.")
    seekable = getattr(file, "seekable", None)
    if seekable is not None and seekable() and hasattr(file, "tell"):
        return cast(BinaryIO, file)
    content = file.read(STREAM_BYTES + 1)
    if not isinstance(content, bytes | bytearray):
        raise TypeError(f"{name} is {type(file).__name__}, which does not return bytes; expected {_FORMS}.")
    if len(content) > STREAM_BYTES:
        raise ValueError(f"{name} has more than {STREAM_BYTES >> 20} MB; save it to a file and pass the path.")
    return io.BytesIO(content)


def _from_list(clip: Sequence[Any], name: str) -> npt.NDArray[Any]:
    kinds = sorted({type(one).__name__ for one in clip if _is_samples(one) and not isinstance(one, list)})
    if kinds or (isinstance(clip, tuple) and len(clip) == 2 and all(map(_is_number, clip))):
        raise ValueError(
            f"{name} is a {type(clip).__name__} of {len(clip)} values of type {kinds[0] if kinds else 'number'}; "
            f"expected one clip. Pass samples and their rate as a tuple of an array and a number, and several "
            f"channels as one array."
        )
    try:
        if np.asarray(clip).dtype.kind in "iuf":
            return np.asarray(clip, dtype=np.float64)
    except (TypeError, ValueError):  # ragged, or not of numbers
        pass
    raise TypeError(f"{name} is a list with non-numeric values; pass an array or floats.")


def _from_mapping(clip: Mapping[str, Any], name: str, longest: float | None) -> Clip:
    samples = next((clip[key] for key in _SAMPLES if clip.get(key) is not None), None)
    rates = [clip[key] for key in _RATE if key in clip]
    if samples is not None and rates:
        return _with_rate(samples, rates[0], name)
    if samples is not None:
        found = read_clip(samples, name, longest)  # a row of a data set, whose column has the rate
        if found.rate is None:
            raise TypeError(f'{name} is {type(clip).__name__} without a sampling rate; add "sampling_rate" in Hz.')
        return found
    encoded = next((clip[key] for key in _ENCODED if clip.get(key) is not None), None)
    if encoded is None:
        keys = '"array" and "sampling_rate", "waveform" and "sample_rate", "path" or "bytes"'
        raise ValueError(f"{name} is a dict with the keys {sorted(map(str, clip))}; expected {keys}.")
    return _from_file(encoded, name, longest)


def _from_object(clip: Any, name: str) -> Clip:
    """A clip from an object: an item or decoder of `datasets`, or a decoder of torchcodec or its samples."""
    if hasattr(clip, "get_all_samples"):
        clip = clip.get_all_samples()
    if isinstance(getattr(clip, "data", None), torch.Tensor) and hasattr(clip, "sample_rate"):
        return _with_rate(clip.data, clip.sample_rate, name)
    try:
        samples, rate = clip["array"], clip["sampling_rate"]
    except (TypeError, KeyError, IndexError, AttributeError) as error:  # any error that an unknown object can raise
        raise TypeError(f"{name} is {type(clip).__name__}; expected {_FORMS}.") from error
    return _with_rate(samples, rate, name)


def _with_rate(samples: Any, rate: Any, name: str) -> Clip:
    if isinstance(rate, np.ndarray | torch.Tensor) and rate.ndim == 0:
        rate = rate.item()
    rate, found = checked_rate(rate, name), read_clip(samples, name)
    return found if found.rate is not None else Clip(found.samples, rate)


__all__ = ["Clip", "is_pair", "named_clips", "read_clip", "with_own_rate"]
