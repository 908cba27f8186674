"""DC offset, rumble and hum are filtered out of a recording; a voice is kept."""

import numpy as np
import pytest
from talking import RATE, talking

from dia.audio.dsp.filters import high_pass, remove_hum

TIMES = np.arange(6 * RATE) / RATE


def tone(hertz, level=0.1):
    return level * np.sin(2 * np.pi * hertz * TIMES)


def loudness(audio):
    return float(np.sqrt(np.mean(audio**2)))


def test_offset_and_rumble_are_removed_and_a_low_voice_is_kept():
    inside = slice(RATE // 10, -RATE // 10)
    assert np.abs(high_pass(tone(150) + 0.5, RATE, 40.0) - tone(150))[inside].max() < 2e-3
    assert loudness(high_pass(tone(10), RATE, 40.0)) < 0.01 * loudness(tone(10))
    assert loudness(high_pass(tone(80), RATE, 40.0)) > 0.9 * loudness(tone(80))
    channels = np.stack([tone(150) + 0.5, tone(200)], 1)
    assert np.abs(high_pass(channels, RATE, 40.0)[:, 1] - high_pass(tone(200), RATE, 40.0)).max() < 1e-9
    assert len(high_pass(np.zeros(1), RATE, 40.0)) == 1


@pytest.mark.parametrize("hertz", [50.0, 49.95, 150.1, 60.02, 120.0, 300.0])
def test_hum_is_removed_and_speech_is_unchanged(hertz):
    speech = talking(6.0).astype(np.float64)
    assert loudness(remove_hum(tone(hertz), RATE)) < 0.05 * loudness(tone(hertz))
    assert loudness(remove_hum(0.3 * speech + tone(hertz), RATE) - 0.3 * speech) < 0.12 * loudness(tone(hertz))


def test_audio_without_hum_is_unchanged():
    for speech in (talking(6.0), talking(6.0, 100.0), tone(175.0)):
        np.testing.assert_array_equal(remove_hum(speech, RATE), speech.astype(np.float64))
