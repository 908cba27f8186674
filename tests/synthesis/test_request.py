"""Requests become jobs: a script, a voice, a seed and settings for each text."""

import json
import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
from talking import talking
from tiny import PATTERN
from tiny_codec import RATE, random_codes
from tiny_speech import tiny_speech

from dia.processing_dia import DiaProcessor
from dia.synthesis import request
from dia.synthesis.job import resume_plan
from dia.synthesis.prompts import VoicePrompt
from dia.synthesis.request import jobs_of
from dia.synthesis.speak import speak_batch
from dia.synthesis.takes.generation import make_take
from dia.synthesis.takes.take import Line, TakeOptions

LINE = Line("", random_codes(4)[0], "[S1] Hello.")


@pytest.fixture(scope="module")
def synthesizer():
    return tiny_speech()


def test_omitted_options_default_to_the_models(synthesizer):
    (job,) = jobs_of(synthesizer, "[S1] Hi.")
    assert (job.settings, job.voice, job.seed, job.long_form, job.rate) == ({}, None, None, False, None)
    assert job.line.text == "[S1] Hi."


def test_every_text_is_parsed_as_a_script(synthesizer):
    first, second = jobs_of(synthesizer, ["s1: It costs $5.", "[s2] Café"], TakeOptions(retries=3), True, seed=[1, 2])
    assert first.script.spoken == "[S1] It costs five dollars."
    assert second.script.spoken == "[S2] Cafe"
    assert (first.seed, second.seed, first.take_options.retries, first.long_form) == (1, 2, 3, True)


def test_numbers_of_other_types_are_as_plain_ones(synthesizer):
    given = {"cfg_scale": Fraction(5, 2), "temperature": np.float32(0.5), "top_p": np.float64(0.9)}
    given |= {"cfg_filter_top_k": np.int64(20), "max_tokens": np.int32(40), "speaking_rate": np.float32(1.5)}
    plain = {"cfg_scale": 2.5, "temperature": 0.5, "top_p": 0.9}
    plain |= {"cfg_filter_top_k": 20, "max_tokens": 40, "speaking_rate": 1.5}
    options = TakeOptions(np.int64(1), best_of=np.int8(2), edge_seconds=np.float32(0.5))
    (job,) = jobs_of(synthesizer, "[S1] Hi.", options, seed=[np.uint64(7)], **given)
    (other,) = jobs_of(synthesizer, "[S1] Hi.", TakeOptions(1, 2, 0.5), seed=7, **plain)
    assert json.dumps(resume_plan(synthesizer, job)) == json.dumps(resume_plan(synthesizer, other))
    assert (job.rate, type(job.rate), type(job.seed)) == (1.5, float, int)


NAMED = "ANN: Is it late?\nBOB: Yes, Ann."


def test_names_of_speakers_count_as_tags(synthesizer):
    first, second = jobs_of(synthesizer, [NAMED, NAMED.replace("ANN", "BEN", 1)], speakers={"BOB": "S1"})
    assert first.script.names == {"ANN": "S2", "BOB": "S1"}
    assert second.script.names == {"BEN": "S2", "BOB": "S1"}
    (job,) = jobs_of(synthesizer, NAMED, speakers={})
    assert job.script.names == {}


def test_a_transcript_uses_the_names_of_its_script(synthesizer):
    codes = random_codes(4)[0]
    (job,) = jobs_of(synthesizer, NAMED, audio_prompt=codes, audio_prompt_text="Bob: Good morning.")
    assert job.voice.transcript == "[S2] Good morning."


def test_voices_can_be_given_for_names(synthesizer, monkeypatch):
    given = []
    monkeypatch.setattr(
        request, "prompt_from_voice", lambda synthesizer, voice, limit: given.append(voice) or VoicePrompt((LINE,))
    )
    jobs_of(synthesizer, NAMED, voice={"ann": "clara", "BOB": "bruno"})
    jobs_of(synthesizer, NAMED, voice={"S1": "clara"})
    assert given == [{"S1": "clara", "S2": "bruno"}, {"S1": "clara"}]
    with pytest.raises(ValueError, match="voice names 'BEN', which is neither S1, S2 nor a name of the script"):
        jobs_of(synthesizer, NAMED, voice={"BEN": "clara"})


def test_native_option_names_map_to_those_of_transformers(synthesizer):
    (job,) = jobs_of(
        synthesizer, "[S1] Hi.", max_tokens=30, cfg_scale=2, temperature=0.9, top_p=0.5, cfg_filter_top_k=7
    )
    assert job.settings == {
        "max_length": 30 - max(PATTERN),
        "guidance_scale": 2,
        "do_sample": True,
        "temperature": 0.9,
        "top_p": 0.5,
        "top_k": 7,
    }
    assert jobs_of(synthesizer, "[S1] Hi.", temperature=0)[0].settings == {"do_sample": False}


def test_max_tokens_take_precedence_over_the_checkpoints_limit_of_new_rows():
    synthesizer = tiny_speech(ends=0, max_new_tokens=9)
    (job,) = jobs_of(synthesizer, "[S1] Hi.", max_tokens=30, seed=1)
    (long,) = jobs_of(synthesizer, "[S1] Hi.", max_tokens=30, seed=1, long_form=True)
    takes = speak_batch(synthesizer, [job, long])
    assert [len(take.codes) for take in takes] == [30 - max(PATTERN) - 2] * 2


def test_a_single_value_applies_to_every_text(synthesizer):
    codes = random_codes(4)[0]
    jobs = jobs_of(synthesizer, ["[S1] Hi.", "[S1] Ho."], audio_prompt=codes, audio_prompt_text="S1: La $5 ", seed=3)
    assert [job.voice.transcript for job in jobs] == ["[S1] La five dollars"] * 2
    assert [job.seed for job in jobs] == [3, 3]
    assert all(job.voice.prompt is codes for job in jobs)


def test_a_job_can_be_pickled(synthesizer):
    (job,) = jobs_of(synthesizer, "[S1] Hi.", audio_prompt=random_codes(4)[0], audio_prompt_text="[S1] La.", seed=3)
    sent = pickle.loads(pickle.dumps(job))
    assert (sent.script, sent.seed, sent.settings) == (job.script, job.seed, job.settings)
    assert torch.equal(sent.voice.prompt, job.voice.prompt)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "[S1] And this is new.",
            ["must begin with the words of the recording (4.0 s)", "It is too short for that"],
        ),
        ("[S1] " + "What is said in the recording. " * 6, ["must begin with the words of the recording (4.0 s)"]),
        ("[S1] Hi. [pause:1s] Ho.", ["It is too short", "pauses of the script are ignored"]),
        ("[S1] " + "These are some words. " * 30, ["It is too long for one pass"]),
    ],
    ids=["short", "holds the words", "with a pause", "long"],
)
@pytest.mark.parametrize("long_form", [None, False])
def test_a_missing_transcript_is_a_single_remark(synthesizer, text, facts, long_form):
    recording = random_codes(round(4 * synthesizer.processor.frame_rate))[0]
    (job,) = jobs_of(synthesizer, text, None, long_form, audio_prompt=recording)
    (remark,) = [one for one in job.remarks if "audio_prompt_text" in one]
    assert [fact for fact in facts if fact not in remark] == []
    assert ("too short" in remark) == ("too short" in " ".join(facts))
    assert len(job.remarks) == 1
    assert not any("audio_prompt_text" in one for one in jobs_of(synthesizer, text)[0].remarks)


TOO_LONG = (
    r" lasts \d\.\d s, but max_tokens=100 allows 0\.5 s including the generated speech\. Raise max_tokens, or use"
)


@pytest.mark.parametrize("text", ["[S1] Hi.", "[S1] " + "These are some words. " * 10])
@pytest.mark.parametrize("words", ["[S1] La.", None])
def test_a_prompt_too_long_for_max_tokens_is_rejected_before_it_is_encoded(synthesizer, monkeypatch, text, words):
    monkeypatch.setattr(DiaProcessor, "encode_audio", lambda *_: pytest.fail("it was encoded"))
    sound = talking(1.2, rate=RATE)
    options = {"audio_prompt": sound, "audio_prompt_text": words, "max_tokens": 100}
    with pytest.raises(ValueError, match=f"audio_prompt{TOO_LONG}"):
        jobs_of(synthesizer, text, None, False, **options)
    with pytest.raises(ValueError, match=rf"audio_prompt\[1\]{TOO_LONG}"):
        jobs_of(
            synthesizer,
            ["[S1] Hi."] * 2,
            audio_prompt=[None, sound],
            audio_prompt_text=[None, words],
            max_tokens=100,
        )


def test_a_prompt_that_fits_in_max_tokens_is_accepted(synthesizer):
    delay = max(synthesizer.model.config.delay_pattern)
    prompt, least = random_codes(40)[0], 40 + delay + 3  # a row of BOS, a frame, a row of EOS
    voice = {"audio_prompt": prompt, "audio_prompt_text": "[S1] La."}
    (job,) = jobs_of(synthesizer, "[S1] Hi.", **voice, max_tokens=least)
    assert len(make_take(synthesizer, job.line, 1, job.settings).codes) <= 1
    with pytest.raises(ValueError, match=r"audio_prompt lasts 0\.2 s, but max_tokens=45 allows 0\.2 s"):
        jobs_of(synthesizer, "[S1] Hi.", **voice, max_tokens=least - 1)


def test_max_tokens_apply_to_each_part_of_the_long_form(synthesizer):
    voice = {"audio_prompt": random_codes(300)[0], "audio_prompt_text": "[S1] La.", "max_tokens": 100}
    assert jobs_of(synthesizer, "[S1] Hi. [pause:1s] Ho.", **voice)[0].long_form
    with pytest.raises(ValueError, match=r"but max_tokens=100 allows 0\.5 s"):
        jobs_of(synthesizer, "[S1] Hi. Ho.", **voice)


def test_limits_of_a_single_pass_are_remarks(synthesizer):
    (job,) = jobs_of(synthesizer, "[S1] Hi. [pause:1s] Ho.", long_form=False)
    assert any("pauses of the script are ignored (long_form=False)" in remark for remark in job.remarks)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"speaking_rate": 9}, ValueError, "speaking_rate=9 must be a number from 0.5 to 2"),
        ({"speaking_rate": True}, TypeError, "speaking_rate is True"),
        ({"max_tokens": float("inf")}, TypeError, "max_tokens is inf"),
        ({"max_tokens": 4}, ValueError, "max_tokens=4 must be"),
        ({"top_p": 0}, ValueError, "top_p=0"),
        ({"normalize": "no"}, TypeError, "normalize is 'no'"),
        ({"seed": 2**64}, ValueError, "64 bits"),
        ({"seed": 1.5}, TypeError, "seed is 1.5"),
        ({"pitch": 3}, TypeError, "unknown option pitch; expected one of audio_prompt"),
        ({"audio_prompt_text": "[S1] La."}, ValueError, "audio_prompt_text is the transcript of audio_prompt"),
        ({"voice": "clara", "audio_prompt": "a.wav"}, ValueError, "voice cannot be combined with audio_prompt"),
        ({"voice": "nobody"}, ValueError, "there is no voice 'nobody'"),
    ],
)
def test_an_invalid_option_is_named(synthesizer, options, error, message):
    with pytest.raises(error, match=message):
        jobs_of(synthesizer, "[S1] Hi.", **options)


@pytest.mark.parametrize(
    ("text", "error"), [("", ValueError), ([], ValueError), (7, TypeError), (["a", 7], TypeError)]
)
def test_an_invalid_text_is_named(synthesizer, text, error):
    with pytest.raises(error, match="text"):
        jobs_of(synthesizer, text)
