"""Batches for the embedded codec: excerpts of the corpus, varied, repeatable, and which ones are held out."""

import numpy as np
import pytest
import torch

from dia.training.mini.speech_batches import heldout_probe, speech_batches, varied
from dia.training.mini.teacher.natural.corpus import Studio, build, read_shard, shard_numbers
from dia.training.mini.teacher.natural.plan import Recipe, Role
from dia.training.mini.teacher.natural.texts.mixture import Text
from tests.training.mini.teacher.natural.conftest import Humming

RATE = 16_000
RECIPE = Recipe(rate=24_000, shard_clips=8, roles=(Role("S1", "hum", "low", 1.0),))


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    words = [f"{'abcdefghij'[number // 10]}{'klmnopqrst'[number % 10]}" for number in range(100)]
    texts = [Text(f"Word {word}.", f"Word {word}.", "prose") for word in words]
    build(folder, RECIPE, texts, 100, Studio(lambda name: Humming()))
    return folder


def test_batches_hold_excerpts_at_the_rate_of_the_codec(speech):
    batch = next(speech_batches(speech, 8000, RATE, 16))
    assert (batch.shape, batch.dtype) == ((16, 8000), torch.float32)
    loudest = batch.abs().amax(1)
    assert 0 < loudest.min() <= loudest.max() <= 1
    assert len({round(float(level), 4) for level in loudest}) > 8


def test_batches_depend_on_the_seed_alone(speech):
    assert torch.equal(next(speech_batches(speech, 8000, RATE, 4, 3)), next(speech_batches(speech, 8000, RATE, 4, 3)))
    assert not torch.equal(
        next(speech_batches(speech, 8000, RATE, 4, 3)), next(speech_batches(speech, 8000, RATE, 4, 4))
    )


def test_batches_without_speech_name_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"contains no speech. Run python -m dia.training.mini --stages speech first"):
        next(speech_batches(tmp_path, 4000, RATE, 8))


def test_a_variation_keeps_level_and_pitch_within_bounds():
    tone = (0.5 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)).astype(np.float32)
    pitches = set()
    for seed in range(60):
        clip = varied(tone, RATE, np.random.default_rng(seed))
        assert clip.dtype == np.float32
        assert np.isfinite(clip).all()
        assert 0.05 < np.abs(clip).max() <= 1.0
        assert RATE / 1.23 <= len(clip) <= RATE / 0.81
        pitches.add(round(np.abs(np.fft.rfft(clip * np.hanning(len(clip)), 4 * RATE)).argmax() / 4, -1))
    assert min(pitches) >= 160
    assert max(pitches) <= 250
    assert len(pitches) > 4


def test_the_probe_holds_clips_that_are_never_trained_on(speech):
    heldout = [
        clip for n in shard_numbers(speech) for clip in read_shard(speech, n) if clip.line["split"] == "heldout"
    ]
    count = min(2, len(heldout))
    assert count
    assert heldout_probe(speech, 4000, RATE, count).audio.shape == (count, 4000)
    with pytest.raises(
        ValueError, match=rf"contains {len(heldout)} held-out clips; 1000 are needed. Make more clips."
    ):
        heldout_probe(speech, 4000, RATE, 1000)
