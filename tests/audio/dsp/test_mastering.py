"""Speech of any level ends within the limits of ACX, and the meter measures what it says."""

import numpy as np
import pytest

from dia.audio.dsp.mastering import LevelMeter, Levels, Mastering, summary

RATE = 16_000


def tone(level, seconds=2.0):
    """A sine with an RMS level in dBFS."""
    times = np.arange(round(seconds * RATE)) / RATE
    return (10 ** (level / 20) * np.sqrt(2) * np.sin(2 * np.pi * 220 * times)).astype(np.float32)


def speech(level, noise=-75.0, seed=0):
    """Bursts with a peak 20 dB above their mean, with pauses that contain noise; the level is that of the bursts."""
    random = np.random.default_rng(seed)
    parts = []
    for seconds in (1.0, 0.4, 2.0):
        burst = random.laplace(size=round(seconds * RATE)) * np.abs(np.sin(np.arange(round(seconds * RATE)) / 2500))
        parts += [burst / burst.std() * 10 ** (level / 20), random.normal(size=RATE) * 10 ** (noise / 20)]
    return np.concatenate(parts).astype(np.float32)


def measured(*parts):
    meter = LevelMeter(RATE)
    for part in parts:
        meter.add(part)
    return meter.levels()


def mastered(samples, size=5000, silence=0.0):
    parts = [samples[start : start + size] for start in range(0, len(samples), size)]
    mastering = Mastering(RATE, silence)
    for part in parts:
        mastering.measure(part)
    return np.concatenate([samples[:0], *(mastering.apply(part) for part in parts)])


def test_the_meter_measures_level_peak_and_noise_floor():
    levels = measured(tone(-20), tone(-70, 0.6), tone(-20))
    assert levels.rms == pytest.approx(-20.6, abs=0.1)
    assert levels.peak == pytest.approx(-17.0, abs=0.1)
    assert levels.floor == pytest.approx(-70, abs=0.5)


def test_the_noise_floor_needs_a_pause_of_half_a_second():
    assert measured(tone(-20), tone(-70, 0.3), tone(-20)).floor is None
    assert measured(tone(-20, 0.3)).floor is None


def test_added_silence_counts_for_the_level_but_not_for_the_noise():
    meter = LevelMeter(RATE)
    meter.add(np.zeros(2 * RATE, np.float32), speech=False)
    meter.add(tone(-20))
    assert meter.levels().rms == pytest.approx(-23.0, abs=0.1)
    assert meter.levels().floor is None


@pytest.mark.parametrize("level", [-45.0, -30.0, -16.0, -6.0])
def test_speech_of_any_level_ends_within_the_limits(level):
    levels = measured(mastered(speech(level, noise=level - 42)))
    assert levels.faults() == []
    assert levels.floor is not None


def test_silence_that_is_added_later_counts_for_the_level():
    speaking = mastered(speech(-30), silence=2.0)
    assert measured(speaking, np.zeros(2 * RATE, np.float32)).rms == pytest.approx(-20.0, abs=1.0)


@pytest.mark.parametrize("size", [1, 777, 100_000])
def test_the_result_does_not_depend_on_the_parts(size):
    samples = speech(-10)[:4000]
    assert mastered(samples, size) == pytest.approx(mastered(samples), abs=1e-6)


def test_no_sample_exceeds_the_ceiling():
    clicks = speech(-30)
    clicks[::3001] = 0.9
    assert np.abs(mastered(clicks)).max() <= 10 ** (-4.0 / 20) + 1e-6


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(RATE, np.float32), np.zeros(3, np.float32)])
def test_silence_stays_silence(samples):
    assert (mastered(samples) == samples).all()
    assert measured(samples).faults()


def test_a_summary_names_the_worst_of_all_chapters():
    text = summary([Levels(-20.0, -4.0, -65.0), Levels(-19.0, -3.5, None)])
    assert text == "level -20.0 to -19.0 dB, peak at most -3.5 dB, noise floor at most -65.0 dB"
    assert "no pause" in summary([Levels(-20.0, -4.0, None)])


def test_faults_name_the_limits():
    assert Levels(-24.0, -1.0, -50.0).faults() == [
        "level -24.0 dB, expected -23 to -18 dB",
        "peak -1.0 dB, expected at most -3 dB",
        "noise floor -50.0 dB, expected at most -60 dB",
    ]
