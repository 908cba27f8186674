"""Convert between codes and waveforms with a DacModel: clips of any lengths, in windows, each as if alone.

Reads layers, rates and the code range from the model. Independent of delays, special tokens and text.

A long clip is split into windows of equal length, which overlap by the context of the codec's layers:

    clip      |=============================|
    window 0  |~~~~~~~~~~~··|
    window 1           |··~~~~~~~~··|               ~ kept    · context, dropped
    window 2                    |······~~~~~|

The first window starts at the start of the clip and the last one ends at its end, so the codec pads the true edges.
All windows have the same length, so windows of different clips can share a batch.

On a CPU, `dia.codec.fast_decoder` decodes a clip piece by piece instead, without computing the overlaps twice.
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

from dia.codec import fast_decoder as fast_codec
from dia.codec.checkpoint import load_codec
from dia.runtime.resources.fingerprint import modules_of

# A second or two of audio. On a CPU, longer pieces and batches exceed the caches and are slower per second of audio.
_WINDOW = 128
_PIECE = 64
_ACCELERATOR_BATCH = 16

# Options of `from_pretrained` that also apply to a codec in another repository.
_SHARED_OPTIONS = ("cache_dir", "force_download", "proxies", "token", "local_files_only", "device_map", "dtype")


def hop_length(config: DacConfig) -> int:
    """Samples per frame."""
    return math.prod(config.downsampling_ratios)


def frame_rate(config: DacConfig) -> float:
    """Frames per second, not rounded."""
    return float(config.sampling_rate) / hop_length(config)


def decoded_length(model: DacModel, frames: int) -> int:
    """The number of samples that `frames` decode to. With odd upsampling ratios, it is slightly below frames · hop."""
    length = frames
    for layer in _convolutions(model.decoder):
        length = _output_length(layer, length)
    return max(length, 0) if frames else 0


def decode_context(model: DacModel) -> tuple[int, int]:
    """How many frames before and after a frame affect its samples: (10, 10) for the published 44.1 kHz codec."""
    first, last = _reach(model.decoder, 0, hop_length(model.config) - 1)
    return -first, last


def encode_context(model: DacModel) -> tuple[int, int]:
    """How many frames of waveform before and after a frame affect its codes."""
    hop = hop_length(model.config)
    first, last = _reach(model.encoder, 0, 0)
    return -(first // hop), last // hop


@torch.no_grad()
def decode(
    model: DacModel,
    codes: Sequence[Tensor],
    window: int | None = None,
    batch_size: int | None = None,
    dtype: torch.dtype | None = None,
) -> list[Tensor]:
    """Decode clips of codes, each to the same samples as if it were decoded alone and in one piece.

    Args:
        model: the codec.
        codes: one integer tensor [T, C] per clip, with any T; C is the number of codebooks.
        window: frames decoded at once, including context; by default 128, or more if the context requires it. On a CPU
            the default is 64, and there is no context to include.
        batch_size: windows per batch; by default 1 on a CPU and 16 elsewhere. Memory grows with
            window · batch_size, not with the length of the clips.
        dtype: float32 or bfloat16, the dtype to compute in instead of the model's; ignored by a codec with custom
            layers.

    Returns:
        One float32 tensor [N] per clip on the model's device, N = `decoded_length(model, T)`.

    Raises:
        TypeError: a clip is not a tensor of integers.
        ValueError: a clip is not [T, C], or contains an invalid code; `window` is not longer than the context;
            `dtype` is not supported.
    """
    clips = [_checked_codes(model.config, clip, f"codes[{row}]") for row, clip in enumerate(codes)]
    context, at_once = decode_context(model), _batch_size(model, batch_size)
    length = _checked_window(context, window)
    decoder = _fast_decoder(model, dtype)
    if decoder is not None and _on_cpu(model):
        return [_in_pieces(decoder, clip, window or _PIECE) for clip in clips]
    hop = hop_length(model.config)
    waveforms = [torch.zeros(decoded_length(model, len(clip)), device=model.device) for clip in clips]
    for batch in _batches([len(clip) for clip in clips], context, length, at_once):
        pieces = torch.stack([clips[w.clip][w.start : w.start + w.length] for w in batch]).to(
            model.device
        )  # [W, L, C]
        if decoder is not None:
            decoded = fast_codec.Stream(decoder, len(pieces)).push(pieces, last=True)  # [W, N]
        else:
            decoded = model.decode(audio_codes=pieces.transpose(1, 2)).audio_values
        for w, samples in zip(batch, decoded, strict=True):
            kept = samples[(w.keep_from - w.start) * hop : (w.keep_to - w.start) * hop]
            waveforms[w.clip][w.keep_from * hop : w.keep_to * hop] = kept
    return waveforms


class ClipStream:
    """Decodes one clip incrementally. The concatenated results equal those of `decode`.

    Args:
        model: the codec.
        dtype: as in `decode`.
    """

    def __init__(self, model: DacModel, dtype: torch.dtype | None = None) -> None:
        decoder = _fast_decoder(model, dtype) if _on_cpu(model) else None
        self._fast = fast_codec.Stream(decoder) if decoder is not None else None
        self._model, self._dtype = model, dtype
        self._frames = torch.zeros(0, model.config.n_codebooks, dtype=torch.long)
        self._decoded = 0  # frames of `_frames` already decoded: the context of the next ones

    @torch.no_grad()
    def push(self, codes: Tensor, last: bool = False) -> Tensor:
        """Add the next frames [T, C], and return the samples [N] that are ready; with `last`, all remaining ones."""
        codes = _checked_codes(self._model.config, codes, "codes")
        if self._fast is not None:
            return self._fast.push(codes[None], last)[0]
        self._frames = torch.cat([self._frames, codes.cpu()])
        before, after = decode_context(self._model)
        until = max(len(self._frames) - (0 if last else after), self._decoded)
        if until == self._decoded and not last:
            return torch.zeros(0)
        hop = hop_length(self._model.config)
        samples = decode(self._model, [self._frames], dtype=self._dtype)[0]
        new = samples[self._decoded * hop : None if last else until * hop]
        first = max(until - before, 0)
        self._frames, self._decoded = self._frames[first:], until - first
        return new


@torch.no_grad()
def encode(
    model: DacModel, waveforms: Sequence[Tensor], window: int | None = None, batch_size: int | None = None
) -> list[Tensor]:
    """Encode waveforms, each to the same codes as if it were encoded alone and in one piece.

    Args:
        model: the codec.
        waveforms: one float tensor [N] per clip at the codec's rate; the last frame is padded with silence.
        window: frames encoded at once, including context; by default 128, or more if the context requires it.
        batch_size: windows per batch; by default 1 on a CPU and 16 elsewhere.

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
    context, at_once = encode_context(model), _batch_size(model, batch_size)
    for batch in _batches(lengths, context, _checked_window(context, window), at_once):
        pieces = torch.stack([clips[w.clip][w.start * hop : (w.start + w.length) * hop] for w in batch])  # [W, N]
        encoded = model.encode(pieces[:, None].to(model.device, model.dtype)).audio_codes  # [W, C, L]
        for w, frames in zip(batch, encoded.transpose(1, 2), strict=True):
            codes[w.clip][w.keep_from : w.keep_to] = frames[w.keep_from - w.start : w.keep_to - w.start]
    return codes


def load(name: str, inside: str | None, reference: dict[str, Any] | None, options: dict[str, Any]) -> DacModel | None:
    """Load the codec that a processor's folder contains or refers to.

    Args:
        name: the processor's folder or Hub id.
        inside: the subfolder that contains the codec, if any.
        reference: `audio_tokenizer_class` and `audio_tokenizer_name_or_path`, a Hub id or a path, possibly relative to
            the folder. Without `inside`, it locates the codec; otherwise it is the codec's name on the Hub, if any.
        options: options of `from_pretrained` for the processor's own repository.

    Returns:
        The codec; None if there is neither `inside` nor `reference`.

    Raises:
        ValueError: the codec is not a `DacModel`.
        OSError: the codec cannot be loaded.
    """
    if inside is not None:
        within = os.path.join(options.pop("subfolder", None) or "", inside)
        model = load_codec(name, subfolder=within, **options)
        named = (reference or {}).get("audio_tokenizer_name_or_path")
        # Keep a Hub id as the codec's name, but not a path, because the folder may have been moved.
        model.name_or_path = os.path.join(name, within) if named is None or os.path.isabs(named) else named
        return model
    if reference is None:
        return None
    if (kind := reference["audio_tokenizer_class"]) != "DacModel":
        raise ValueError(f"{name} has a codec of type {kind}, but Dia needs a DacModel.")
    target = reference["audio_tokenizer_name_or_path"]
    beside = Path(name, options.get("subfolder") or "", target)
    shared = {key: options[key] for key in _SHARED_OPTIONS if key in options}
    try:
        return load_codec(str(beside) if beside.is_dir() else target, **shared)
    except OSError as error:
        raise OSError(
            f"the codec {target!r} of {name} cannot be loaded: {error} Pass audio_tokenizer=…, or "
            f"load_audio_tokenizer=False to load without a codec."
        ) from error


def _fast_decoder(model: DacModel, dtype: torch.dtype | None) -> fast_codec.FastDecoder | None:
    """The fast decoder for a codec; None if its own `decode` should be used."""
    if dtype not in (None, *fast_codec.DTYPES):
        raise ValueError(f"dtype={dtype!r} must be torch.float32, torch.bfloat16, or None for the codec's own.")
    wanted = model.dtype if dtype is None else dtype
    if wanted not in fast_codec.DTYPES:
        return None
    if model.decoder._compiled_call_impl is not None:  # the user has called `decoder.compile()`
        return None
    # On other devices than a CPU, the model's own layers are as fast in the model's own dtype.
    if not _on_cpu(model) and wanted == model.dtype:
        return None
    return fast_codec.decoder_of(model, wanted)


def _in_pieces(decoder: fast_codec.FastDecoder, clip: Tensor, size: int) -> Tensor:
    if not len(clip):
        return torch.zeros(0)
    stream, pieces = fast_codec.Stream(decoder), clip.split(size)
    samples = [stream.push(piece[None], last=at == len(pieces) - 1)[0] for at, piece in enumerate(pieces)]
    return torch.cat(samples)


@dataclass(frozen=True)
class _Window:
    """A section of one clip, in frames: the part to process and the part of the result to keep."""

    clip: int
    start: int
    length: int
    keep_from: int
    keep_to: int


def _on_cpu(model: DacModel) -> bool:
    return bool(model.device.type == "cpu")


def _batch_size(model: DacModel, asked: int | None) -> int:
    if asked is None:
        return 1 if _on_cpu(model) else _ACCELERATOR_BATCH
    if asked < 1:
        raise ValueError(f"batch_size is {asked}; it must be at least 1.")
    return asked


def _checked_window(context: tuple[int, int], asked: int | None) -> int:
    if asked is None:
        return max(_WINDOW, 3 * sum(context))
    if asked <= sum(context):
        raise ValueError(
            f"window is {asked} frames, but the context at its edges is already {sum(context)}. Use a longer window."
        )
    return asked


def _batches(
    lengths: Sequence[int], context: tuple[int, int], window: int, batch_size: int
) -> Iterator[list[_Window]]:
    """Batches of up to `batch_size` windows of equal length."""
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
    # DAC registers its layers in execution order.
    return [layer for layer in modules_of(layers) if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d)]


def _reach(layers: nn.Module, first: int, last: int) -> tuple[int, int]:
    """The range of inputs that the outputs `first` to `last` depend on, in an infinitely long clip."""
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
        raise ValueError(f"{name} has shape {tuple(codes.shape)}; expected [frames, {config.n_codebooks}].")
    wrong = (codes < 0) | (codes >= config.codebook_size)
    if wrong.any():
        frame, channel = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"{name} contains {int(codes[frame, channel])} at frame {frame}, channel {channel}; codes must be 0 to "
            f"{config.codebook_size - 1}. Remove special tokens before decoding."
        )
    return codes.long()


def _checked_waveform(waveform: Tensor, hop: int, name: str) -> Tensor:
    if not isinstance(waveform, Tensor) or not waveform.is_floating_point():
        kind = waveform.dtype if isinstance(waveform, Tensor) else type(waveform).__name__
        raise TypeError(f"{name} is {kind}; expected a tensor of floats.")
    if waveform.ndim != 1:
        raise ValueError(f"{name} has shape {tuple(waveform.shape)}; expected [samples].")
    if not waveform.isfinite().all():
        raise ValueError(f"{name} contains NaN or infinite samples; repair the recording first.")
    return nn.functional.pad(waveform, (0, -len(waveform) % hop))


__all__ = [
    "ClipStream",
    "decode",
    "decode_context",
    "decoded_length",
    "encode",
    "encode_context",
    "frame_rate",
    "hop_length",
    "load",
]
