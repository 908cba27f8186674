"""Faults of recordings by microphones, telephones and studios: the voice is usable, or an error explains why not.

The recording is what an example voice decodes to. Each signal here was seen to make the embedded model run to its
limit, repeat the recording, or speak in another voice, before recordings were prepared.
"""

import io
import re

import numpy as np
import pytest
import soundfile
import soxr
from talking import talking

from dia import MINI
from dia.audio.dsp.pitch import median_pitch
from dia.codec.dac import decode
from dia.processing_dia import DiaProcessor
from dia.voices.library import find_voice
from dia.voices.recording import LOUDNESS, prepare

RATE = 16_000


@pytest.fixture(scope="module")
def clara():
    """Speech at 16 kHz and -20 LUFS, with almost no silence around it and a short pause after 2.7 s."""
    codec = DiaProcessor.from_pretrained(MINI).audio_tokenizer
    return 10 ** ((-20 - LOUDNESS) / 20) * decode(codec, [find_voice("clara").codes])[0].numpy()


@pytest.fixture(scope="module")
def clean(clara):
    return prepare(clara, None, RATE)


def zeros(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def hiss(samples, decibels):
    return (10 ** (decibels / 20) * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


def hum(samples, mains, decibels):
    turns = 2 * np.pi * mains * np.arange(samples) / RATE
    return (10 ** (decibels / 20) * sum(np.sin(number * turns) / number for number in (1, 2, 3, 5))).astype(np.float32)


def late(speech):
    return np.concatenate([zeros(4), speech, zeros(2)])


def paused(speech):
    return np.concatenate([speech[: round(2.7 * RATE)], zeros(4), speech[round(2.7 * RATE) :]])


def dropped(speech):
    broken = speech.copy()
    for start in (0.3, 1.2, 2.0, 3.0, 4.0):  # in words
        broken[round(start * RATE) : round((start + 0.04) * RATE)] = 0
    return broken


def clicked(speech):
    sound = late(speech)
    sound[RATE : RATE + 20] = 0.9
    return sound


def stored(samples, subtype, rate=RATE, format="WAV"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    return {"bytes": file.getvalue()}


def surround(speech):
    channels = np.zeros((len(speech), 6), np.float32)
    channels[:, 2], channels[:, 3] = speech, 0.5 * np.sin(2 * np.pi * 30 * np.arange(len(speech)) / RATE)
    return channels


def same_voice(recording, clean, within):
    """Whether a recording is nearly equal to the clean one, sample by sample."""
    longest = min(len(recording.waveform), len(clean.waveform))
    return np.abs(recording.waveform[:longest] - clean.waveform[:longest]).max() < within and recording.seconds == (
        pytest.approx(clean.seconds, abs=0.03)
    )


UNCHANGED = {
    "silence around it": late,
    "right channel silent": lambda speech: np.stack([speech, 0 * speech], 1),
    "left channel silent": lambda speech: np.stack([0 * speech, speech], 1),
    "right channel of noise": lambda speech: np.stack([speech, hiss(len(speech), -35)], 1),
    "right channel a constant": lambda speech: np.stack([speech, 0 * speech + 0.3], 1),
    "one row": lambda speech: speech[None],
    "one column": lambda speech: speech[:, None],
    "5.1": surround,
    "constant offset": lambda speech: late(speech) + 0.3,
    "a click before it": clicked,
    "24 bits": lambda speech: stored(speech, "PCM_24"),
    "32 bits": lambda speech: stored(speech, "PCM_32"),
    "doubles": lambda speech: stored(speech.astype(np.float64), "DOUBLE"),
    "beyond full scale": lambda speech: 3 * speech,
    "16 bits": lambda speech: (32767 * speech).astype(np.int16),
}


@pytest.mark.parametrize("case", UNCHANGED)
def test_harmless_faults_leave_the_voice_unchanged(clara, clean, case):
    recording = prepare(UNCHANGED[case](clara), None, RATE)
    assert same_voice(recording, clean, within=0.02)
    assert recording.remarks == ()


@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_of_opposite_channels_the_louder_one_is_used(clara, clean, gain):
    recording = prepare(np.stack([clara, -gain * clara], 1), None, RATE)
    assert same_voice(recording, clean, within=1e-5)
    assert recording.remarks == ("its channels cancel each other out, so only the loudest one is used.",)


def test_reversed_polarity_is_the_same_voice(clara, clean):
    recording = prepare(-clara, None, RATE)
    np.testing.assert_allclose(recording.waveform, -clean.waveform, atol=1e-6)


REMARKED = {
    "loud hiss": (lambda speech: late(speech) + hiss(len(late(speech)), -35), r"its noise is only 1\d dB below"),
    "telephone": (
        lambda speech: {"array": soxr.resample(speech, RATE, 8000), "sampling_rate": 8000},
        "8000 Hz, but the model uses",
    ),
    "telephone, at a higher rate": (
        lambda speech: soxr.resample(soxr.resample(speech, RATE, 8000), 8000, RATE),
        r"no frequencies above 4\.\d kHz",
    ),
    "μ-law": (lambda speech: stored(soxr.resample(speech, RATE, 8000), "ULAW", 8000), "as on a telephone"),
    "clipped": (lambda speech: np.clip(8 * speech, -0.9, 0.9), "is clipped"),
    "faint": (lambda speech: (0.003 * 32767 * speech).astype(np.int16), "very quiet"),
    "drops out": (dropped, r"it drops out [345] times, for 0\.\d+ s in total"),
    "a long pause": (paused, "its pauses of more than 1 s are shortened"),
    "a short label on its rate": (
        lambda speech: {"array": speech, "sampling_rate": 44_100},
        r"contains [12]\.\d s of speech",
    ),
}


@pytest.mark.parametrize("case", REMARKED)
def test_a_fault_that_makes_the_voice_worse_causes_a_remark(clara, case):
    make, told = REMARKED[case]
    (remark,) = prepare(make(clara), None, RATE).remarks
    assert re.search(told, remark)


@pytest.mark.parametrize("case", ["loud hiss", "telephone", "μ-law", "clipped", "faint", "drops out"])
def test_the_voice_is_recognizable_despite_the_fault(clara, clean, case):
    recording = prepare(REMARKED[case][0](clara), None, RATE)
    assert recording.seconds == pytest.approx(clean.seconds, abs=0.25)
    assert median_pitch(recording.waveform, RATE) == pytest.approx(median_pitch(clean.waveform, RATE), rel=0.03)


@pytest.mark.parametrize("decibels", [-70, -60, -50, -45])
def test_room_noise_before_the_speech_is_trimmed(clara, clean, decibels):
    recording = prepare(late(clara) + hiss(len(late(clara)), decibels), None, RATE)
    assert recording.seconds == pytest.approx(clean.seconds, abs=0.15)
    assert recording.remarks == ()


@pytest.mark.parametrize("decibels", [-20, -30, -40])
@pytest.mark.parametrize("mains", [50, 49.95, 60, 60.03])
def test_mains_hum_is_removed(clara, clean, mains, decibels):
    recording = prepare(late(clara) + hum(len(late(clara)), mains, decibels), None, RATE)
    assert recording.seconds == pytest.approx(clean.seconds, abs=0.25)
    assert recording.remarks == ()


@pytest.mark.parametrize("decibels", [-15, -25, -35])
@pytest.mark.parametrize("noise", [None, -75])
def test_a_soft_beginning_is_kept(clara, clean, decibels, noise):
    softer = 10 ** (decibels / 20) * clara[: round(2.7 * RATE)]
    whole = np.concatenate([softer, clara])
    if noise is not None:
        whole += hiss(len(whole), noise)
    assert prepare(whole, None, RATE).seconds > 2.7 + clean.seconds - 0.1  # the ends are quiet


def test_a_long_pause_is_shortened_without_cutting_words(clara, clean):
    recording = prepare(paused(clara), None, RATE)
    assert clean.seconds < recording.seconds < clean.seconds + 0.6
    noisy = prepare(paused(clara) + hiss(len(paused(clara)), -60), None, RATE)
    assert noisy.seconds == pytest.approx(recording.seconds, abs=0.3)


CHORD = (
    sum(np.sin(2 * np.pi * hertz * np.arange(6 * RATE) / RATE) for hertz in (220, 277, 330)).astype(np.float32) / 10
)
WITHOUT_SPEECH = {
    "zeros": (zeros(6), "is silent"),
    "a constant": (zeros(6) + 0.5, "is silent"),
    "hiss": (hiss(6 * RATE, -30), "contains no speech above the noise"),
    "hum": (hum(6 * RATE, 50, -20), "is silent|contains no speech above the noise"),
    "a chord": (CHORD, "contains no speech above the noise"),
    "a click": (np.where(np.arange(6 * RATE) == RATE, 0.9, 0).astype(np.float32), "is silent|no speech"),
    "speech under noise": (talking(6.0) * 0.02 + hiss(6 * RATE, -30), "contains no speech above the noise"),
}


@pytest.mark.parametrize("case", WITHOUT_SPEECH)
def test_a_recording_without_speech_is_rejected(case):
    given, message = WITHOUT_SPEECH[case]
    with pytest.raises(ValueError, match=message):
        prepare(given, None, RATE)


ENDLESS = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (10**12,), (0,))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (ENDLESS, ValueError, "lasts 62500000.00 s, but at most 120 s are allowed"),
        (np.ones(RATE, bool), ValueError, "has dtype bool"),
        ([True, False] * RATE, TypeError, "with non-numeric values"),
        (np.ones(RATE, object), ValueError, "has dtype object"),
        (np.ones(RATE, np.int64), ValueError, "has dtype int64"),
        (np.ones(RATE, np.uint16), ValueError, "has dtype uint16"),
        (np.full(RATE, 1e300), ValueError, "reaches 1e\\+300"),
        (np.zeros((2, 0), np.float32), ValueError, "is empty"),
        (np.float32(1), TypeError, "is float32"),
        (b"RIFF", ValueError, "4 bytes cannot be read as audio"),
        (None, TypeError, "is NoneType"),
        ("x" * 5000, FileNotFoundError, "the file .* does not exist"),
        ("a\0b", FileNotFoundError, "the file .* does not exist"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 60 else "",
)
def test_an_invalid_recording_is_rejected_by_name(given, error, message):
    with pytest.raises(error, match=f"my_prompt.*{message}"):
        prepare(given, None, RATE, "my_prompt")


def test_a_file_that_is_too_long_is_rejected_before_decoding(monkeypatch):
    long = stored(np.zeros(121 * 8000, np.int16), "PCM_16", 8000)
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("it was decoded"))
    with pytest.raises(ValueError, match=r"my_prompt lasts 121.00 s"):
        prepare(long, None, RATE, "my_prompt")
