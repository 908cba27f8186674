"""Training the speaker encoder: it distinguishes voices left out of training, with all their copies."""

import random

import pytest
import torch

from dia.training.mini.speaker_training import SpeakerTrainer, divided

CODES, CHANNELS = 16, 2


def voices(count, clips=4, frames=80):
    """Voices whose codes are near a number of their own, different in each channel."""
    noise = torch.Generator().manual_seed(0)
    found = {}
    for voice in range(count):
        centre = torch.rand(CHANNELS, generator=noise) * (CODES - 4)
        found[f"v{voice}"] = [
            (centre + 4 * torch.rand(frames, CHANNELS, generator=noise)).long() for _ in range(clips)
        ]
    return found


@pytest.fixture(scope="module")
def trainer():
    return SpeakerTrainer(voices(160), CODES, dimensions=4, levels=8)


def test_voices_left_out_are_distinguished_after_training(trainer):
    before = trainer.own_of_nine()
    for _ in range(40):
        loss = trainer.loss(trainer.rng.sample(trainer.learned, 32))
        trainer.optimizer.zero_grad()
        loss.backward()
        trainer.optimizer.step()
    assert len(trainer.left_out) == 10
    assert trainer.own_of_nine() > max(0.5, before)  # a ninth by chance


def test_measuring_repeats_and_does_not_change_what_is_drawn_next(trainer):
    state = trainer.rng.getstate()
    assert trainer.own_of_nine() == trainer.own_of_nine()
    assert trainer.rng.getstate() == state


def test_a_voice_is_left_out_with_all_its_copies():
    names = [f"v{number}{copy}" for number in range(32) for copy in ("", "*0.9/1", "*1.1/1")]
    learned, left_out = divided({name: [] for name in names}, random.Random(0))
    assert sorted(learned + left_out) == sorted(names)
    assert len(left_out) == 2 * 3
    assert len({name.partition("*")[0] for name in left_out}) == 2
