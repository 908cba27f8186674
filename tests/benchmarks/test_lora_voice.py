"""The benchmark of fine-tuning on a voice: its texts, its distance and its verdicts."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "quality"


@pytest.fixture(autouse=True)
def _benchmarks_importable(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])


def test_texts_are_of_the_vocabulary_alone_and_all_different():
    from evaluation.recognizer import words_of
    from lora_voice import texts

    words = ["i", "dog", "the", "yes", "is", "my", "house", "not", "one", "in", "saw", "and", "time", "good"]
    said = texts(words, 12, random.Random(0))
    assert len(set(said)) == 12
    assert {word for text in said for word in words_of(text)} <= set(words)


def test_the_distance_is_that_of_means_where_spreads_are_the_same():
    from lora_voice import frechet_distance

    features = np.random.default_rng(0).standard_normal((400, 3))
    assert frechet_distance(features, features[::-1]) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(features, features + np.array([3.0, 0.0, 4.0])) == pytest.approx(5)
    wider = features.mean(0) + 3 * (features - features.mean(0))
    spread = np.trace(np.cov(features, rowvar=False)) ** 0.5
    assert frechet_distance(features, wider) == pytest.approx(2 * spread)


def test_aims_are_met_by_the_voice_and_missed_by_what_has_not_moved():
    from evaluation.intervals import Figure
    from lora_voice import Heard, reached

    error = Figure(0.2, 0.1, 0.3, 10)
    voice, before = Heard(120.0, 0.0, error, [], None), Heard(170.0, 1.2, error, [], 10)
    moved = Heard(125.0, 0.4, error, [], 10)
    same = error._replace(value=0.0)
    assert all(reached({"recordings": voice, "before": before, "after": moved}, same).values())
    still = reached({"recordings": voice, "before": before, "after": before}, error._replace(value=0.06))
    assert not any(still.values())
