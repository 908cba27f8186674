"""The pitch of steady and gliding voices, and of silence."""

import numpy as np
import pytest

from dia.audio.dsp.pitch import median_pitch, pitches

RATE = 16_000


def voice(hertz: np.ndarray) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    return 0.2 * np.asarray(sum(np.sin(number * phase) / number for number in range(1, 8)))


@pytest.mark.parametrize("hertz", [80, 120, 200, 300])
def test_the_median_is_the_pitch_of_a_steady_voice(hertz):
    assert median_pitch(voice(np.full(RATE, hertz)), RATE) == pytest.approx(hertz, rel=0.01)


def test_a_glide_is_followed():
    found = pitches(voice(np.linspace(100, 200, RATE)), RATE)
    assert len(found) == pytest.approx(96, abs=2)
    np.testing.assert_allclose(found, np.linspace(102, 198, len(found)), rtol=0.03)


def test_silence_and_noise_have_no_pitch():
    noise = np.random.default_rng(0).normal(size=RATE)
    for mute in (np.zeros(0), np.zeros(10), np.zeros(RATE), noise):
        assert len(pitches(mute, RATE)) == 0
        assert np.isnan(median_pitch(mute, RATE))
