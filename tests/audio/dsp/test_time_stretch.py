"""Time stretching: length, pitch, purity, joints, and the same result incrementally."""

import numpy as np
import pytest

from dia.audio.dsp.pitch import median_pitch
from dia.audio.dsp.time_stretch import Tempo, stretched

RATE = 16_000
RATES = [0.5, 0.75, 1.1, 1.5, 2.0]


def tone(hertz: float, seconds: float = 1.5, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def voice(hertz: float = 120.0, seconds: float = 2.0) -> np.ndarray:
    """A signal similar to speech: gliding harmonics in syllables, with a little noise."""
    times = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * hertz * (times + 0.02 * np.sin(2 * np.pi * 0.7 * times))
    harmonics = sum(np.sin(number * phase + number) / number for number in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 2 * times), 0, 1)
    noise = np.random.default_rng(0).normal(size=len(times))
    return (0.15 * harmonics * syllables + 0.002 * noise).astype(np.float32)


def largest_jump(waveform: np.ndarray) -> float:
    return float(np.abs(np.diff(waveform)).max())


def impurity(waveform: np.ndarray, hertz: float, rate: int) -> float:
    """The energy outside `hertz` relative to the energy at `hertz`, in dB."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) ** 2
    near = np.abs(np.fft.rfftfreq(len(waveform), 1 / rate) - hertz) < 0.1 * hertz
    return float(10 * np.log10(spectrum[~near].sum() / spectrum[near].sum()))


def piecewise(waveform: np.ndarray, rate: float, longest: int, seed: int = 0) -> list[np.ndarray]:
    tempo, sizes, parts = Tempo(rate, RATE), np.random.default_rng(seed), []
    while len(waveform):
        size = int(sizes.integers(0, longest + 1))
        parts.append(tempo.push(waveform[:size]))
        waveform = waveform[size:]
    return [*parts, tempo.close()]


@pytest.mark.parametrize("rate", RATES)
def test_the_length_changes_and_the_pitch_does_not(rate):
    spoken = voice()
    result = stretched(spoken, rate, RATE)
    assert len(result) == round(len(spoken) / rate)
    assert result.dtype == np.float32
    assert median_pitch(result, RATE) == pytest.approx(median_pitch(spoken, RATE), rel=0.02)


@pytest.mark.parametrize("rate", RATES)
def test_syllables_are_earlier_by_the_rate(rate):
    spoken = np.concatenate([np.zeros(RATE, np.float32), voice(), np.zeros(RATE, np.float32)])
    loud = np.flatnonzero(np.abs(stretched(spoken, rate, RATE)) > 0.05)
    wanted = np.flatnonzero(np.abs(spoken) > 0.05)
    assert loud[0] / RATE == pytest.approx(wanted[0] / RATE / rate, abs=0.05)
    assert loud[-1] / RATE == pytest.approx(wanted[-1] / RATE / rate, abs=0.05)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sampling_rate", [8_000, 44_100])
def test_a_sine_stays_a_sine(rate, sampling_rate):
    for hertz in (110.0, 437.0, 1900.0):
        given = tone(hertz, rate=sampling_rate)
        result = stretched(given, rate, sampling_rate)
        assert impurity(result, hertz, sampling_rate) < -40
        assert np.abs(result).max() < 0.501


@pytest.mark.parametrize("rate", RATES)
def test_nothing_clicks(rate):
    for given in (voice(), voice(210.0), tone(110.0), tone(1900.0)):
        assert largest_jump(stretched(given, rate, RATE)) < 1.05 * largest_jump(given)


@pytest.mark.parametrize("rate", [*RATES, 1.0])
@pytest.mark.parametrize("longest", [7, 500, 20_000])
def test_incremental_stretching_equals_stretching_at_once(rate, longest):
    for given in (voice(seconds=1.0), tone(220.0, 0.5)):
        joined = np.concatenate(piecewise(given, rate, longest))
        np.testing.assert_allclose(joined, stretched(given, rate, RATE), atol=1e-6)


def test_the_delay_and_the_buffer_are_small():
    tempo, spoken, made = Tempo(0.8, RATE), voice(seconds=4.0), 0
    for start in range(0, len(spoken), 400):
        made += len(tempo.push(spoken[start : start + 400]))
        assert made > (start + 400) / 0.8 - 0.1 * RATE
        assert len(tempo._input) < 0.25 * RATE


def test_rate_1_returns_the_samples_unchanged():
    spoken = voice()
    assert np.array_equal(stretched(spoken, 1.0, RATE), spoken)
    assert np.array_equal(stretched(spoken, 1, RATE), spoken)


@pytest.mark.parametrize("rate", [*RATES, 1.0])
@pytest.mark.parametrize("samples", [0, 1, 2, 100, 700])
def test_very_short_audio_has_the_right_length_and_no_jump(rate, samples):
    given = tone(110.0, 1.0)[:samples]
    result = stretched(given, rate, RATE)
    assert len(result) == round(samples / rate)
    assert np.isfinite(result).all()
    if samples > 1:
        assert np.abs(np.diff(result)).max(initial=0) <= 1.05 * largest_jump(given)


@pytest.mark.parametrize("rate", RATES)
def test_silence_stays_silent(rate):
    assert not stretched(np.zeros(RATE, np.float32), rate, RATE).any()


def test_a_rate_of_another_type_is_as_a_plain_one():
    np.testing.assert_array_equal(stretched(voice(), np.float32(1.5), RATE), stretched(voice(), 1.5, RATE))


@pytest.mark.parametrize("rate", [0.49, 2.01, 0, -1, float("nan"), float("inf"), True, "fast"])
def test_rates_out_of_range_are_rejected(rate):
    with pytest.raises(ValueError, match=r"a number from 0\.5 to 2"):
        stretched(voice(), rate, RATE)


def test_other_shapes_and_a_sampling_rate_of_0_are_rejected():
    with pytest.raises(ValueError, match="mono"):
        stretched(np.zeros((2, 100)), 1.5, RATE)
    with pytest.raises(ValueError, match="sampling_rate is 0"):
        stretched(np.zeros(100), 1.5, 0)
