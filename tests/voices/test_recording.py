"""Preparing a recording: mono, resampled, trimmed and normalized, or an error that explains why not."""

import numpy as np
import pyloudnorm
import pytest
import soundfile
from talking import RATE, talking

from dia.audio.dsp.pitch import median_pitch
from dia.voices.recording import LOUDNESS, normalized, prepare, two_voices


def loudness(waveform: np.ndarray, rate: int = RATE) -> float:
    return float(pyloudnorm.Meter(rate).integrated_loudness(waveform.astype(np.float64)))


def quiet(seconds: float, rate: int = RATE) -> np.ndarray:
    return np.zeros(round(seconds * rate), np.float32)


def test_a_good_recording_has_no_remarks():
    recording = prepare(talking(6.0), None, RATE)
    assert recording.remarks == ()
    assert recording.seconds == pytest.approx(6.0, abs=0.3)
    assert recording.waveform.dtype == np.float32
    assert loudness(recording.waveform) == pytest.approx(LOUDNESS, abs=0.1)


@pytest.mark.parametrize("gain", [0.02, 0.2, 1.0, 3.0])
def test_loudness_does_not_depend_on_the_level_of_the_recording(gain):
    recording = prepare(gain * talking(6.0), None, RATE)
    assert loudness(recording.waveform) == pytest.approx(LOUDNESS, abs=0.1)


def test_loudness_is_limited_by_the_peak():
    given = 0.01 * talking(6.0)
    given[20_000] = 0.5
    waveform = prepare(given, None, RATE).waveform
    assert np.abs(waveform).max() == pytest.approx(0.99, abs=1e-4)
    assert loudness(waveform) < LOUDNESS - 3


@pytest.mark.parametrize("seconds", [0.05, 0.3])
def test_a_sound_shorter_than_the_meter_measures_is_normalized_almost_as_a_longer_one(seconds):
    hum = 0.02 * np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * 220 / RATE).astype(np.float32)
    louder, before = normalized(hum, RATE)
    again, _ = normalized(10 * hum, RATE)
    assert before < LOUDNESS
    np.testing.assert_allclose(louder, again, rtol=1e-4)
    assert 0.1 < np.abs(louder).max() <= 0.99 + 1e-6


def test_silence_remains_silent():
    for samples in (0, 100, RATE):
        silent, _ = normalized(np.zeros(samples, np.float32), RATE)
        assert silent.shape == (samples,)
        assert not silent.any()


def test_silence_at_the_ends_is_trimmed_to_a_tenth_of_a_second():
    given = np.concatenate([quiet(2.0), talking(6.0), quiet(3.0)])
    recording = prepare(given, None, RATE)
    assert len(recording.waveform) / RATE == pytest.approx(recording.seconds + 0.2, abs=0.01)
    assert recording.seconds == pytest.approx(6.0, abs=0.3)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 192_000])
def test_every_sampling_rate_gives_the_same_voice(rate):
    recording = prepare(talking(6.0, rate=rate), rate, RATE)
    assert len(recording.waveform) / RATE == pytest.approx(6.2, abs=0.3)
    assert median_pitch(recording.waveform, RATE) == pytest.approx(120, rel=0.05)
    assert loudness(recording.waveform) == pytest.approx(LOUDNESS, abs=0.1)
    assert bool(recording.remarks) == (rate == 8_000)


def test_a_narrow_band_causes_a_remark():
    (remark,) = prepare(talking(6.0, rate=8_000), 8_000, RATE).remarks
    assert "8000 Hz, but the model uses 16000 Hz" in remark


@pytest.mark.parametrize(
    "rate", [7_999, 384_001, 0, 1, -8_000, 2**63, 44_100.5, float("inf"), float("nan"), True, "8000"]
)
def test_rates_out_of_range_are_rejected(rate):
    for clip in (talking(1.2), {"array": talking(1.2), "sampling_rate": rate}):
        with pytest.raises(ValueError, match="expected a whole number of Hz, 8000 to 384000"):
            prepare(clip, rate, RATE)


def surround(channels: int, spoken: int) -> np.ndarray:
    mixed = np.zeros((len(talking(6.0)), channels), np.float32)
    mixed[:, spoken] = talking(6.0)
    return mixed


def test_stereo_and_surround_are_mixed(tmp_path):
    alone = prepare(talking(6.0), None, RATE).waveform
    for channels, spoken in ((1, 0), (2, 1), (6, 2), (8, 2)):
        sound = surround(channels, spoken)
        soundfile.write(tmp_path / "sound.wav", sound, RATE, subtype="FLOAT")
        for given in (sound, sound.T, tmp_path / "sound.wav"):
            np.testing.assert_allclose(prepare(given, None, RATE).waveform, alone, atol=1e-4)


def test_the_bass_channel_of_surround_sound_is_excluded():
    sound = surround(6, 2)
    sound[:, 3] = 0.5 * np.sin(np.arange(len(sound)) * 2 * np.pi * 40 / RATE)
    np.testing.assert_allclose(
        prepare(sound, None, RATE).waveform, prepare(talking(6.0), None, RATE).waveform, atol=1e-4
    )


def test_channels_that_cancel_are_not_mixed():
    spoken = talking(6.0)
    recording = prepare(np.stack([spoken, -spoken]), None, RATE)
    assert "cancel each other" in recording.remarks[0]
    np.testing.assert_allclose(recording.waveform, prepare(spoken, None, RATE).waveform, atol=1e-6)


def test_clipping_causes_a_remark():
    (remark,) = prepare(np.clip(4 * talking(6.0), -0.5, 0.5), None, RATE).remarks
    assert "is clipped" in remark
    assert "less gain" in remark


def test_a_quiet_recording_causes_a_remark():
    (remark,) = prepare(0.01 * talking(6.0), None, RATE).remarks
    assert "very quiet" in remark


@pytest.mark.parametrize(("seconds", "word"), [(2.0, "more reliable"), (15.0, "less time")])
def test_lengths_outside_the_recommended_range_cause_a_remark(seconds, word):
    (remark,) = prepare(talking(seconds), None, RATE).remarks
    assert word in remark


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros(0, np.float32), "empty"),
        (quiet(6.0), "silent"),
        (1e-4 * talking(6.0), "silent"),
        (talking(0.5), "Record more"),
        (talking(25.0), "Use a part of it"),
        (np.where(np.arange(6 * RATE) == 5, np.nan, talking(6.0)), "NaN"),
        (np.where(np.arange(6 * RATE) == 5, np.inf, talking(6.0)), "infinite"),
        (20_000 * talking(6.0), "full scale"),
        (np.zeros((1000, 9), np.float32), "up to 8 channels"),
        (np.zeros((10, 10, 10), np.float32), "a batch of 10 clips; pass one of them"),
        (talking(6.0).astype(complex), "complex"),
    ],
    ids=lambda value: value if isinstance(value, str) else "given",
)
def test_an_unusable_recording_is_rejected(given, message):
    with pytest.raises(ValueError, match=message):
        prepare(given, None, RATE)


def test_a_file_that_is_not_audio_is_rejected(tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(ValueError, match="cannot be read as audio"):
        prepare(tmp_path / "text.wav", None, RATE)
    with pytest.raises(FileNotFoundError, match=r"the file .* does not exist"):
        prepare(tmp_path / "missing.wav", None, RATE)
    with pytest.raises(TypeError, match="my_audio is object"):
        prepare(object(), None, RATE, "my_audio")


def test_two_voices_are_distinguished_by_their_pitch():
    low, high = talking(3.0, 100), talking(3.0, 200)
    assert two_voices(np.concatenate([low, high]), RATE)
    assert not two_voices(low, RATE)
    assert not two_voices(np.concatenate([low, talking(3.0, 115)]), RATE)
    assert not two_voices(quiet(3.0), RATE)
