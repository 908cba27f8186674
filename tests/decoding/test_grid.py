"""The decoder's grid: building it from prompts, and extracting the generated frames."""

import pytest
import torch

from dia.decoding.grid import Channels, as_grid, prefill, spoken, training_pair

B, E, P = 991, 990, 992
CHANNELS = Channels([0, 1, 2], bos=B, eos=E, pad=P)


def clip(frames, first=0):
    return torch.arange(first, first + frames)[:, None] * 10 + torch.arange(3)


def test_without_a_prompt_the_grid_is_bos_and_pad():
    grid, mask = prefill([None], 0, CHANNELS, closed=False)
    assert grid[0].tolist() == [[B, B, B], [P, B, B], [P, P, B]]
    assert mask.tolist() == [[1, 1, 1]]


def test_shorter_prompts_are_padded_with_bos_on_the_left():
    grid, mask = prefill([clip(2), None, clip(1)], 0, CHANNELS, closed=False)
    assert grid[0].tolist() == [[B, B, B], [0, B, B], [10, 1, B], [P, 11, 2], [P, P, 12]]
    assert grid[1].tolist() == [[B, B, B], [B, B, B], [B, B, B], [P, B, B], [P, P, B]]
    assert grid[2, :, 0].tolist() == [B, B, 0, P, P]
    assert mask.tolist() == [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 1, 1, 1, 1]]


def test_for_training_clips_end_with_eos_and_each_row_predicts_the_next():
    grid, mask = prefill([clip(2)], 0, CHANNELS, closed=True)
    assert grid[0].tolist() == [[B, B, B], [0, B, B], [10, 1, B], [E, 11, 2], [P, E, 12], [P, P, E]]
    pair = training_pair(grid, mask, CHANNELS)
    assert pair["labels"].tolist() == [[0, 10, E, -100, -100], [-100, 1, 11, E, -100], [-100, -100, 2, 12, E]]
    assert pair["decoder_input_ids"].shape == (1, 5, 3)
    assert pair["decoder_attention_mask"].shape == (1, 5)


def test_frames_laid_out_in_a_grid_are_restored():
    clips = [clip(4), clip(1, 5), None, clip(7)]
    for closed in (False, True):
        grid, _ = prefill(clips, 0, CHANNELS, closed)
        codes = spoken(grid, None, CHANNELS)
        assert [len(frames) for frames in codes] == [4, 1, 0, 7]
        assert torch.equal(codes[3], clip(7))


def test_no_frame_is_dropped_without_an_eos():
    grid, _ = prefill([clip(5)], 0, CHANNELS, closed=False)
    assert torch.equal(spoken(grid, None, CHANNELS)[0], clip(5))


def test_a_grid_cut_off_gives_every_complete_frame():
    grid, _ = prefill([clip(9)], 0, CHANNELS, closed=True)
    # 8 rows: BOS, seven rows of channel 0, of which channel 2 has the first five.
    assert torch.equal(spoken(grid[:, :8], None, CHANNELS)[0], clip(5))
    assert [len(spoken(grid[:, :rows], None, CHANNELS)[0]) for rows in range(13)] == [
        0,
        0,
        0,
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
    ]


def test_each_clip_ends_at_its_own_end():
    short, _ = prefill([clip(2)], 0, CHANNELS, closed=True)
    long, _ = prefill([clip(6)], 0, CHANNELS, closed=True)
    filled = torch.full_like(long, P)
    filled[:, : short.shape[1]] = short
    assert [len(frames) for frames in spoken(torch.cat([filled, long]), None, CHANNELS)] == [2, 6]


@pytest.mark.parametrize("lengths", [[3, 5], (3, 5), torch.tensor([3, 5])])
def test_each_clip_can_have_its_own_prompt_length(lengths):
    grid, _ = prefill([clip(6), clip(6)], 0, CHANNELS, closed=True)
    codes = spoken(grid, lengths, CHANNELS)
    assert torch.equal(codes[0], clip(6)[2:])
    assert torch.equal(codes[1], clip(6)[4:])


def test_a_prompt_as_long_as_the_grid_leaves_no_frames():
    grid, _ = prefill([clip(3)], 0, CHANNELS, closed=True)
    assert spoken(grid, 50, CHANNELS)[0].shape == (0, 3)


def test_only_the_delay_is_trimmed():
    grid, _ = prefill([clip(40)], 0, CHANNELS, closed=False)
    assert grid.shape[1] == 1 + 40 + max(CHANNELS.pattern)
    assert len(spoken(grid, 1, CHANNELS)[0]) == 40


@pytest.mark.parametrize(
    ("length", "message"), [(-1, "audio_prompt_len is -1"), ([1, 2], "2 lengths for 1 grids"), ([1.5], "1.5")]
)
def test_invalid_prompt_lengths_are_refused(length, message):
    grid, _ = prefill([clip(3)], 0, CHANNELS, closed=True)
    with pytest.raises(ValueError, match=message):
        spoken(grid, length, CHANNELS)


@pytest.mark.parametrize(
    ("grid", "error"),
    [([[1, 2]], TypeError), (torch.zeros(2, 3, 3), ValueError), (torch.zeros(3, dtype=torch.long), ValueError)],
)
def test_invalid_grids_are_refused_by_name(grid, error):
    with pytest.raises(error, match="decoder_input_ids is"):
        as_grid(grid)
