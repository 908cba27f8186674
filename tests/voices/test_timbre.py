"""Timbre: what is learned from pairs of clips corrects new speech, in whole or streamed, and bad clips are errors."""

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from talking import RATE, streamed, talking

from dia.voices.timbre import CEPSTRA, MOST_PAIRS, Timbre, aligned, cepstra, learned


def recorded(spoken: np.ndarray) -> np.ndarray:
    """The same speech with another timbre: a resonance at a quarter of the rate."""
    return 0.5 * lfilter([1.0], [1.0, 0.0, 0.6], spoken).astype(np.float32)


def spoken(hertz: float = 120.0, seconds: float = 2.0) -> np.ndarray:
    """Speech in which vowels of two kinds alternate."""
    voiced = talking(seconds, hertz)
    dark = lfilter([0.3], [1.0, -0.7], voiced).astype(np.float32)
    vowel = np.sin(2 * np.pi * 1.5 * np.arange(len(voiced)) / RATE) > 0
    return np.where(vowel, voiced, dark)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Between the mean cepstra, without the level."""
    first, second = (cepstra(clip, RATE).mean(0)[1:] for clip in (one, other))
    return float((first - second).norm())


@pytest.fixture(scope="module")
def timbre() -> Timbre:
    return learned([(spoken(hertz), recorded(spoken(hertz))) for hertz in (110.0, 120.0, 130.0)], RATE)


def test_new_speech_gets_the_timbre_of_the_recording(timbre):
    new = spoken(125.0, 3.0)
    changed = timbre(new)
    assert changed.shape == new.shape
    assert changed.dtype == np.float32
    assert distance(new, recorded(new)) > 2
    assert distance(changed, recorded(new)) < 0.3 * distance(new, recorded(new))


def test_speech_that_is_like_its_recording_stays_as_it_is():
    new = spoken(125.0)
    same = learned([(spoken(hertz), spoken(hertz)) for hertz in (110.0, 120.0)], RATE)
    np.testing.assert_allclose(same(new), new, atol=1e-4)


@pytest.mark.parametrize("size", [1, 7, 400, 5000, 10**6])
def test_a_stream_is_the_same_as_the_whole(timbre, size):
    new = spoken(125.0, 1.0 if size == 1 else 3.0)[: 6000 if size == 1 else None]
    closed: list[str] = []
    parts = list(timbre.stream(streamed(new, size, closed)))
    np.testing.assert_allclose(np.concatenate(parts), timbre(new), atol=1e-6)
    assert closed == ["closed"]
    if size == 400:
        assert len(parts) > 20  # while it comes, not at the end


def test_closing_a_stream_closes_its_source(timbre):
    closed: list[str] = []
    stream = timbre.stream(streamed(spoken(), 8000, closed))
    next(stream)
    stream.close()
    assert closed == ["closed"]


def test_silence_stays_silent_and_nothing_is_clipped(timbre):
    pause = np.zeros(RATE // 2, np.float32)
    changed = timbre(np.concatenate([pause, 4 * spoken(), pause]))
    assert not changed[: len(pause)].any()
    assert not changed[-len(pause) :].any()
    assert np.abs(changed).max() <= 1
    assert len(timbre(np.zeros(0, np.float32))) == 0
    for samples in (1, 50, 700):
        assert len(timbre(np.ones(samples, np.float32))) == samples


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
def test_any_rate_works(rate):
    new = np.interp(np.arange(rate * 2) / rate, np.arange(2 * RATE) / RATE, spoken()).astype(np.float32)
    changed = learned([(new, recorded(new))], rate)(new)
    assert len(changed) == len(new)
    assert np.isfinite(changed).all()


def test_alignment_finds_what_belongs_together():
    """One step in either sequence or in both, from the first pair to the last."""
    first = torch.tensor([[0.0], [0.0], [1.0], [5.0], [5.0], [2.0]])
    second = torch.tensor([[0.0], [1.0], [1.0], [5.0], [2.0], [2.0]])
    rows, columns = aligned(first, second)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [
        (0, 0),
        (1, 0),
        (2, 1),
        (2, 2),
        (3, 3),
        (4, 3),
        (5, 4),
        (5, 5),
    ]


def test_a_long_recording_does_not_make_it_slow():
    clips = [(spoken(hertz, 10.0), recorded(spoken(hertz, 10.0))) for hertz in (105.0, 110.0, 115.0, 120.0, 125.0)]
    clips += [(spoken(hertz, 10.0), recorded(spoken(hertz, 10.0))) for hertz in (130.0, 135.0, 140.0, 145.0)]
    assert MOST_PAIRS / 2 < len(learned(clips, RATE).spoken) <= MOST_PAIRS


@pytest.mark.parametrize("silent", [0, 1])
def test_a_silent_clip_is_an_error(silent):
    pair = [spoken(), recorded(spoken())]
    pair[silent] = np.zeros(RATE, np.float32)
    with pytest.raises(ValueError, match="a clip is silent"):
        learned([tuple(pair)], RATE)
    with pytest.raises(ValueError, match="pairs is empty"):
        learned([], RATE)


def test_values_that_do_not_belong_together_are_errors(timbre):
    with pytest.raises(ValueError, match="has shapes"):
        Timbre(timbre.spoken[1:], timbre.scale, timbre.change, RATE)
    with pytest.raises(ValueError, match="has shapes"):
        Timbre(timbre.spoken[:0], timbre.scale, timbre.change[:0], RATE)
    with pytest.raises(ValueError, match="not finite"):
        Timbre(timbre.spoken, timbre.scale * torch.nan, timbre.change, RATE)
    with pytest.raises(ValueError, match="not positive"):
        Timbre(timbre.spoken, timbre.scale * 0, timbre.change, RATE)
    wild = Timbre(timbre.spoken, timbre.scale, torch.full_like(timbre.change, 60_000.0), RATE)
    assert np.isfinite(wild(spoken())).all()
    assert timbre.change.shape[1] == CEPSTRA - 1
