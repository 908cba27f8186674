"""The convolution kernel equals PyTorch's, gives the same bits in pieces, and refuses what it cannot read."""

import pytest
import torch
from torch import nn

from dia.kernels import convolution as convolution_file
from dia.kernels.convolution import Convolution

if convolution_file._load() is None:
    pytest.skip("no kernel on this machine", allow_module_level=True)

# inputs, outputs, taps, dilation, rows, batch
SIZES = [
    (1, 1, 1, 1, 1, 1),
    (3, 5, 3, 2, 7, 2),
    (16, 16, 7, 9, 130, 1),
    (65, 40, 7, 1, 9, 3),
    (24, 1, 7, 1, 50, 2),
    (8, 4, 2, 1, 5, 1),
    (1100, 17, 2, 1, 8, 1),
    (300, 33, 7, 3, 70, 1),
]


def of(inputs, outputs, taps, dilation, rows, batch):
    noise = torch.Generator().manual_seed(inputs + outputs)
    weight = torch.randn(outputs, inputs, taps, generator=noise) / (inputs * taps) ** 0.5
    bias = torch.randn(outputs, generator=noise)
    x = torch.randn(batch, rows + (taps - 1) * dilation, inputs, generator=noise)
    exact = nn.functional.conv1d(x.double().transpose(1, 2), weight.double(), bias.double(), dilation=dilation)
    return Convolution(weight, bias, dilation), x, exact.transpose(1, 2)


@pytest.mark.parametrize("size", SIZES)
def test_the_result_is_that_of_pytorch(size):
    convolution, x, exact = of(*size)
    torch.testing.assert_close(convolution(x).double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_the_result_is_added_to_a_stream(size):
    convolution, x, exact = of(*size)
    longer = torch.randn(
        exact.shape[0], exact.shape[1] + 4, exact.shape[2], generator=torch.Generator().manual_seed(1)
    )
    stream, before = longer[:, 2:-2], longer.clone()
    assert convolution.added_to(stream, x) is stream
    torch.testing.assert_close(stream.double(), before[:, 2:-2].double() + exact, rtol=1e-5, atol=1e-5)
    assert torch.equal(longer[:, :2], before[:, :2])
    assert torch.equal(longer[:, -2:], before[:, -2:])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [1, 5, 48, 64])
def test_pieces_clips_and_threads_give_the_same_bits(size, piece):
    convolution, x, _ = of(*size)
    whole = convolution(x)
    starts = range(0, whole.shape[1], piece)
    torch.set_num_threads(2)
    parts = [convolution(x[:, at : at + piece + convolution.span]) for at in starts]
    assert torch.equal(torch.cat(parts, 1), whole)
    assert all(torch.equal(convolution(clip[None]), alone[None]) for clip, alone in zip(x, whole, strict=True))


def test_as_many_rows_as_taps_reach_give_no_result():
    convolution, x, _ = of(3, 5, 3, 2, 7, 1)
    assert convolution(x[:, :4]).shape == (1, 0, 5)


@pytest.mark.parametrize(
    "change",
    [lambda x: x.double(), lambda x: x[:, :3], lambda x: x[..., :2], lambda x: x.to("meta")],
    ids=["dtype", "too short", "channels", "device"],
)
def test_rows_that_the_kernel_cannot_read_are_refused(change):
    convolution, x, _ = of(3, 5, 3, 2, 7, 1)
    with pytest.raises(ValueError, match="the kernel needs float32"):
        convolution(change(x))


def test_a_stream_that_the_kernel_cannot_write_is_refused():
    convolution, x, _ = of(3, 5, 3, 2, 7, 1)
    for stream in (torch.zeros(1, 6, 5), torch.zeros(1, 7, 10)[..., ::2], torch.zeros(2, 7, 5)):
        with pytest.raises(ValueError, match="stream is"):
            convolution.added_to(stream, x)


def test_rows_with_gaps_are_supported():
    convolution, x, exact = of(16, 16, 7, 9, 130, 1)
    wide = torch.cat([x, x], -1)[..., :16]
    torch.testing.assert_close(convolution(wide).double(), exact, rtol=1e-5, atol=1e-5)
