"""`DiaFeatureExtractor`: converts clips of any supported type to mono float32 at the codec's rate, padded to frames.

Independent of codes and of the model.
"""

import inspect
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
from transformers import BatchFeature
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor

from dia.audio.clips import named_clips, read_clip
from dia.audio.waveform import Waveform, check_seconds, checked_rate, full_scale
from dia.runtime import limits
from dia.runtime.ranges import check_given, check_numbers
from dia.runtime.warnings import DiaWarning

_CHANNELS = 2
_CANCELLED = 0.03  # of the channels' peak, about -30 dB: a lower average means that the channels cancel

_NUMBERS = {
    "feature_size": limits.CLIP_CHANNELS,
    "sampling_rate": limits.SAMPLING_RATE,
    "hop_length": limits.HOP_LENGTH,
    "padding_value": limits.SAMPLE,
}
EXTRACTOR_RANGES = {**_NUMBERS, "max_seconds": limits.CLIP_SECONDS}


class DiaFeatureExtractor(SequenceFeatureExtractor):
    """Converts recordings to a batch for the codec.

    A clip is one of
    - a numpy array or torch tensor, [samples], [channels, samples], [samples, channels] or [1, channels, samples], of
      at most two channels, which are averaged; or a list of floats;
    - a tuple of an array and its rate in Hz, in any order, as gradio and torchaudio give it;
    - a path, the bytes of a file, or a file object opened for reading bytes;
    - a dict `{"array", "sampling_rate"}`, `{"waveform", "sample_rate"}` as of ComfyUI, `{"path"}` or `{"bytes"}`; or
      an object with the first two keys, such as the audio objects of `datasets`.

    The full scale of floats is ±1; 8, 16 and 32 bit integers are scaled to it. A list or tuple of clips is a batch and
    may mix types; a two-dimensional array is one clip.

    Args:
        feature_size: 1 or 2, accepted for compatibility; stereo is always averaged to mono.
        sampling_rate: Hz of the output, the codec's rate.
        padding_value: value that pads a clip, at its end unless `padding_side` is "left".
        hop_length: samples per codec frame; lengths are padded to a multiple of it.
        max_seconds: maximum length of a clip; None for no limit.

    Raises:
        TypeError, ValueError: a number has the wrong type or is out of range; the message names it.
    """

    model_input_names = ["input_values", "padding_mask"]  # noqa: RUF012 (the base class declares it without ClassVar)

    def __init__(
        self,
        feature_size: int = 1,
        sampling_rate: int = 16000,
        padding_value: float = 0.0,
        hop_length: int = 512,
        max_seconds: float | None = None,
        **kwargs: Any,
    ) -> None:
        given = {"feature_size": feature_size, "sampling_rate": sampling_rate, "padding_value": padding_value}
        given = check_numbers(_NUMBERS, given | {"hop_length": hop_length})
        max_seconds = check_given(EXTRACTOR_RANGES, {"max_seconds": max_seconds}).get("max_seconds")
        if (side := kwargs.get("padding_side", "right")) not in ("left", "right"):
            raise ValueError(f"padding_side is {side!r}; it must be 'left' or 'right'.")
        super().__init__(**given, **kwargs)  # which become attributes
        self.max_seconds = max_seconds

    @classmethod
    def from_dict(cls, feature_extractor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Create a feature extractor from a file's settings. Keyword arguments override or add settings."""
        own = inspect.signature(cls.__init__).parameters
        given = {name: kwargs.pop(name) for name in (*own, "padding_side") if name in kwargs}
        return super().from_dict({**feature_extractor_dict, **given}, **kwargs)

    def __call__(
        self,
        raw_audio: Any,
        padding: bool | str | None = None,
        truncation: bool | None = False,
        max_length: int | None = None,
        return_tensors: str | None = None,
        sampling_rate: int | None = None,
    ) -> BatchFeature:
        """Load one clip or a batch and pad it.

        Args:
            raw_audio: a clip or a list of clips, see the class.
            padding: True or "longest" (the default), "max_length", or False for no padding.
            truncation: truncate clips to `max_length`.
            max_length: samples, rounded up to whole frames.
            return_tensors: "pt" or "np"; by default `input_values` is a list of arrays.
            sampling_rate: Hz of clips without a rate of their own; by default `self.sampling_rate`.

        Returns:
            `input_values` [B, 1, N] float32 and `padding_mask` [B, N] int32, 1 where there is audio.

        Raises:
            TypeError: a clip has an unsupported type.
            ValueError: a clip is empty, too short, too long, not finite, far beyond full scale, or has more than two
                channels.
            FileNotFoundError: a path does not exist.
        """
        if padding and truncation:
            raise ValueError("padding and truncation are both set; pass one of them.")
        clips = named_clips(raw_audio, "raw_audio")
        waveforms = [self.load(clip, sampling_rate, name) for name, clip in clips.items()]
        if max_length is not None:
            max_length = self._whole_frames(max_length)
        if truncation:
            if max_length is None:
                raise ValueError("truncation is set without max_length; pass max_length in samples.")
            waveforms = [waveform[:max_length] for waveform in waveforms]
        return self._pad_batch(waveforms, "longest" if padding is None else padding, max_length, return_tensors)

    def load(self, clip: Any, sampling_rate: int | None = None, name: str = "audio") -> Waveform:
        """Read one clip as mono float32 [samples] at `self.sampling_rate`.

        Args:
            clip: one clip, see the class.
            sampling_rate: Hz, if the clip has no rate of its own.
            name: name of the clip in error messages.

        Raises:
            TypeError, ValueError, FileNotFoundError: as `__call__`.
        """
        found = read_clip(clip, name, self.max_seconds)
        for remark in found.remarks:
            warnings.warn(f"about {name}: {remark}", DiaWarning, stacklevel=2)
        return self.convert(found.samples, found.rate if found.rate is not None else sampling_rate, name)

    def convert(self, array: npt.NDArray[Any], rate: int | None, name: str = "audio") -> Waveform:
        """Convert samples returned by `read_clip`, as `load` does."""
        waveform = full_scale(_mono(array, name), name)
        if rate is not None and rate != self.sampling_rate:
            rate = checked_rate(rate, name)
            check_seconds(len(waveform) / rate, self.max_seconds, name)
            waveform = soxr.resample(waveform, rate, self.sampling_rate, quality="HQ")
        self._check_length(waveform, name)
        return waveform

    def _check_length(self, waveform: Waveform, name: str) -> None:
        if len(waveform) < self.hop_length:
            raise ValueError(
                f"{name} has {len(waveform)} samples at {self.sampling_rate} Hz, less than one codec frame of "
                f"{self.hop_length}. Use a longer clip."
            )
        check_seconds(len(waveform) / self.sampling_rate, self.max_seconds, name)

    def _whole_frames(self, samples: int) -> int:
        return -(-samples // self.hop_length) * self.hop_length

    def _pad_batch(
        self, waveforms: list[Waveform], padding: bool | str, max_length: int | None, return_tensors: str | None
    ) -> BatchFeature:
        masks = [np.ones(len(waveform), dtype=np.int32) for waveform in waveforms]
        if padding not in (False, "do_not_pad"):
            longest = self._whole_frames(max(len(waveform) for waveform in waveforms))
            length = max_length if padding == "max_length" and max_length is not None else longest
            waveforms = [self._pad_one(waveform, length, self.padding_value) for waveform in waveforms]
            masks = [self._pad_one(mask, length, 0) for mask in masks]
        same_length = len({len(mask) for mask in masks}) == 1
        data = {
            "padding_mask": np.stack(masks) if same_length else masks,
            "input_values": [waveform[None] for waveform in waveforms],
        }
        return BatchFeature(data, tensor_type=return_tensors)

    def _pad_one(self, array: npt.NDArray[Any], length: int, value: float) -> npt.NDArray[Any]:
        missing = max(length - len(array), 0)
        return np.pad(array, (missing, 0) if self.padding_side == "left" else (0, missing), constant_values=value)


def _mono(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    if array.size == 0:
        raise ValueError(f"{name} is empty; pass a clip with samples.")
    if array.ndim == 1:
        return array
    if array.ndim != 2 or min(array.shape) > _CHANNELS:
        raise ValueError(
            f"{name} has shape {array.shape}; expected [samples], or up to {_CHANNELS} channels. Pass a batch as a "
            f"list of clips, and mix down recordings with more channels."
        )
    channel_axis = int(np.argmin(array.shape))
    if array.shape[channel_axis] == 1:
        return array.squeeze(channel_axis)
    channels = full_scale(array, name)
    mean = channels.mean(axis=channel_axis)
    if np.abs(mean).max() < _CANCELLED * np.abs(channels).max():
        raise ValueError(
            f"{name} has two channels of opposite polarity, which cancel out when they are averaged. Pass a single "
            f"channel."
        )
    return np.asarray(mean)


__all__ = ["DiaFeatureExtractor"]
