"""Voices that are made from another: the names of changes, and what a change does to pitch, formants and length."""

import importlib.metadata
import importlib.util

import numpy as np
import pytest

from dia.training.mini.teacher.natural.plan import ROLES
from dia.training.mini.teacher.natural.teachers import changed_voice
from dia.training.mini.teacher.natural.teachers.changed_voice import SEPARATOR, Change, changed

needs_pyworld = pytest.mark.skipif(importlib.util.find_spec("pyworld") is None, reason="pyworld is not installed")
RATE = 16_000


def vowel(pitch: float, formant: float) -> np.ndarray:
    """Half a second of harmonics that are strongest around `formant` Hz."""
    harmonics = np.arange(1, int(RATE / 2 / pitch)) * pitch
    loudness = np.exp(-(((harmonics - formant) / 250) ** 2)) + 0.01
    waves = np.cos(2 * np.pi * harmonics[:, None] * np.arange(RATE // 2) / RATE)
    return (0.1 * loudness @ waves / loudness.sum()).astype(np.float32)


def spectrum(waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle = waveform[RATE // 8 : -RATE // 8]
    return np.fft.rfftfreq(len(middle), 1 / RATE), np.abs(np.fft.rfft(middle * np.hanning(len(middle))))


def center(waveform: np.ndarray) -> float:
    """The mean frequency of the power, in Hz."""
    frequencies, magnitude = spectrum(waveform)
    return float((frequencies * magnitude**2).sum() / (magnitude**2).sum())


def test_a_change_is_read_from_the_name_of_a_voice():
    assert Change.of("heart*0.6/0.88/1.1") == Change(0.6, 0.88, 1.1)
    assert Change.of("heart*1.2") == Change(1.2)


@pytest.mark.parametrize("name", ["heart", "heart*", "heart*low", "heart*0.6/nan", "heart*0.1", "heart*1/1/1/1"])
def test_another_change_is_an_error_with_an_example(name):
    with pytest.raises(ValueError, match=r"voice: .* does not end in a change such as \*0.6/0.88/1.1"):
        Change.of(name)


def test_every_made_voice_of_the_plan_has_a_change():
    made = [Change.of(role.voice) for role in ROLES if SEPARATOR in role.voice]
    assert len(set(made)) == 65


def test_without_pyworld_the_error_says_what_to_install(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    changed_voice._vocoder.cache_clear()
    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(ImportError, match=r"pip install -e .\[teacher\]"):
        changed(vowel(200, 900), RATE, Change(0.6))


@needs_pyworld
def test_pitch_and_formants_move_by_their_factors_and_the_length_stays():
    speech = vowel(200, 1000)
    lower = changed(speech, RATE, Change(0.6, 0.8))
    assert len(lower) == len(speech)
    frequencies, power = spectrum(lower)
    lowest = (frequencies > 60) & (frequencies < 170)
    assert frequencies[lowest][power[lowest].argmax()] == pytest.approx(120, abs=6)
    assert center(lower) / center(speech) == pytest.approx(0.8, abs=0.06)


@needs_pyworld
def test_silence_stays_silence():
    silence = np.zeros(RATE, np.float32)
    np.testing.assert_array_equal(changed(silence, RATE, Change(0.6)), silence)
