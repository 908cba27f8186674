"""The kernel that chooses and writes ids: what the sampler computes in PyTorch, for every kind of sampler."""

import itertools
import math

import pytest
import torch

from dia.decoding.step.sampler import Numbers, Sampler, kind_of
from dia.kernels.row import RowWriter, kinds_of, load, slots_of

pytestmark = pytest.mark.skipif(load() is None, reason="no C compiler")

SLOTS, CHANNELS, ROWS, SIZE, EOS, PAD = 6, 3, 20, 64, 60, 61
KINDS = [
    Sampler(EOS, sample, guidance, candidates, top_k=top_k, top_p=top_p)
    for sample, (guidance, candidates), top_k, top_p in itertools.product(
        (True, False), ((None, None), (2.0, None), (2.0, 30)), (None, 7), (None, 0.8)
    )
]


class Written:
    """A state of six slots at row 5 and its writer."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.ids = torch.full((SLOTS, CHANNELS, ROWS), PAD)
        self.forced = self.ids.clone()
        self.numbers = Numbers.of(SLOTS, torch.device("cpu"))
        self.keys = torch.randint(2**60, (SLOTS,), generator=generator)
        whole = torch.tensor([5, 1, 15, 2])[:, None].expand(4, SLOTS).contiguous()
        self.row, self.live, self.last_end, self.first_row = whole
        self.ended, self.finite = torch.zeros(SLOTS, CHANNELS, dtype=torch.bool), torch.zeros(SLOTS, dtype=torch.bool)
        state = {name: value for name, value in vars(self).items() if name != "numbers"}
        numbers = self.numbers
        state |= {"guidance": numbers.guidance, "temperature": numbers.temperature, "excluded": numbers.excluded}
        state |= {"shortest": numbers.rows, "delays": torch.tensor([0, 2, 3])}
        sizes = {"channels": CHANNELS, "rows": ROWS, "size": SIZE, "eos": EOS, "pad": PAD}
        self.writer = RowWriter(state, sizes, load())

    def write(self, logits: torch.Tensor, sampler: Sampler) -> torch.Tensor:
        """The ids [B, C] that are written from logits [B, halves, C, V]."""
        for slot in range(SLOTS):
            self.numbers.set(slot, sampler)
        self.writer(logits.flatten(2), slots_of(range(SLOTS)), kinds_of([kind_of(sampler)] * SLOTS))
        return self.ids[torch.arange(SLOTS), :, self.row - 1]


def random_logits(seed: int) -> torch.Tensor:
    return 3 * torch.randn(SLOTS, 2, CHANNELS, SIZE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sampler", KINDS, ids=str)
def test_draws_what_the_sampler_draws(sampler: Sampler) -> None:
    written = Written()
    for seed in range(8):
        logits = random_logits(seed)
        drawn_before = written.row - written.first_row
        picked = written.write(logits, sampler)
        wanted = sampler(logits, written.numbers, written.keys, drawn_before)
        ended = wanted[:, 0] == EOS  # the other channels end later
        assert torch.equal(picked, wanted)
        assert torch.equal(written.ended[:, 0], ended)
        written.ended[:] = False
        written.ids[:] = PAD


def test_a_clip_ends_channel_by_channel_and_is_padded() -> None:
    written, sampler = Written(), Sampler(EOS, sample=False)
    logits = torch.zeros(SLOTS, 1, CHANNELS, SIZE)
    logits[:, :, 0, EOS] = 5.0
    for _ in range(5):
        written.write(logits, sampler)
    assert written.ids[0, :, 5:10].tolist() == [[EOS, *[PAD] * 4], [0, 0, EOS, PAD, PAD], [0, 0, 0, EOS, PAD]]
    assert written.ended.all()


def test_forced_ids_are_written_and_the_shortest_length_is_kept() -> None:
    written, sampler = Written(), Sampler(EOS, sample=False, rows=4)
    written.forced[:, 1, 5] = 33
    logits = torch.zeros(SLOTS, 1, CHANNELS, SIZE)
    logits[:, :, 0, EOS] = 5.0
    found = [written.write(logits, sampler).clone() for _ in range(2)]
    assert found[0].tolist() == [[0, 33, 0]] * SLOTS  # three rows were drawn before
    assert found[1][:, 0].tolist() == [EOS] * SLOTS


def test_a_free_slot_keeps_its_row_and_others_their_cells() -> None:
    written = Written()
    written.live[2] = 0
    written.write(random_logits(0), KINDS[0])
    assert written.row.tolist() == [6, 6, 5, 6, 6, 6]
    assert (written.ids[:, :, 6:] == PAD).all()
    assert (written.ids[:, :, :5] == PAD).all()


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("half", [0, 1])
def test_logits_that_are_not_finite_are_reported(wrong: float, half: int) -> None:
    written, logits = Written(), random_logits(0)
    logits[3, half, 1, 7] = wrong
    ids = written.write(logits, Sampler(EOS, sample=True, guidance=2.0))
    assert written.finite.tolist() == [slot != 3 for slot in range(SLOTS)]
    assert ((ids >= 0) & (ids < SIZE)).all()
    logits = random_logits(0)
    logits[3, 1, 1, 7] = wrong
    Written.write(written, logits, Sampler(EOS, sample=True))
    assert written.finite.all()  # an unguided clip does not read the other half


def test_the_default_dtype_does_not_matter() -> None:
    logits, wanted = random_logits(0), Written().write(random_logits(0), KINDS[0])
    torch.set_default_dtype(torch.bfloat16)
    try:
        found = Written().write(logits, KINDS[0])
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found, wanted)


def test_another_dtype_is_refused() -> None:
    written = Written()
    with pytest.raises(ValueError, match="bfloat16"):
        written.writer(random_logits(0).flatten(2).bfloat16(), slots_of([0]), kinds_of([kind_of(KINDS[0])]))
