"""The discriminator: its input, its losses, its training, and the losses that it gives a codec."""

import copy

import pytest
import torch
from torch import nn

from dia.training.codec.discriminator import Adversary, Discriminator, discriminator_loss, feature_loss, generator_loss
from dia.training.codec.state import read_state
from tests.training.codec.tiny_training import recipe, tones, trainer

SIZES = (128, 64)


def make_adversary(kind="hinge", **options):
    torch.manual_seed(0)
    return Adversary(kind, SIZES, **{"learning_rate": 1e-2, "width": 4, **options})


def opinion(score):
    return [(torch.full((2, 3, 4), float(score)), [torch.ones(2, 1)])]


def test_every_resolution_has_its_own_output():
    torch.manual_seed(0)
    opinions = Discriminator(SIZES, width=4)(tones(3, 640))
    assert len(opinions) == 2
    for (scores, features), size in zip(opinions, SIZES, strict=True):
        assert scores.shape == (3, 640 // (size // 4) + 1, -(-(size // 2 + 1) // 8))
        assert len(features) == 5


@pytest.mark.parametrize(
    ("kind", "real", "fake", "expected"),
    [("hinge", 1, -1, 0), ("hinge", 3, -3, 0), ("hinge", 0, 0, 2), ("least_squares", 1, 0, 0)],
)
def test_losses_of_the_discriminator_are_zero_where_it_is_right(kind, real, fake, expected):
    assert discriminator_loss(opinion(real), opinion(fake), kind) == expected


@pytest.mark.parametrize("kind", ["hinge", "least_squares"])
def test_the_codecs_loss_is_lower_for_the_scores_of_real_audio(kind):
    assert generator_loss(opinion(1), kind) < generator_loss(opinion(0), kind) < generator_loss(opinion(-1), kind)


def test_features_of_the_same_sound_agree():
    torch.manual_seed(0)
    discriminator, audio = Discriminator(SIZES, width=4), tones(2, 640)
    assert feature_loss(discriminator(audio), discriminator(audio)) == 0
    assert feature_loss(discriminator(audio), discriminator(0.5 * audio)) > 0.05


@pytest.mark.parametrize("kind", ["hinge", "least_squares"])
def test_it_learns_to_tell_noise_from_tones(kind):
    adversary, generator = make_adversary(kind), torch.Generator().manual_seed(0)
    losses = [
        adversary.learn(0.3 * torch.randn(4, 640, generator=generator), tones(4, 640, seed=step)) for step in range(20)
    ]
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])


def test_the_gradient_reaches_the_decoded_sound_alone():
    adversary, decoded = make_adversary(), nn.Parameter(tones(2, 640, seed=1))
    adversarial, features = adversary.generator_losses(decoded, tones(2, 640))
    (adversarial + features).backward()
    assert decoded.grad.isfinite().all()
    assert decoded.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in adversary.discriminator.parameters())


def test_silence_has_a_finite_gradient():
    adversary, decoded = make_adversary(), nn.Parameter(torch.zeros(2, 640))
    sum(adversary.generator_losses(decoded, torch.zeros(2, 640))).backward()
    assert decoded.grad.isfinite().all()


def test_it_resumes_from_a_saved_state():
    first, second = make_adversary(), make_adversary()
    first.learn(tones(2, 640), tones(2, 640, seed=1))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    pair = tones(2, 640, seed=2), tones(2, 640, seed=3)
    assert [first.learn(*pair) for _ in range(2)] == pytest.approx([second.learn(*pair) for _ in range(2)], 1e-4)


def test_an_unknown_loss_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(ValueError, match=r"kind is 'wasserstein'; .* hinge, least_squares"):
        make_adversary("wasserstein")


def test_a_stage_uses_it_after_its_share_and_saves_it(tmp_path):
    training = trainer(tmp_path)
    training.run(recipe("decoder", 4, discriminator="least_squares", discriminator_from=0.5))
    assert ["discriminator" in line for line in training.journal.lines()] == [False, False, True, True]
    assert read_state(tmp_path)["adversary"]["optimizer"]["state"]


def test_no_discriminator_is_made_unless_asked_for(tmp_path):
    training = trainer(tmp_path)
    training.run(recipe("decoder", 1))
    assert training.adversary is None
    assert read_state(tmp_path)["adversary"] is None
