"""Applies the delay pattern: converts frames to the decoder's grid and back. Independent of the model."""

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
        codes: the frames, [B, T, C] integers, including BOS and EOS frames if there are any.
        pattern: delay of each channel in rows, 0 or more.
        bos: fills the rows before a channel starts.
        pad: fills the rows after a channel has ended.

    Returns:
        The grid, [B, T + max(pattern), C].

    Raises:
        ValueError: `codes` is not three-dimensional, or `pattern` does not have one delay per channel.
    """
    _check(codes, pattern, "codes")
    batch, frames, channels = codes.shape
    grid = codes.new_full((batch, frames + max(pattern), channels), pad)
    for channel, rows in enumerate(pattern):
        grid[:, :rows, channel] = bos
        grid[:, rows : rows + frames, channel] = codes[:, :, channel]
    return grid


def undelay(grid: Tensor, pattern: Sequence[int]) -> Tensor:
    """Shift every channel up by its delay; the inverse of `delay`.

    Args:
        grid: [B, R, C] integers.
        pattern: delay of each channel in rows, 0 or more.

    Returns:
        The frames with all channels inside the grid, [B, max(R - max(pattern), 0), C].

    Raises:
        ValueError: `grid` is not three-dimensional, or `pattern` does not have one delay per channel.
    """
    _check(grid, pattern, "grid")
    frames = max(grid.shape[1] - max(pattern), 0)
    return torch.stack([grid[:, rows : rows + frames, channel] for channel, rows in enumerate(pattern)], dim=-1)


def shift_indices(batch: int, rows: int, channels: int, pattern: Sequence[int], revert: bool) -> tuple[Tensor, Tensor]:
    """Source indices of each cell of a shifted grid, in a grid of the same size.

    Args:
        batch: B, number of grids.
        rows: R.
        channels: C.
        pattern: delay of each channel in rows.
        revert: shift the channels up instead of down.

    Returns:
        The source row of each cell, int32 [B, R, C], which may be outside the grid; and batch, row and channel of the
        nearest cell inside the grid, int64 [B · R · C, 3].
    """
    delays = torch.tensor(pattern, dtype=torch.int32)
    source = torch.arange(rows, dtype=torch.int32)[:, None] + (delays if revert else -delays)  # [R, C]
    cells = torch.cartesian_prod(torch.arange(batch), torch.arange(rows), torch.arange(channels)).reshape(-1, 3)
    cells[:, 1] = source.clamp(0, rows - 1).long().repeat(batch, 1, 1).flatten()
    return source.expand(batch, rows, channels), cells


def shift(grid: Tensor, indices: tuple[Tensor, Tensor], bos: int, pad: int) -> Tensor:
    """Gather cells of `grid` [B, R, C] by `shift_indices`. Source rows before the grid are `bos`, after it `pad`."""
    source, cells = (index.to(grid.device) for index in indices)
    shifted = grid[cells[:, 0], cells[:, 1], cells[:, 2]].view(grid.shape)
    return shifted.masked_fill(source < 0, bos).masked_fill(source >= grid.shape[1], pad)


def last_end(max_rows: int, prefilled: int, delay_rows: int) -> int:
    """The last row in which channel 0 can end so that all channels end inside a grid of `max_rows`.

    If that row is inside the prompt, the result is `max_rows`: no end is forced, and the grid is cut off at its limit.

    Args:
        max_rows: R.
        prefilled: number of prompt rows.
        delay_rows: the largest delay.
    """
    row = max_rows - delay_rows - 1
    return row if row >= prefilled else max_rows


def _check(codes: Tensor, pattern: Sequence[int], name: str) -> None:
    if codes.ndim != 3:
        raise ValueError(f"{name} has shape {tuple(codes.shape)}; expected [batch, frames, channels].")
    if len(pattern) != codes.shape[-1]:
        raise ValueError(f"{name} has {codes.shape[-1]} channels, but the delay pattern is {list(pattern)}.")
    if min(pattern) < 0:
        raise ValueError(f"the delay pattern {list(pattern)} has a negative delay; delays must be 0 or more.")
