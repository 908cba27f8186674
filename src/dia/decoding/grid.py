"""Builds the decoder's grid from prompts, and extracts the generated frames from it.

Independent of audio, of text and of the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DacModel

from dia.configuration_dia import DiaConfig
from dia.decoding.delay import delay, undelay
from dia.runtime.limits import DELAY, ID
from dia.runtime.ranges import shown

IGNORED = -100  # a label that the loss ignores


@dataclass(frozen=True)
class Channels:
    """The delay of each channel in rows, and the special ids.

    Raises:
        TypeError, ValueError: a number has the wrong type or is out of range; the message names it.
    """

    pattern: list[int]
    bos: int
    eos: int
    pad: int

    def __post_init__(self) -> None:
        checked_pattern(self.pattern)
        for name in ("bos", "eos", "pad"):
            ID.check(f"{name}_token_id", getattr(self, name))

    @classmethod
    def of(cls, config: DiaConfig) -> "Channels":
        """The delays and special ids of a model."""
        decoder = config.get_text_config()
        return cls(list(config.delay_pattern or ()), decoder.bos_token_id, decoder.eos_token_id, decoder.pad_token_id)


def checked_pattern(pattern: Any) -> list[int]:
    """Validate a delay pattern and return it as a list.

    Raises:
        TypeError: it is not a sequence of integers.
        ValueError: it is empty, or a delay is out of range.
    """
    if not isinstance(pattern, Sequence) or isinstance(pattern, str):
        raise TypeError(f"delay_pattern is {shown(pattern)}; expected one delay in rows per channel.")
    if not pattern:
        raise ValueError("delay_pattern is empty; pass one delay in rows per channel.")
    for rows in pattern:
        DELAY.check("delay_pattern", rows)
    return list(pattern)


def prefill(codes: Sequence[Tensor | None], width: int, channels: Channels, closed: bool) -> tuple[Tensor, Tensor]:
    """Build the decoder's input grid: BOS, each clip's frames, and EOS if `closed`.

    Shorter clips are padded with BOS on the left, so that all end in the same row.

    Args:
        codes: int64 [T, C] per clip; None for a clip without frames.
        width: minimum number of frames.
        channels: delays and special ids.
        closed: end every clip with EOS, for training.

    Returns:
        The grid [B, R, C] with PAD in the cells to predict, and a mask [B, R] that is 0 for padding on the left.
    """
    empty = torch.empty(0, len(channels.pattern), dtype=torch.long)
    clips = [empty if clip is None else clip.cpu() for clip in codes]
    width = max(width, *(len(clip) for clip in clips))
    end = torch.full((int(closed), len(channels.pattern)), channels.eos)
    rows = []
    for clip in clips:
        begin = torch.full((width - len(clip) + 1, len(channels.pattern)), channels.bos)
        rows.append(torch.cat([begin, clip, end]))
    grid = delay(torch.stack(rows), channels.pattern, channels.bos, channels.pad)
    padded = torch.tensor([[width - len(clip)] for clip in clips])
    return grid, (torch.arange(grid.shape[1]) >= padded).long()


def labels_of(grid: Tensor, channels: Channels) -> Tensor:
    """The labels of a closed grid, [B, R - 1, C]: for each row the next row, with `IGNORED` for BOS and PAD."""
    following = grid[:, 1:]
    return following.masked_fill(torch.isin(following, torch.tensor([channels.bos, channels.pad])), IGNORED)


def training_pair(grid: Tensor, mask: Tensor, channels: Channels) -> dict[str, Tensor]:
    """Split a closed grid into decoder inputs and labels.

    Returns:
        `labels` [B · C, R - 1], see `labels_of`, and the grid and mask without their last row.
    """
    return {
        "labels": labels_of(grid, channels).transpose(1, 2).flatten(0, 1).contiguous(),  # [B · C, R]
        "decoder_input_ids": grid[:, :-1],
        "decoder_attention_mask": mask[:, :-1],
    }


def as_grid(decoder_input_ids: Any) -> Tensor:
    """Convert to an int64 grid [B, R, C] on the CPU.

    Args:
        decoder_input_ids: a tensor [B, R, C] or [R, C], or an output of `generate` with the tensor as `sequences`.

    Raises:
        TypeError: it is not a tensor.
        ValueError: the tensor has another shape, or is not of integers.
    """
    grid = getattr(decoder_input_ids, "sequences", decoder_input_ids)
    if not isinstance(grid, Tensor):
        raise TypeError(f"decoder_input_ids is {type(grid).__name__}; expected a tensor [B, R, C].")
    if grid.ndim not in (2, 3) or grid.is_floating_point():
        raise ValueError(f"decoder_input_ids is {grid.dtype} of shape {tuple(grid.shape)}; expected ids [B, R, C].")
    return (grid if grid.ndim == 3 else grid[None]).detach().cpu().long()


def spoken(grid: Tensor, audio_prompt_len: int | Sequence[int] | Tensor | None, channels: Channels) -> list[Tensor]:
    """The frames [T, C] of each clip in a grid [B, R, C], without its prompt.

    Speech ends where channel 0 is EOS or PAD. A grid that ends earlier gives all complete frames.

    Args:
        grid: int64 ids on the CPU.
        audio_prompt_len: number of rows to skip at the start, one number or one per clip; BOS is always skipped.
        channels: delays and special ids.

    Raises:
        ValueError: the grid does not match the delay pattern, or a length is negative.
    """
    starts = _prompt_rows(audio_prompt_len, len(grid))
    frames = undelay(grid, channels.pattern)
    return [_spoken_frames(row, start, channels) for row, start in zip(frames, starts, strict=True)]


def check_row_count(grid: Tensor, channels: Channels) -> None:
    """Raise an error if a grid [B, R, C] is too short for BOS and one frame of speech.

    Raises:
        ValueError: the message gives the number of rows needed.
    """
    needed = max(channels.pattern) + 2
    if grid.shape[1] < needed:
        raise ValueError(
            f"decoder_input_ids has {grid.shape[1]} rows, but one frame of audio needs {needed} with delays up to "
            f"{needed - 2}; generate with max_new_tokens={needed} or more."
        )


def check_channels(codec: DacModel, channels: Channels) -> None:
    """Raise an error if a codec does not match the grid's channels.

    Raises:
        ValueError: it has another number of codebooks, or a special id is one of its codes.
    """
    books, size = codec.config.n_codebooks, codec.config.codebook_size
    if books != len(channels.pattern):
        raise ValueError(
            f"audio_tokenizer has {books} codebooks, but delay_pattern has {len(channels.pattern)} delays. Pass the "
            "delay_pattern of the model, or use the codec that it was trained with."
        )
    if channels.eos < size:
        raise ValueError(f"eos_token_id={channels.eos} must be at least {size}, the codec's codebook size.")


def codes_of(clip: Any, channels: Channels, name: str = "audio") -> Tensor | None:
    """Codes [T, C] as int64; None for audio.

    Integers of a type that PCM does not have are codes. Those of signed PCM types are codes if they have C channels
    and all values are codes, because half of the samples of a recording are negative. uint8 is always audio.

    Raises:
        ValueError: codes have another shape.
    """
    if not isinstance(clip, np.ndarray | Tensor) or clip.ndim != 2:
        return None
    kind = clip.dtype.name if isinstance(clip, np.ndarray) else str(clip.dtype).removeprefix("torch.")
    if not kind.lstrip("u").startswith("int") or kind == "uint8":
        return None
    codes = torch.from_numpy(clip.astype(np.int64)) if isinstance(clip, np.ndarray) else clip.long()
    count = len(channels.pattern)
    if kind in ("int8", "int16", "int32"):
        fits = codes.shape[1] == count and len(codes) and codes.min() >= 0 and 0 < codes.max() < channels.eos
        return codes if fits else None
    if codes.shape[1] != count:
        raise ValueError(
            f"{name} has shape {tuple(codes.shape)} and type {kind}; expected codes [frames, {count} channels], or "
            f"audio as floats or 16-bit integers."
        )
    return codes


def _prompt_rows(audio_prompt_len: int | Sequence[int] | Tensor | None, rows: int) -> list[int]:
    given = audio_prompt_len.tolist() if isinstance(audio_prompt_len, Tensor) else audio_prompt_len
    starts: list[Any] = list(given) if isinstance(given, Sequence) else [given or 0] * rows
    if len(starts) != rows:
        raise ValueError(f"audio_prompt_len has {len(starts)} lengths for {rows} grids; pass one, or one for each.")
    for start in starts:
        if not isinstance(start, int) or start < 0:
            raise ValueError(f"audio_prompt_len is {start!r}; expected a number of rows, 0 or more.")
    return starts


def _spoken_frames(frames: Tensor, start: int, channels: Channels) -> Tensor:
    """The speech in one clip's frames [T, C], from frame `start` on."""
    leading = int((frames[:, 0] == channels.bos).long().cumprod(0).sum())
    frames = frames[max(start, leading) :]
    ended = torch.isin(frames[:, 0], torch.tensor([channels.eos, channels.pad])).nonzero()
    frames = frames[: int(ended[0])] if len(ended) else frames
    complete = (frames != channels.pad).all(dim=1).nonzero()
    return frames[: int(complete[-1]) + 1] if len(complete) else frames[:0]


__all__ = [
    "IGNORED",
    "Channels",
    "as_grid",
    "check_channels",
    "check_row_count",
    "checked_pattern",
    "codes_of",
    "labels_of",
    "prefill",
    "spoken",
    "training_pair",
]
