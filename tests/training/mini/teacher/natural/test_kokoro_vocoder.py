"""The vocoder of Kokoro: its parts against plain arithmetic. The whole needs the teacher's packages."""

import numpy as np
import torch

from dia.training.mini.teacher.natural.teachers.kokoro_vocoder import (
    _Block,
    _columns,
    _Convolution,
    inverse_transform,
    normalized_snake,
)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def normalized(x, scale, shift, alpha):
    y = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + 1e-5).sqrt() * scale + shift
    return y + torch.sin(alpha * y) ** 2 / alpha


def test_the_activation_normalizes_over_time_and_adds_a_squared_sine():
    x = 3 + 2 * noise(1, 4, 1, 50)
    scale, shift, alpha = 1 + noise(1, 4, 1, 1, seed=1), noise(1, 4, 1, 1, seed=2), torch.full((1, 4, 1, 1), 0.7)
    made = normalized_snake(x, scale, shift, alpha)
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made.float(), normalized(x, scale, shift, alpha), atol=0.02, rtol=0.01)


def test_the_transform_is_the_inverse_of_one_with_the_same_window():
    waveform = torch.from_numpy(np.sin(np.arange(200) * 0.3).astype(np.float32))
    spectrum = torch.stft(waveform, 20, 5, window=torch.hann_window(20), return_complex=True)[None]
    torch.testing.assert_close(inverse_transform(spectrum.abs(), spectrum.angle()), waveform, atol=1e-5, rtol=0)


def test_a_block_adds_pairs_of_convolutions_whose_scales_come_from_the_style():
    weights = [noise(2, 2, 1, 3, seed=seed) for seed in (1, 2)]
    alphas = [torch.full((1, 2, 1, 1), alpha) for alpha in (0.5, 2.0)]
    convolutions = [_Convolution(weight, torch.tensor([0.1, -0.2]), 1, 1, 1) for weight in weights]
    block = _Block(convolutions, alphas, noise(3, 8, seed=3), noise(8, seed=4))
    x, style = _columns(noise(1, 2, 30, seed=5)), noise(1, 3, seed=6)
    modulation = (style @ block.weight + block.bias)[0]
    y = x
    for number, (weight, alpha) in enumerate(zip(weights, alphas, strict=True)):
        scale, shift = (modulation[4 * number + at : 4 * number + at + 2].view(1, 2, 1, 1) for at in (0, 2))
        y = torch.nn.functional.conv1d(
            normalized(y, 1 + scale, shift, alpha)[:, :, 0], weight[:, :, 0], torch.tensor([0.1, -0.2]), padding=1
        )[:, :, None]
    torch.testing.assert_close(block(x, style, normalized), x + y, atol=1e-5, rtol=1e-4)


def test_columns_hold_the_channels_of_a_step_side_by_side():
    x = noise(1, 3, 5)
    columns = _columns(x)
    assert torch.equal(columns[:, :, 0], x)
    assert columns.stride() == (15, 1, 15, 3)
