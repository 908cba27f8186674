"""Codes to waveforms and back through a DacModel: clips of any lengths, in windows, each as if it were alone.

Knows the codec's layers, rates and code range; all of them are read from the model. Knows nothing of delays, special
tokens or text.

A long clip is cut into windows of one length, which overlap by as many frames as the codec's layers look sideways:

    clip      |=============================|
    window 0  |~~~~~~~~~~~··|
    window 1           |··~~~~~~~~··|               ~ kept    · context, dropped
    window 2                    |······~~~~~|

The first window starts where the clip starts and the last one ends where it ends, so the true edges are treated as
the codec treats them; every window has the same length, so windows of different clips share a batch.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DacConfig, DacModel

# A second or two of sound. On a CPU longer pieces, and several at once, leave its caches and are slower per second.
_WINDOW = 128
_ACCELERATOR_BATCH = 16

# What is meant for the Hub and the device, not for one repository.
_ELSEWHERE = ("cache_dir", "force_download", "proxies", "token", "local_files_only", "device_map", "dtype")


def hop_length(config: DacConfig) -> int:
    """Samples per frame."""
    return math.prod(config.downsampling_ratios)


def frame_rate(config: DacConfig) -> float:
    """Frames per second, not rounded."""
    return float(config.sampling_rate) / hop_length(config)


def decoded_length(model: DacModel, frames: int) -> int:
    """Samples that `frames` decode to. Odd upsampling ratios make it a little less than frames · hop."""
    length = frames
    for layer in _convolutions(model.decoder):
        length = _output_length(layer, length)
    return max(length, 0) if frames else 0


def decode_context(model: DacModel) -> tuple[int, int]:
    """How many frames before and after a frame change its samples, (10, 10) for the published 44.1 kHz codec."""
    first, last = _reach(model.decoder, 0, hop_length(model.config) - 1)
    return -first, last


def encode_context(model: DacModel) -> tuple[int, int]:
    """How many frames of waveform before and after a frame change its codes."""
    hop = hop_length(model.config)
    first, last = _reach(model.encoder, 0, 0)
    return -(first // hop), last // hop


@torch.no_grad()
def decode(
    model: DacModel, codes: Sequence[Tensor], window: int | None = None, batch_size: int | None = None
) -> list[Tensor]:
    """Decode clips of codes, each to the same samples as if it were decoded alone and in one piece.

    Args:
        model: the codec.
        codes: one [T, C] integer tensor per clip, T of any size, C the codec's codebooks.
        window: frames decoded at once, context included; by default 128, or more where the context needs it.
        batch_size: windows in one batch; by default 1 on a CPU and 16 elsewhere. Memory grows with
            window · batch_size, not with the clips.

    Returns:
        One float32 tensor [N] per clip on the model's device, N = `decoded_length(model, T)`.

    Raises:
        TypeError: a clip is not a tensor of integers.
        ValueError: a clip is not [T, C], or holds a value that is no code; `window` is not longer than the context.
    """
    clips = [_checked_codes(model.config, clip, f"codes[{row}]") for row, clip in enumerate(codes)]
    hop = hop_length(model.config)
    waveforms = [torch.zeros(decoded_length(model, len(clip)), device=model.device) for clip in clips]
    for batch in _batches(
        [len(clip) for clip in clips], decode_context(model), window, _batch_size(model, batch_size)
    ):
        pieces = torch.stack([clips[w.clip][w.start : w.start + w.length].T for w in batch])  # [W, C, L]
        decoded = model.decode(audio_codes=pieces.to(model.device)).audio_values  # [W, N]
        for w, samples in zip(batch, decoded, strict=True):
            kept = samples[(w.keep_from - w.start) * hop : (w.keep_to - w.start) * hop]
            waveforms[w.clip][w.keep_from * hop : w.keep_to * hop] = kept
    return waveforms


@torch.no_grad()
def encode(
    model: DacModel, waveforms: Sequence[Tensor], window: int | None = None, batch_size: int | None = None
) -> list[Tensor]:
    """Encode waveforms, each to the same codes as if it were encoded alone and in one piece.

    Args:
        model: the codec.
        waveforms: one float tensor [N] per clip at the codec's rate; silence fills up the last frame.
        window: frames encoded at once, context included; by default 128, or more where the context needs it.
        batch_size: windows in one batch; by default 1 on a CPU and 16 elsewhere.

    Returns:
        One int64 tensor [T, C] per clip on the model's device, T = ⌈N / hop⌉.

    Raises:
        TypeError: a waveform is not a tensor of floats.
        ValueError: a waveform is not one-dimensional or not finite; `window` is not longer than the context.
    """
    hop = hop_length(model.config)
    clips = [_checked_waveform(clip, hop, f"waveforms[{row}]") for row, clip in enumerate(waveforms)]
    lengths = [len(clip) // hop for clip in clips]
    codes = [torch.zeros(n, model.config.n_codebooks, dtype=torch.long, device=model.device) for n in lengths]
    for batch in _batches(lengths, encode_context(model), window, _batch_size(model, batch_size)):
        pieces = torch.stack([clips[w.clip][w.start * hop : (w.start + w.length) * hop] for w in batch])  # [W, N]
        encoded = model.encode(pieces[:, None].to(model.device, model.dtype)).audio_codes  # [W, C, L]
        for w, frames in zip(batch, encoded.transpose(1, 2), strict=True):
            codes[w.clip][w.keep_from : w.keep_to] = frames[w.keep_from - w.start : w.keep_to - w.start]
    return codes


def load(name: str, inside: str | None, reference: dict[str, Any] | None, options: dict[str, Any]) -> DacModel | None:
    """Load the codec that a processor's folder holds or names.

    Args:
        name: the processor's folder or Hub id.
        inside: the subfolder in which it holds its codec, if it does.
        reference: else `audio_tokenizer_class` and `audio_tokenizer_name_or_path`, a Hub id or a path, which may be
            relative to the folder.
        options: of `from_pretrained`, for the processor's own repository.

    Returns:
        The codec; None if there is neither.

    Raises:
        ValueError: it is no `DacModel`.
        OSError: it cannot be loaded.
    """
    if inside is not None:
        within = os.path.join(options.pop("subfolder", None) or "", inside)
        return DacModel.from_pretrained(name, subfolder=within, **options)
    if reference is None:
        return None
    if (kind := reference["audio_tokenizer_class"]) != "DacModel":
        raise ValueError(f"{name} names a {kind} as its codec; Dia speaks through a DacModel.")
    target = reference["audio_tokenizer_name_or_path"]
    beside = Path(name, options.get("subfolder") or "", target)
    elsewhere = {key: options[key] for key in _ELSEWHERE if key in options}
    try:
        return DacModel.from_pretrained(str(beside) if beside.is_dir() else target, **elsewhere)
    except OSError as error:
        raise OSError(
            f"{name} names the codec {target!r}, which cannot be loaded: {error} Pass audio_tokenizer=…, or "
            f"load_audio_tokenizer=False to do without."
        ) from error


@dataclass(frozen=True)
class _Window:
    """A stretch of one clip, in frames: what is run through the codec and what is kept of it."""

    clip: int
    start: int
    length: int
    keep_from: int
    keep_to: int


def _batch_size(model: DacModel, asked: int | None) -> int:
    if asked is None:
        return 1 if model.device.type == "cpu" else _ACCELERATOR_BATCH
    if asked < 1:
        raise ValueError(f"batch_size is {asked}; it must be at least 1.")
    return asked


def _batches(
    lengths: Sequence[int], context: tuple[int, int], window: int | None, batch_size: int
) -> Iterator[list[_Window]]:
    """Windows of equal length, `batch_size` at a time."""
    if window is None:
        window = max(_WINDOW, 3 * sum(context))
    if window <= sum(context):
        raise ValueError(
            f"window is {window} frames, the context at its two edges alone {sum(context)}. Use a longer window."
        )
    windows = [w for clip, frames in enumerate(lengths) for w in _windows(clip, frames, window, *context)]
    for _, group in groupby(sorted(windows, key=lambda w: w.length), key=lambda w: w.length):
        equal = list(group)
        yield from (equal[at : at + batch_size] for at in range(0, len(equal), batch_size))


def _windows(clip: int, frames: int, window: int, left: int, right: int) -> Iterator[_Window]:
    if 0 < frames <= window:
        yield _Window(clip, 0, frames, 0, frames)
        return
    kept = 0
    while kept < frames:
        start = min(max(kept - left, 0), frames - window)
        end = frames if start + window == frames else start + window - right
        yield _Window(clip, start, window, kept, end)
        kept = end


def _convolutions(layers: nn.Module) -> list[nn.Conv1d | nn.ConvTranspose1d]:
    # DAC registers its layers in the order in which it runs them.
    return [layer for layer in layers.modules() if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d)]


def _reach(layers: nn.Module, first: int, last: int) -> tuple[int, int]:
    """The inputs that the outputs `first`…`last` are computed from, as if nothing ended anywhere."""
    for layer in reversed(_convolutions(layers)):
        kernel, stride, padding, dilation = _geometry(layer)
        span = (kernel - 1) * dilation
        if isinstance(layer, nn.ConvTranspose1d):
            first, last = -((span - padding - first) // stride), (last + padding) // stride
        else:
            first, last = first * stride - padding, last * stride - padding + span
    return first, last


def _output_length(layer: nn.Conv1d | nn.ConvTranspose1d, length: int) -> int:
    kernel, stride, padding, dilation = _geometry(layer)
    span = (kernel - 1) * dilation
    if isinstance(layer, nn.ConvTranspose1d):
        return (length - 1) * stride - 2 * padding + span + 1
    return (length + 2 * padding - span - 1) // stride + 1


def _geometry(layer: nn.Conv1d | nn.ConvTranspose1d) -> tuple[int, int, int, int]:
    return layer.kernel_size[0], layer.stride[0], int(layer.padding[0]), layer.dilation[0]


def _checked_codes(config: DacConfig, codes: Tensor, name: str) -> Tensor:
    if not isinstance(codes, Tensor) or codes.is_floating_point() or codes.is_complex() or codes.dtype == torch.bool:
        kind = codes.dtype if isinstance(codes, Tensor) else type(codes).__name__
        raise TypeError(f"{name} is {kind}; expected a tensor of integers.")
    if codes.ndim != 2 or codes.shape[1] != config.n_codebooks:
        raise ValueError(f"{name} has shape {tuple(codes.shape)}; the codec reads [frames, {config.n_codebooks}].")
    wrong = (codes < 0) | (codes >= config.codebook_size)
    if wrong.any():
        frame, channel = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"{name} holds {int(codes[frame, channel])} at frame {frame}, channel {channel}; codes run from 0 to "
            f"{config.codebook_size - 1}. Cut special tokens off before decoding."
        )
    return codes.long()


def _checked_waveform(waveform: Tensor, hop: int, name: str) -> Tensor:
    if not isinstance(waveform, Tensor) or not waveform.is_floating_point():
        kind = waveform.dtype if isinstance(waveform, Tensor) else type(waveform).__name__
        raise TypeError(f"{name} is {kind}; expected a tensor of floats.")
    if waveform.ndim != 1:
        raise ValueError(f"{name} has shape {tuple(waveform.shape)}; expected [samples].")
    if not waveform.isfinite().all():
        raise ValueError(f"{name} holds NaN or infinite samples; repair the recording first.")
    return nn.functional.pad(waveform, (0, -len(waveform) % hop))


__all__ = [
    "decode",
    "decode_context",
    "decoded_length",
    "encode",
    "encode_context",
    "frame_rate",
    "hop_length",
    "load",
]
