"""The delay pattern, tested with the grid of its docstring."""

import pytest
import torch

from dia.decoding.delay import delay, last_end, shift, shift_indices, undelay

B, P = 90, 99  # BOS and PAD


def test_delay_gives_the_grid_of_its_docstring():
    frames = torch.tensor([[[10, 20, 30], [11, 21, 31]]])
    assert delay(frames, [0, 1, 2], B, P)[0].tolist() == [
        [10, B, B],
        [11, 20, B],
        [P, 21, 30],
        [P, P, 31],
    ]


def test_undelay_keeps_complete_frames():
    grid = torch.tensor([[[10, B, B], [11, 20, B], [12, 21, 30]]])
    assert undelay(grid, [0, 1, 2])[0].tolist() == [[10, 20, 30]]


@pytest.mark.parametrize("pattern", [[0, 1, 2], [0, 0, 0], [0, 8, 3], [2, 0, 1]])
@pytest.mark.parametrize("frames", [0, 1, 7])
def test_undelay_is_the_inverse_of_delay(pattern, frames):
    codes = torch.randint(0, 50, (2, frames, 3))
    grid = delay(codes, pattern, B, P)
    assert grid.shape == (2, frames + max(pattern), 3)
    assert torch.equal(undelay(grid, pattern), codes)


def test_a_grid_shorter_than_its_delay_has_no_frames():
    assert undelay(torch.zeros(2, 3, 3, dtype=torch.long), [0, 4, 5]).shape == (2, 0, 3)


@pytest.mark.parametrize(
    ("codes", "pattern", "message"),
    [
        (torch.zeros(4, 3), [0, 1, 2], "expected \\[batch, frames, channels\\]"),
        (torch.zeros(1, 4, 3), [0, 1], "3 channels, but the delay pattern is"),
        (torch.zeros(1, 4, 2), [0, -1], "negative delay"),
    ],
)
@pytest.mark.parametrize("function", [lambda x, pattern: delay(x, pattern, B, P), undelay])
def test_invalid_shapes_and_patterns_are_refused(function, codes, pattern, message):
    with pytest.raises(ValueError, match=message):
        function(codes, pattern)


def test_shift_delays_a_grid_and_revert_undoes_it():
    grid = torch.tensor([[[10, 20, 30], [11, 21, 31], [12, 22, 32]]])
    down = shift(grid, shift_indices(1, 3, 3, [0, 1, 2], revert=False), B, P)
    assert down[0].tolist() == [
        [10, B, B],
        [11, 20, B],
        [12, 21, 30],
    ]
    up = shift(down, shift_indices(1, 3, 3, [0, 1, 2], revert=True), B, P)
    assert up[0].tolist() == [
        [10, 20, 30],
        [11, 21, P],
        [12, P, P],
    ]


def test_indices_are_the_source_of_every_cell():
    rows, cells = shift_indices(2, 3, 2, [0, 2], revert=False)
    assert rows.tolist() == [[[0, -2], [1, -1], [2, 0]]] * 2
    assert cells.reshape(2, 3, 2, 3)[1].tolist() == [
        [[1, 0, 0], [1, 0, 1]],
        [[1, 1, 0], [1, 0, 1]],
        [[1, 2, 0], [1, 0, 1]],
    ]
    assert (rows.dtype, cells.dtype) == (torch.int32, torch.int64)


@pytest.mark.parametrize(
    ("rows", "given", "end"),
    [(10, 1, 6), (5, 1, 1), (4, 1, 4), (2, 1, 2), (10, 6, 6), (10, 7, 10)],
    ids=["in time", "at once", "too late by a row", "far too late", "at once after a prompt", "after a longer prompt"],
)
def test_channel_0_ends_where_the_last_channel_can_still_end(rows, given, end):
    assert last_end(rows, given, 3) == end
