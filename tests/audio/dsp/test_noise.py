"""Detecting speech in noise of any level, without mistaking soft speech for noise."""

from itertools import pairwise

import numpy as np
import pytest
from talking import RATE, talking

from dia.audio.dsp.noise import detect_speech, pauses, shorten_pauses

SPEECH = talking(3.0)


def zeros(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def noise(samples, decibels, seed=0):
    return (10 ** (decibels / 20) * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def joined(*parts):
    return np.concatenate(parts)


@pytest.mark.parametrize("decibels", [-80, -60, -45, -35])
def test_the_level_of_the_noise_and_the_speech_above_it_are_found(decibels):
    recording = joined(zeros(2), SPEECH, zeros(1))
    found = detect_speech(recording + noise(len(recording), decibels), RATE)
    assert found.noise == pytest.approx(decibels, abs=1)
    assert found.first / RATE == pytest.approx(2.0, abs=0.1)
    assert found.last / RATE == pytest.approx(5.0, abs=0.1)


def test_digital_silence_before_the_noise_does_not_hide_it():
    recording = joined(zeros(2), SPEECH)
    found = detect_speech(joined(zeros(1), recording + noise(len(recording), -45)), RATE)
    assert found.noise == pytest.approx(-45, abs=1)
    assert found.first / RATE == pytest.approx(3.0, abs=0.1)


def test_speech_without_a_pause_has_no_measurable_noise_and_is_one_span():
    found = detect_speech(SPEECH + noise(len(SPEECH), -35), RATE)
    assert found.noise is None
    assert found.spans == ((0, len(SPEECH)),)


@pytest.mark.parametrize("decibels", [-20, -40])
def test_soft_speech_is_not_noise(decibels):
    soft = (10 ** (decibels / 20) * talking(1.5)).astype(np.float32)
    assert detect_speech(joined(zeros(1), soft, SPEECH), RATE).first / RATE == pytest.approx(1.0, abs=0.1)


def test_quiet_steady_sound_is_not_speech_even_where_the_noise_is_lower():
    hum = 10 ** (-55 / 20) * np.sin(2 * np.pi * 250 * np.arange(2 * RATE) / RATE)
    recording = joined(zeros(2), SPEECH, hum.astype(np.float32))
    found = detect_speech(recording + noise(len(recording), -80), RATE)
    assert found.noise == pytest.approx(-80, abs=1)
    assert found.last / RATE == pytest.approx(5.0, abs=0.1)


def test_an_isolated_click_is_ignored_and_one_next_to_speech_is_not():
    click = np.full(160, 0.9, np.float32)
    assert detect_speech(joined(click, zeros(1), SPEECH, zeros(1), click), RATE).first / RATE == pytest.approx(
        1.01, abs=0.02
    )
    assert detect_speech(joined(click, zeros(0.1), SPEECH), RATE).first == 0


@pytest.mark.parametrize("audio", [zeros(0), zeros(1), noise(RATE, -100), noise(RATE, -30), noise(100, -30)])
def test_nothing_is_detected_without_sound_above_the_noise(audio):
    assert detect_speech(audio, RATE).spans == ()


def test_pauses_are_found_in_silence_and_in_noise():
    recording = joined(SPEECH, zeros(0.5), SPEECH)
    for sound in (recording, recording + noise(len(recording), -40)):
        longest = max(pauses(sound, RATE), key=lambda pause: pause[1] - pause[0])
        assert [place / RATE for place in longest] == pytest.approx([3.0, 3.5], abs=0.15)


def test_only_long_pauses_are_shortened_and_no_sound_is_cut():
    recording = joined(SPEECH, zeros(3), SPEECH, zeros(0.8), SPEECH)
    shorter, spans = shorten_pauses(recording, RATE, detect_speech(recording, RATE).spans, longest=1.0, shortened=0.5)
    assert len(shorter) / RATE == pytest.approx(len(recording) / RATE - 2.5, abs=0.05)
    gaps = [(second[0] - first[1]) / RATE for first, second in pairwise(spans)]
    assert gaps == pytest.approx([0.5, 0.8], abs=0.05)
    assert np.sum(shorter**2) == pytest.approx(np.sum(recording**2), rel=1e-3)
    assert np.array_equal(shorten_pauses(SPEECH, RATE, [(0, len(SPEECH))], 1.0, 0.5)[0], SPEECH)
