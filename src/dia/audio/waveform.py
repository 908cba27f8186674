"""The array type of audio inside the package, and the conversion of samples of other types to it."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Waveform: TypeAlias = npt.NDArray[np.float32]
"""Samples with ±1 full scale: [N], or [N, channels] if a function says so."""

# Hz. Telephones use 8000 Hz, and a lower rate loses too much of a voice. Studios use at most 384 000 Hz; a higher rate
# is a mistake, and resampling from it may exhaust memory.
RATES = 8_000, 384_000

CHANNELS = 8  # as in 7.1 surround sound

# For each PCM type, the value of silence, and the divisor that scales the rest to ±1.
_PCM: dict[str, tuple[float, float]] = {
    "int8": (0.0, 128.0),
    "uint8": (128.0, 128.0),
    "int16": (0.0, 32768.0),
    "int32": (0.0, 2147483648.0),
}
# Floats above this are not loud speech but unscaled integers.
_LOUDEST = 16.0


@dataclass(frozen=True, eq=False)
class Sound:
    """The content of an audio file.

    Attributes:
        samples: [N, channels].
        rate: Hz.
        remarks: what is missing, each a fact about "it", the file.
    """

    samples: Waveform
    rate: int
    remarks: tuple[str, ...] = ()


def check_channels(channels: int, name: str = "audio") -> None:
    """Check the number of channels of a file before it is decoded: a small file may have many.

    Raises:
        ValueError: there are more than `CHANNELS`.
    """
    if channels > CHANNELS:
        raise ValueError(f"{name} has {channels} channels; expected up to {CHANNELS} channels. Mix them first.")


def checked_rate(rate: Any, name: str = "audio") -> int:
    """Convert a sampling rate in Hz to an int.

    Raises:
        ValueError: the rate is not a whole number within `RATES`.
    """
    lowest, highest = RATES
    number = isinstance(rate, int | float | np.number) and not isinstance(rate, bool)
    if not number or not lowest <= rate <= highest or int(rate) != rate:
        raise ValueError(
            f"{name}: the sampling rate is {rate!r:.40}; expected a whole number of Hz, {lowest} to {highest}."
        )
    return int(rate)


def check_seconds(seconds: float, longest: float | None, name: str, more: bool = False) -> None:
    """Raise ValueError if a clip is longer than `longest` seconds; None for no limit.

    Args:
        seconds: the length.
        longest: the limit.
        name: the name of the argument, for error messages.
        more: whether the clip is even longer than `seconds`, because it was not read further.
    """
    if longest is not None and seconds > longest:
        lasts = f"more than {longest:g} s" if more else f"{seconds:.2f} s"
        raise ValueError(f"{name} lasts {lasts}, but at most {longest:g} s are allowed. Shorten the clip.")


def full_scale(array: npt.NDArray[Any], name: str = "audio") -> Waveform:
    """Convert samples of any shape to float32 with ±1 full scale. Integers are scaled, floats only checked.

    Raises:
        ValueError: the samples are neither floats nor 8, 16 or 32 bit integers, not finite, or far beyond ±1.
    """
    kind = array.dtype.name
    if kind in _PCM:
        silence, full = _PCM[kind]
        return ((array.astype(np.float64) - silence) / full).astype(np.float32)
    if not np.issubdtype(array.dtype, np.floating):
        known = ", ".join(_PCM)
        raise ValueError(f"{name} has dtype {kind}; pass floats within ±1 or PCM of type {known}.")
    peak = float(max(array.max(initial=0.0), -array.min(initial=0.0)))  # NaN if any sample is
    if not np.isfinite(peak):
        raise ValueError(f"{name} contains NaN or infinite samples; repair the recording first.")
    if peak > _LOUDEST:
        raise ValueError(
            f"{name} reaches {peak:g}, but floats must be within ±1. Divide by the full scale of the source, or pass "
            f"PCM as integers (np.int16)."
        )
    return array.astype(np.float32)


def as_array(audio: Any) -> npt.NDArray[Any]:
    """Convert an array, a list or a torch tensor on any device to a numpy array."""
    import torch  # imported here so that a file name can be checked without this delay

    if not isinstance(audio, torch.Tensor):
        return np.asarray(audio)
    audio = audio.detach().cpu()
    return np.asarray(audio.float() if audio.dtype == torch.bfloat16 else audio)


def one_of_batch(array: npt.NDArray[Any], name: str = "audio") -> npt.NDArray[Any]:
    """Samples [1, channels, N], a batch of one, without the axis of the batch. Other shapes are unchanged.

    Raises:
        ValueError: the array is a batch of several clips.
    """
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3:
        raise ValueError(
            f"{name} has shape {array.shape}, a batch of {len(array)} clips; pass one of them, or a list of clips."
        )
    return array


__all__ = [
    "CHANNELS",
    "RATES",
    "Sound",
    "Waveform",
    "as_array",
    "check_channels",
    "check_seconds",
    "checked_rate",
    "full_scale",
    "one_of_batch",
]
