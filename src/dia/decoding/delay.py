"""Delay pattern arithmetic: frames to the decoder's grid and back. Knows nothing of the model."""

from collections.abc import Sequence

import torch
from torch import Tensor


def delay(codes: Tensor, pattern: Sequence[int], bos: int, pad: int) -> Tensor:
    """Shift every channel down by its delay: frame t of channel c moves to row t + pattern[c].

    With pattern [0, 1, 2], `_` for BOS and `.` for PAD (time runs down, channels run right):

        a0 b0 c0        a0  _  _
        a1 b1 c1   →    a1 b0  _
                         . b1 c0
                         .  . c1

    Args:
        codes: [B, T, C] integers; the frames, a leading BOS frame and a closing EOS frame included if there are any.
        pattern: one delay in rows per channel, none negative.
        bos: fills the rows before a channel begins.
        pad: fills the rows after a channel has ended.

    Returns:
        The grid, [B, T + max(pattern), C].

    Raises:
        ValueError: `codes` is not three-dimensional or `pattern` does not give one delay per channel.
    """
    _check(codes, pattern, "codes")
    batch, frames, channels = codes.shape
    grid = codes.new_full((batch, frames + max(pattern), channels), pad)
    for channel, rows in enumerate(pattern):
        grid[:, :rows, channel] = bos
        grid[:, rows : rows + frames, channel] = codes[:, :, channel]
    return grid


def undelay(grid: Tensor, pattern: Sequence[int]) -> Tensor:
    """Lift every channel up by its delay; the inverse of `delay`.

    Args:
        grid: [B, R, C] integers.
        pattern: one delay in rows per channel, none negative.

    Returns:
        The frames whose every channel lies inside the grid, [B, max(R - max(pattern), 0), C].

    Raises:
        ValueError: `grid` is not three-dimensional or `pattern` does not give one delay per channel.
    """
    _check(grid, pattern, "grid")
    frames = max(grid.shape[1] - max(pattern), 0)
    return torch.stack([grid[:, rows : rows + frames, channel] for channel, rows in enumerate(pattern)], dim=-1)


def last_end(max_rows: int, prefilled: int, delay_rows: int) -> int:
    """The row in which channel 0 must end for the last channel to end inside a grid of `max_rows`.

    Where the prompt leaves no room for that, no row is: the grid is cut off at its limit.

    Args:
        max_rows: R.
        prefilled: rows that are given.
        delay_rows: the largest delay.
    """
    row = max_rows - delay_rows - 1
    return row if row >= prefilled else max_rows


def _check(codes: Tensor, pattern: Sequence[int], name: str) -> None:
    if codes.ndim != 3:
        raise ValueError(f"{name} has shape {tuple(codes.shape)}; expected [batch, frames, channels].")
    if len(pattern) != codes.shape[-1]:
        raise ValueError(f"{name} has {codes.shape[-1]} channels, the delay pattern {len(pattern)}: {list(pattern)}.")
    if min(pattern) < 0:
        raise ValueError(f"the delay pattern {list(pattern)} holds a negative delay.")
