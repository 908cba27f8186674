"""The kernel of a codec's stages equals PyTorch's operations, in pieces of any size, and refuses other rows."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from dia.kernels import codec as codec_file
from dia.kernels import compile as compiling
from dia.kernels.codec import ClipState, Kernel, StageWeights
from dia.kernels.sources import AVX512_FLAGS, PLAIN_FLAGS
from dia.runtime.resources.processor import has_amx, has_avx512

pytestmark = pytest.mark.skipif(codec_file._load() is None, reason="no kernel on this machine")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def weights(outputs: int, inputs: int, taps: int) -> tuple[Tensor, Tensor]:
    return torch.randn(outputs, inputs, taps) / (inputs * taps) ** 0.5, torch.randn(outputs)


def stages(width: int, columns: int) -> list[StageWeights]:
    """A convolution, a doubling of rows, a residual unit, and the samples."""
    slope = torch.linspace(0.5, 2, width)
    unit = StageWeights(
        *weights(width, width, 7), width, 9, 18, dilation=3, slope=slope, narrow=weights(width, width, 1)
    )
    up = StageWeights(*weights(2 * width, width, 2), width, 1, 1, crop=1, slope=slope)
    return [StageWeights(*weights(width, columns, 7), width), up, unit, StageWeights(*weights(1, width, 7), 1)]


def snaked(rows: Tensor, slope: Tensor | None = None) -> Tensor:
    turned = rows if slope is None else rows * slope
    return turned + turned.sin() ** 2


def convolved(rows: Tensor, weight: Tensor, bias: Tensor, dilation: int = 1) -> Tensor:
    return conv1d(rows.T[None], weight.double(), bias.double(), dilation=dilation)[0].T


def exact(made: list[StageWeights], rows: Tensor) -> Tensor:
    """The samples of a whole clip in double precision."""
    rows = rows.double()
    for stage in made:
        rows = pad(rows, (0, 0, stage.around, stage.around))
        inner = rows if stage.slope is None else snaked(rows, stage.slope)
        found = convolved(inner, stage.weight, stage.bias, stage.dilation)
        if stage.narrow is not None:
            found = rows[stage.around : -stage.around] + convolved(snaked(found), *stage.narrow)
        rows = found.reshape(-1, stage.width)
        rows = rows[stage.crop : len(rows) - stage.crop]
    return rows[:, 0]


def decoded(kernel: Kernel, rows: Tensor, size: int) -> Tensor:
    state, pieces = ClipState(kernel), rows.split(size)
    return torch.cat([state.push(piece, at == len(pieces) - 1) for at, piece in enumerate(pieces)])


# The third has more inputs than are read at once, and outputs in several panels.
@pytest.mark.parametrize(("width", "columns", "count"), [(3, 2, 1), (16, 5, 70), (17, 1100, 9), (40, 24, 130)])
@pytest.mark.parametrize("size", [1, 5, 48, 1000])
def test_pieces_of_any_size_give_the_samples_of_pytorch_with_the_same_bits(width, columns, count, size):
    made, rows = stages(width, columns), torch.randn(count, columns)
    kernel = Kernel(made)
    whole = decoded(kernel, rows, count)
    torch.testing.assert_close(whole.double(), exact(made, rows), rtol=1e-4, atol=1e-4)
    assert torch.equal(decoded(kernel, rows, size), whole)


def compiled_for(flags, monkeypatch):
    """Use the library of these flags."""
    monkeypatch.setattr(compiling, "tiled_flags", lambda: (flags,))
    library = codec_file._load.__wrapped__()
    monkeypatch.setattr(codec_file, "_load", lambda: library)
    return library


@pytest.mark.skipif(not has_avx512(), reason="the CPU has no AVX-512")
def test_wider_vectors_change_no_bit(monkeypatch):
    made, rows, found = stages(40, 24), torch.randn(130, 24), []
    for flags, lanes in ((AVX512_FLAGS, 16), (PLAIN_FLAGS, 8)):
        with monkeypatch.context() as patch:
            assert compiled_for(flags, patch).lanes() == lanes
            found.append(decoded(Kernel(made), rows, 48))
    assert torch.equal(*found)


@pytest.mark.skipif(not has_amx(), reason="the CPU has no AMX")
@pytest.mark.parametrize(("width", "columns", "count"), [(3, 2, 1), (16, 5, 70), (17, 1100, 9), (70, 24, 130)])
def test_split_products_are_almost_those_of_float32(width, columns, count, monkeypatch):
    made, rows = stages(width, columns), torch.randn(count, columns)
    assert codec_file._load().tiled()
    found = decoded(Kernel(made), rows, 48).double()
    assert not compiled_for(AVX512_FLAGS, monkeypatch).tiled()
    wanted = decoded(Kernel(made), rows, 48).double()
    assert (found - wanted).norm() < 2e-5 * wanted.norm()


def test_a_number_that_is_none_stays_none_where_it_is_heard():
    rows = torch.randn(90, 24)
    rows[60, 3] = torch.nan
    found = decoded(Kernel(stages(40, 24)), rows, 48)
    assert found[:100].isfinite().all()
    assert found[115:125].isnan().all()


def test_threads_give_the_same_bits():
    kernel, rows = Kernel(stages(40, 24)), torch.randn(130, 24)
    threads = torch.get_num_threads()
    try:
        found = []
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(decoded(kernel, rows, 40))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_default_dtype_does_not_matter(dtype):
    kernel, rows = Kernel(stages(8, 4)), torch.randn(30, 4)
    wanted = decoded(kernel, rows, 7)
    torch.set_default_dtype(dtype)
    try:
        found = decoded(kernel, rows, 7)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found, wanted)


def test_two_clips_of_a_kernel_do_not_disturb_each_other():
    kernel, clips = Kernel(stages(8, 4)), torch.randn(2, 60, 4)
    alone = [decoded(kernel, clip, 20) for clip in clips]
    states = [ClipState(kernel) for _ in clips]
    pairs = list(zip(states, clips, strict=True))
    parts = [[state.push(clip[at : at + 20], at == 40) for state, clip in pairs] for at in (0, 20, 40)]
    for number, wanted in enumerate(alone):
        assert torch.equal(torch.cat([part[number] for part in parts]), wanted)


def test_a_kernel_keeps_its_own_weights():
    made, rows = stages(8, 4), torch.randn(30, 4)
    kernel = Kernel(made)
    before = decoded(kernel, rows, 30)
    for stage in made:
        stage.weight.zero_()
    assert torch.equal(decoded(kernel, rows, 30), before)


def test_rows_with_gaps_are_supported():
    kernel, rows = Kernel(stages(8, 4)), torch.randn(30, 8)
    assert torch.equal(decoded(kernel, rows[:, ::2], 30), decoded(kernel, rows[:, ::2].contiguous(), 30))


@pytest.mark.parametrize(
    "change",
    [lambda rows: rows.double(), lambda rows: rows[:, :3], lambda rows: rows[None], lambda rows: rows.to("meta")],
    ids=["dtype", "columns", "dimensions", "device"],
)
def test_rows_that_the_kernel_would_misread_are_refused(change):
    with pytest.raises(ValueError, match="the kernel needs float32"):
        ClipState(Kernel(stages(8, 4))).push(change(torch.randn(30, 4)), True)


def test_stages_with_more_silence_than_they_keep_are_refused():
    with pytest.raises(ValueError, match="more rows of silence"):
        Kernel([StageWeights(*weights(1, 4, 7), 1, around=7)])
