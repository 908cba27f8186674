"""The decoder's grid: laid out from prompts, and cut back to the frames that were spoken.

Knows the delay pattern, the special ids and the numbers of a codec. Knows nothing of sound, text or the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DacModel

from dia.configuration_dia import DiaConfig
from dia.decoding.delay import delay, undelay
from dia.runtime.limits import DELAY, ID
from dia.runtime.ranges import shown

IGNORED = -100  # a label that the loss leaves out


@dataclass(frozen=True)
class Channels:
    """The delay of each channel in rows, and the ids that are no codes.

    Raises:
        TypeError, ValueError: a number is none, or out of range; the message names it.
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
        """Those of a model."""
        decoder = config.get_text_config()
        return cls(list(config.delay_pattern or ()), decoder.bos_token_id, decoder.eos_token_id, decoder.pad_token_id)


def checked_pattern(pattern: Any) -> list[int]:
    """A delay pattern as a list.

    Raises:
        TypeError: it is no sequence of whole numbers.
        ValueError: it is empty, or a delay is out of range.
    """
    if not isinstance(pattern, Sequence) or isinstance(pattern, str):
        raise TypeError(f"delay_pattern is {shown(pattern)}; expected one delay in rows per channel.")
    if not pattern:
        raise ValueError("delay_pattern is empty; give one delay in rows per channel.")
    for rows in pattern:
        DELAY.check("delay_pattern", rows)
    return list(pattern)


def prefill(codes: Sequence[Tensor | None], width: int, channels: Channels, closed: bool) -> tuple[Tensor, Tensor]:
    """Lay out what the decoder reads first, or in training: BOS, each clip's frames, and EOS if it is `closed`.

    Shorter clips are padded with BOS on the left, so that all end in the same row.

    Args:
        codes: int64 [T, C] per row, None for a row without frames.
        width: make room for this many frames at least.
        channels: delays and special ids.
        closed: end every clip with EOS.

    Returns:
        The grid [B, R, C] with PAD where it is free to be predicted, and a mask [B, R], 0 over the left padding.
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
    """What each row of a closed grid but the last must predict, [B, R - 1, C]: the row after it, `IGNORED` where that
    is BOS or PAD."""
    following = grid[:, 1:]
    return following.masked_fill(torch.isin(following, torch.tensor([channels.bos, channels.pad])), IGNORED)


def training_pair(grid: Tensor, mask: Tensor, channels: Channels) -> dict[str, Tensor]:
    """Let each row of a closed grid predict the next one.

    Returns:
        `labels` [B · C, R - 1], see `labels_of`, and grid and mask without their last row.
    """
    return {
        "labels": labels_of(grid, channels).transpose(1, 2).flatten(0, 1).contiguous(),  # [B · C, R]
        "decoder_input_ids": grid[:, :-1],
        "decoder_attention_mask": mask[:, :-1],
    }


def as_grid(decoder_input_ids: Any) -> Tensor:
    """The grid as int64 [B, R, C] on the CPU, from a tensor [B, R, C] or [R, C] or what holds one as `sequences`.

    Raises:
        TypeError: there is no tensor.
        ValueError: it is not of that shape, or not of integers.
    """
    grid = getattr(decoder_input_ids, "sequences", decoder_input_ids)
    if not isinstance(grid, Tensor):
        raise TypeError(f"decoder_input_ids is {type(grid).__name__}; expected a tensor [B, R, C].")
    if grid.ndim not in (2, 3) or grid.is_floating_point():
        raise ValueError(f"decoder_input_ids is {grid.dtype} of shape {tuple(grid.shape)}; expected ids [B, R, C].")
    return (grid if grid.ndim == 3 else grid[None]).detach().cpu().long()


def spoken(grid: Tensor, audio_prompt_len: int | Sequence[int] | Tensor | None, channels: Channels) -> list[Tensor]:
    """The frames [T, C] that each row of a grid [B, R, C] speaks after its prompt.

    A row ends where channel 0 says EOS or PAD; cut off before that, it gives every frame that is complete.

    Args:
        grid: int64 ids on the CPU.
        audio_prompt_len: rows to leave out at the beginning, one number or one per row; BOS is always left out.
        channels: delays and special ids.

    Raises:
        ValueError: the grid does not fit the delay pattern, or a length is not 0 or more.
    """
    starts = _prompt_rows(audio_prompt_len, len(grid))
    frames = undelay(grid, channels.pattern)
    return [_spoken_frames(row, start, channels) for row, start in zip(frames, starts, strict=True)]


def check_room(grid: Tensor, channels: Channels) -> None:
    """Refuse a grid [B, R, C] that is too short for BOS and one frame of speech, so that no sound can be in it.

    Raises:
        ValueError: the message says how many rows are needed.
    """
    needed = max(channels.pattern) + 2
    if grid.shape[1] < needed:
        raise ValueError(
            f"decoder_input_ids holds {grid.shape[1]} rows; with delays up to {needed - 2} a frame of sound needs "
            f"{needed}: generate with max_new_tokens={needed} or more."
        )


def check_channels(codec: DacModel, channels: Channels) -> None:
    """Refuse a codec that does not fit the grid's channels.

    Raises:
        ValueError: it has another number of codebooks, or a special id is one of its codes.
    """
    books, size = codec.config.n_codebooks, codec.config.codebook_size
    if books != len(channels.pattern):
        raise ValueError(
            f"audio_tokenizer has {books} codebooks, but delay_pattern has {len(channels.pattern)} delays. Pass the "
            "delay_pattern of the model, or use the codec that it was made with."
        )
    if channels.eos < size:
        raise ValueError(f"eos_token_id={channels.eos} is a code of the codec, whose codes end at {size}.")


def is_codes(clip: Any, channels: Channels) -> bool:
    """Whether a clip is codes [T, C]. No PCM has 64 bits, so int64 can only mean codes."""
    return isinstance(clip, Tensor) and clip.dtype == torch.int64 and clip.shape[1:] == (len(channels.pattern),)


def _prompt_rows(audio_prompt_len: int | Sequence[int] | Tensor | None, rows: int) -> list[int]:
    given = audio_prompt_len.tolist() if isinstance(audio_prompt_len, Tensor) else audio_prompt_len
    starts: list[Any] = list(given) if isinstance(given, Sequence) else [given or 0] * rows
    if len(starts) != rows:
        raise ValueError(f"audio_prompt_len holds {len(starts)} lengths for {rows} rows; give one, or one for each.")
    for start in starts:
        if not isinstance(start, int) or start < 0:
            raise ValueError(f"audio_prompt_len is {start!r}; expected rows, 0 or more.")
    return starts


def _spoken_frames(frames: Tensor, start: int, channels: Channels) -> Tensor:
    """What is spoken in one row's frames [T, C], from frame `start` on."""
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
    "check_room",
    "checked_pattern",
    "is_codes",
    "labels_of",
    "prefill",
    "spoken",
    "training_pair",
]
