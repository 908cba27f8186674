"""A script is spoken in one pass where that is enough, and part after part where it is not."""

import threading

import numpy as np
import pytest
from tiny_codec import random_codes, tiny_processor
from tiny_speech import tiny_speech

from dia.synthesis import takes
from dia.synthesis.joining import as_one
from dia.synthesis.request import request_of
from dia.synthesis.speak import Reading, is_long, kept_in, reading_of, speak, streamed, too_long
from dia.synthesis.synthesizer import Speech
from dia.synthesis.takes import Care, Line, make_take
from dia.text.script import parse

SHORT = parse("[S1] Hi there. [S2] Yes.")
LONG = parse(" ".join(f"[S{1 + number % 2}] These are some words." for number in range(10)))


@pytest.fixture(scope="module")
def speech():
    return tiny_speech(pass_seconds=6.0)


@pytest.fixture(autouse=True)
def never_wrong(monkeypatch):
    monkeypatch.setattr(takes, "faults", lambda performance: ())


def voice_of(speech, seconds):
    return Line("", random_codes(round(seconds * speech.processor.frame_rate))[0], "[S1] La.") if seconds else None


@pytest.mark.parametrize(
    ("script", "voice", "long"),
    [
        (SHORT, 0.0, False),
        (LONG, 0.0, True),
        (SHORT, 5.5, True),
        (parse("[S1] Hi. [pause:1s] Ho."), 0.0, True),
    ],
    ids=["short", "long", "behind a long voice", "with a pause"],
)
def test_the_long_form_is_for_what_a_pass_does_not_speak_well(speech, script, voice, long):
    assert is_long(speech, Reading(script, voice_of(speech, voice))) == long
    request = request_of(speech, str(script), **prompted(speech, voice))
    assert too_long(speech, request) == long


def prompted(speech, seconds):
    voice = voice_of(speech, seconds)
    return {"audio_prompt": voice.prompt, "audio_prompt_text": voice.transcript} if voice else {}


def test_where_it_is_not_known_what_a_prompt_says_there_is_no_long_form(speech):
    request = request_of(speech, str(LONG), audio_prompt=random_codes(9)[0])
    assert not too_long(speech, request)
    with pytest.raises(ValueError, match="audio_prompt_text is missing"):
        reading_of(speech, request)


def test_without_a_codec_there_is_no_long_form(speech):
    mute = Speech(speech.model, tiny_processor())
    assert not too_long(mute, request_of(mute, str(LONG)))


def test_a_request_is_understood_as_a_script(speech):
    request = request_of(speech, ["[S1] Hi.", "S2: It is 5."], seed=[1, 2], temperature=0.5, **prompted(speech, 1))
    reading = reading_of(speech, request, 1, Care(retries=3), long_form=True)
    assert reading.script.spoken == "[S2] It is five."
    assert reading.voice.transcript == "[S1] La."
    assert (reading.seed, reading.settings["temperature"], reading.care.retries) == (2, 0.5, 3)


def test_a_speech_whose_parts_are_kept_keeps_its_seed(speech, tmp_path):
    first, kept = kept_in(tmp_path / "parts", speech, Reading(LONG))
    assert first.seed == kept.seed is not None
    again, _ = kept_in(tmp_path / "parts", speech, Reading(LONG))
    assert again.seed == first.seed
    with pytest.raises(ValueError, match="care, voice differ"):
        kept_in(tmp_path / "parts", speech, Reading(LONG, voice_of(speech, 1), care=Care(retries=1)))


def test_a_short_script_is_one_take(speech):
    take = as_one(speak(speech, Reading(SHORT, seed=3)))
    plain = make_take(speech, Line(SHORT.spoken), seed=3)
    assert np.array_equal(take.audio, plain.audio)
    assert take.turns == plain.turns


def test_a_long_script_is_one_take_of_many_parts(speech):
    take = as_one(speak(speech, Reading(LONG, seed=3)))
    assert [turn.text for turn in take.turns] == [turn.text for turn in LONG.turns]
    starts = [turn.start for turn in take.turns]
    assert starts == sorted(starts)
    assert len(take.attempts) > 1
    assert take.turns[-1].end <= take.seconds


def test_the_long_form_may_be_asked_for_or_refused(speech):
    assert len(list(speak(speech, Reading(LONG, seed=3, long_form=False)))) == 1
    assert len(list(speak(speech, Reading(SHORT, seed=3, long_form=True)))) == 1
    once, again = (as_one(speak(speech, Reading(SHORT, seed=3, long_form=long))) for long in (True, False))
    assert np.array_equal(once.audio, again.audio)


def test_a_voice_goes_before(speech):
    voice = Line("", random_codes(12)[0], "[S1] La la.")
    take = as_one(speak(speech, Reading(SHORT, voice, seed=3)))
    plain = make_take(speech, Line(SHORT.spoken, voice.prompt, voice.transcript), seed=3)
    assert np.array_equal(take.audio, plain.audio)


def test_a_pause_is_in_the_audio_of_the_whole(speech):
    take = as_one(speak(speech, Reading(parse("[S1] Hi. [pause:1s]"), seed=3)))
    assert (take.audio[-take.sampling_rate :] == 0).all()
    assert take.seconds > 1


def test_what_is_wrong_with_a_part_is_told_with_its_number(speech, monkeypatch):
    monkeypatch.setattr(takes, "faults", lambda performance: ("is silent",))
    take = as_one(speak(speech, Reading(LONG, seed=3, care=Care(retries=1))))
    assert take.warnings[1].startswith("part 2 of ")
    assert take.warnings[1].endswith("is silent")


def computing_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("dia.")]


def test_a_long_script_is_heard_as_it_is_made_and_whoever_leaves_ends_the_work(speech):
    request = request_of(speech, str(LONG), seed=3)
    whole = np.concatenate(list(streamed(speech, request, long_form=True)))
    np.testing.assert_allclose(whole, as_one(speak(speech, Reading(LONG, seed=3))).audio, atol=1e-5)
    leaving = streamed(speech, request, long_form=True)
    first = next(leaving)
    np.testing.assert_allclose(first, whole[: len(first)], atol=1e-5)
    leaving.close()
    assert computing_threads() == []
