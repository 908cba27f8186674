"""Matching: speech of the embedded model gets nearer to the recording of its voice, by every way to speak."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from talking import RATE, talking
from tiny_speech import tiny_speech

from dia import MINI
from dia.model import Dia
from dia.runtime.warnings import DiaWarning
from dia.synthesis.matching import match
from dia.synthesis.prompts import UNMATCHED
from dia.voices.library import find_voice
from dia.voices.timbre import cepstra
from dia.voices.voice import Voice, joined

TEXT = "[S1] The bus to the station leaves every ten minutes."
LONG = f"{TEXT} [pause:400ms] I left my keys on the kitchen table again."


@pytest.fixture(scope="module")
def model():
    return Dia.from_pretrained(MINI)


@pytest.fixture(scope="module")
def plain():
    return find_voice("bruno")


@pytest.fixture(scope="module")
def recording(model, plain):
    """The example voice, decoded and darker: a recording that its codes do not represent well."""
    return lfilter([0.7], [1.0, -0.3], model.synthesizer.sound(plain.codes)).astype(np.float32)


@pytest.fixture(scope="module")
def voice(model, recording):
    return model.match("bruno", recording, takes=4)


def distance(model: Dia, audio: np.ndarray, recording: np.ndarray) -> float:
    """Between the mean cepstra of the speech in two clips, without the level."""
    clips = [cepstra(clip, model.sample_rate) for clip in (audio, recording)]
    first, second = (clip[clip[:, 0] > clip[:, 0].max() - 40].mean(0)[1:] for clip in clips)
    return float((first - second).norm())


def test_speech_in_a_matched_voice_is_nearer_to_the_recording(model, plain, voice, recording):
    assert plain.timbre is None
    before, after = (model.generate(TEXT, voice=one, seed=1) for one in (plain, voice))
    assert len(before) == len(after)  # the model speaks as before
    assert distance(model, after, recording) < 0.6 * distance(model, before, recording)


@pytest.mark.parametrize("text", [TEXT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("rate", [None, 1.2])
def test_all_ways_to_speak_give_the_same_audio(model, voice, text, rate):
    options = {"voice": voice, "seed": 3, "speaking_rate": rate}
    whole, heard = model.generate(text, **options), []
    (listed,) = model.generate([text], **options)
    np.testing.assert_array_equal(whole, listed)
    np.testing.assert_array_equal(whole, model.speak(text, **options).audio)
    stream = model.stream(text, on_piece=heard.append, **options)
    np.testing.assert_allclose(np.concatenate(list(stream)), whole, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([piece.audio for piece in heard]), whole, atol=1e-6)


def test_a_job_carries_the_timbre_to_another_process(model, voice):
    job = pickle.loads(pickle.dumps(model.job(TEXT, voice=voice, seed=3)))
    np.testing.assert_array_equal(model.speak(job).audio, model.generate(TEXT, voice=voice, seed=3))


def test_a_saved_voice_sounds_the_same(model, voice, tmp_path):
    voice.save(tmp_path / "voice.safetensors")
    saved = Voice.load(tmp_path / "voice.safetensors")
    np.testing.assert_array_equal(model.generate(TEXT, voice=saved, seed=3), model.generate(TEXT, voice=voice, seed=3))


def test_subtitles_at_their_times_are_matched(model, plain, voice, recording):
    cues = "1\n00:00:01,000 --> 00:00:04,000\nThe bus to the station leaves every ten minutes.\n"
    options = {"text_format": "srt", "keep_timing": True, "seed": 1}
    before, after = (model.generate(cues, voice=one, **options) for one in (plain, voice))
    assert len(before) == len(after)
    assert distance(model, after, recording) < 0.6 * distance(model, before, recording)


def test_where_two_speakers_alternate_nothing_is_changed(model, plain, voice):
    dialogue = "[S1] Hello there. [S2] Hi!"
    with pytest.warns(DiaWarning, match=UNMATCHED):
        both = model.generate(dialogue, voice=voice, seed=1)
    np.testing.assert_array_equal(both, model.generate(dialogue, voice=plain, seed=1))
    with pytest.warns(DiaWarning, match=UNMATCHED):
        model.generate(dialogue, voice={"S1": voice, "S2": "clara"}, seed=1)
    assert joined({"S1": voice, "S2": find_voice("clara")}).timbre is None
    assert joined({"S2": voice}).timbre is voice.timbre


def test_the_same_seed_gives_the_same_timbre(model, voice, recording):
    again = model.match(voice, recording, takes=4)
    torch.testing.assert_close(again.timbre.change, voice.timbre.change, rtol=0, atol=0)


def test_voices_that_cannot_be_matched_are_errors(model, plain, recording, tmp_path):
    with pytest.raises(ValueError, match="there is no voice 'brunno'"):
        model.match("brunno", recording)
    with pytest.raises(TypeError, match="voice is int"):
        model.match(3, recording)
    for takes in (0, 65):
        with pytest.raises(ValueError, match=f"takes={takes} must be a whole number from 1 to 64"):
            model.match(plain, recording, takes=takes)
    with pytest.raises(TypeError, match="takes"):
        model.match(plain, recording, takes=1.5)
    with pytest.raises(ValueError, match="two speakers"):
        model.match({"S1": plain, "S2": "clara"}, recording)
    with pytest.raises(ValueError, match=r"lasts 1\.5 s, too short"):
        model.match(replace(plain, codes=plain.codes[:50]), recording)
    with pytest.raises(ValueError, match="made with a different codec"):
        model.match(replace(plain, codec=replace(plain.codec, weights="00000000")), recording)
    with pytest.raises(ValueError, match="there is no codec"):
        Dia.from_pretrained(MINI, load_dac=False).match(plain, recording)


def test_the_recording_must_be_that_of_the_voice(model, plain, recording, tmp_path):
    with pytest.raises(ValueError, match=r"recording lasts \d\.\d s without silence, and the voice"):
        model.match(plain, recording[: len(recording) // 2])
    with pytest.raises(ValueError, match="recording"):
        model.match(plain, np.zeros(50_000, np.float32))
    with pytest.raises(FileNotFoundError, match=r"missing\.wav"):
        model.match(plain, tmp_path / "missing.wav")


def test_a_model_that_does_not_say_the_words_is_an_error():
    """The tiny model speaks for a fifth of a second."""
    synthesizer = tiny_speech(ends=10, max_length=600, pass_seconds=6.0)
    spoken = talking(2.3)
    voice = Voice.from_audio(
        spoken,
        "[S1] The old man walked down to the harbour.",
        processor=synthesizer.processor,
        consent="nobody's voice",
        sampling_rate=RATE,
    )
    with pytest.raises(ValueError, match="does not say the words of the recording"):
        match(synthesizer, voice, spoken, RATE, takes=2)
