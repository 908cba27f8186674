"""Noise depends on its counters alone, and is distributed as exponential noise."""

import pytest
import torch

from dia.decoding.noise import clip_keys, exponential

IDS = torch.arange(100).expand(2, 3, 100)
KEYS = torch.tensor([1, 2])


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_the_generator_behind_it_is_splitmix64():
    """The first outputs for the seed 1234567, as published with the generator."""
    published = (6457827717110365317, 3203168211198807973, 9817491932198370423)
    for number, expected in enumerate(published):
        noise = exponential(torch.tensor([1234567]), 0, torch.tensor([[[number + 1]]]), 1 << 20)
        uniform = ((expected >> 41) + 0.5) * 2.0**-23
        assert noise.item() == pytest.approx(-torch.tensor(uniform, dtype=torch.float64).log().item(), rel=1e-6)


def test_noise_depends_on_key_row_channel_and_id_alone():
    noise = exponential(KEYS, 7, IDS, 100)
    assert torch.equal(exponential(KEYS[1:], 7, IDS[1:], 100), noise[1:])
    assert torch.equal(exponential(KEYS, torch.tensor([7]), IDS, 100), noise)
    assert torch.equal(exponential(KEYS, torch.tensor([3, 7]), IDS, 100)[1], noise[1])
    shuffled = torch.randperm(100, generator=seeded(0))
    assert torch.equal(exponential(KEYS, 7, IDS[..., shuffled], 100), noise[..., shuffled])
    assert len(noise.unique()) > 0.99 * noise.numel()
    assert not torch.isin(exponential(KEYS, 8, IDS, 100), noise).any()


def test_noise_is_exponential():
    noise = torch.cat([exponential(KEYS, row, IDS, 100).flatten() for row in range(400)]).double()
    assert noise.min() > 0
    assert noise.isfinite().all()
    assert noise.mean() == pytest.approx(1.0, abs=0.01)
    assert noise.var() == pytest.approx(1.0, abs=0.03)
    shares = (noise[:, None] < torch.tensor([0.01, 0.1, 0.7, 3.0])).double().mean(0)
    torch.testing.assert_close(shares, 1 - (-torch.tensor([0.01, 0.1, 0.7, 3.0]).double()).exp(), atol=0.003, rtol=0)


def test_the_same_generator_gives_the_same_keys():
    assert torch.equal(clip_keys(seeded(5), 3), clip_keys(seeded(5), 3))
    assert torch.equal(clip_keys([seeded(5), seeded(6)], 2)[:1], clip_keys(seeded(5), 1))
    torch.manual_seed(5)
    assert torch.equal(clip_keys(None, 3), clip_keys(seeded(5), 3))
    assert len(set(clip_keys(seeded(5), 100).tolist())) == 100


@pytest.mark.parametrize("generator", [[torch.Generator()] * 3, [1, 2], []])
def test_generators_of_the_wrong_type_or_number_are_refused(generator):
    with pytest.raises(ValueError, match=r"`generator` must be a .* or a list of 2"):
        clip_keys(generator, 2)
