"""A script is spoken in one pass if that is enough, and in parts otherwise."""

from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch
from tiny import threads_left
from tiny_codec import random_codes, tiny_processor
from tiny_speech import tiny_speech

from dia.runtime.warnings import DiaWarning
from dia.synthesis.job import make_job, open_part_store
from dia.synthesis.parts.joining import join_pieces
from dia.synthesis.request import jobs_of
from dia.synthesis.speak import speak, speak_batch, stream_job
from dia.synthesis.synthesizer import PassResult, Synthesizer
from dia.synthesis.takes import analysis
from dia.synthesis.takes.generation import make_take
from dia.synthesis.takes.take import Line, TakeOptions
from dia.text.script import parse

SHORT = parse("[S1] Hi there. [S2] Yes.")
TIMED = parse("1\n00:00:01,000 --> 00:00:02,000\nThese are words.\n", text_format="srt", keep_timing=True)
LONG = parse(" ".join(f"[S{1 + number % 2}] These are some words." for number in range(10)))


@pytest.fixture(scope="module")
def synthesizer():
    return tiny_speech(pass_seconds=6.0)


@pytest.fixture(autouse=True)
def never_wrong(monkeypatch):
    monkeypatch.setattr(analysis, "faults", lambda check_input: ())


def voice_of(synthesizer, seconds):
    return (
        Line("", random_codes(round(seconds * synthesizer.processor.frame_rate))[0], "[S1] La.") if seconds else None
    )


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
def test_scripts_that_are_too_long_for_a_pass_use_the_long_form(synthesizer, script, voice, long):
    assert make_job(synthesizer, script, voice_of(synthesizer, voice)).long_form == long
    (job,) = jobs_of(synthesizer, str(script), **prompted(synthesizer, voice))
    assert job.long_form == long


def prompted(synthesizer, seconds):
    voice = voice_of(synthesizer, seconds)
    return {"audio_prompt": voice.prompt, "audio_prompt_text": voice.transcript} if voice else {}


def test_without_a_transcript_there_is_no_long_form(synthesizer):
    (job,) = jobs_of(synthesizer, str(LONG), audio_prompt=random_codes(9)[0])
    assert not job.long_form
    (remark,) = job.remarks
    assert remark.startswith("audio_prompt_text is missing, ")
    assert "too long for one pass" in remark
    with pytest.raises(ValueError, match="audio_prompt_text is missing: the long form needs"):
        jobs_of(synthesizer, str(LONG), None, True, audio_prompt=random_codes(9)[0])
    with pytest.raises(ValueError, match="audio_prompt_text is missing: the long form needs"):
        make_job(synthesizer, TIMED, Line("", random_codes(9)[0]))


def test_without_a_codec_there_is_no_long_form_and_no_stream(synthesizer):
    mute = Synthesizer(synthesizer.model, tiny_processor())
    mute.processor.tokenizer = synthesizer.processor.tokenizer
    (job,) = jobs_of(mute, str(LONG))
    assert not job.long_form
    with pytest.raises(ValueError, match="there is no codec"):
        stream_job(mute, job)


def test_a_resumed_job_keeps_its_seed(synthesizer, tmp_path):
    first, store = open_part_store(tmp_path / "parts", synthesizer, make_job(synthesizer, LONG))
    assert first.seed == store.seed is not None
    again, _ = open_part_store(tmp_path / "parts", synthesizer, make_job(synthesizer, LONG))
    assert again.seed == first.seed
    store.save((0,), make_take(synthesizer, Line(SHORT.spoken), seed=first.seed))
    with pytest.raises(ValueError, match=r"retries was 0, now 1; another voice\."):
        open_part_store(
            tmp_path / "parts",
            synthesizer,
            make_job(synthesizer, LONG, voice_of(synthesizer, 1), take_options=TakeOptions(retries=1)),
        )


def test_a_short_script_is_one_take(synthesizer):
    take = join_pieces(speak(synthesizer, make_job(synthesizer, SHORT, seed=3)))
    plain = make_take(synthesizer, Line(SHORT.spoken), seed=3)
    assert np.array_equal(take.audio, plain.audio)
    assert take.turns == plain.turns


def test_the_pieces_of_a_long_script_join_to_one_take(synthesizer):
    take = join_pieces(speak(synthesizer, make_job(synthesizer, LONG, seed=3)))
    assert [turn.text for turn in take.turns] == [turn.text for turn in LONG.turns]
    starts = [turn.start for turn in take.turns]
    assert starts == sorted(starts)
    assert len(take.attempts) > 1
    assert take.turns[-1].end <= take.seconds


def test_the_long_form_can_be_forced_or_disabled(synthesizer):
    assert len(list(speak(synthesizer, make_job(synthesizer, LONG, seed=3, long_form=False)))) == 1
    assert len(list(speak(synthesizer, make_job(synthesizer, SHORT, seed=3, long_form=True)))) == 1
    once, again = (
        join_pieces(speak(synthesizer, make_job(synthesizer, SHORT, seed=3, long_form=long))) for long in (True, False)
    )
    assert np.array_equal(once.audio, again.audio)


def test_a_voice_precedes_the_script(synthesizer):
    voice = Line("", random_codes(12)[0], "[S1] La la.")
    take = join_pieces(speak(synthesizer, make_job(synthesizer, SHORT, voice, seed=3)))
    plain = make_take(synthesizer, Line(SHORT.spoken, voice.prompt, voice.transcript), seed=3)
    assert np.array_equal(take.audio, plain.audio)


def test_the_joined_audio_contains_the_pauses(synthesizer):
    take = join_pieces(speak(synthesizer, make_job(synthesizer, parse("[S1] Hi. [pause:1s]"), seed=3)))
    assert (take.audio[-take.sampling_rate :] == 0).all()
    assert take.seconds > 1


def test_a_fault_of_a_part_is_reported_with_its_number(synthesizer, monkeypatch):
    monkeypatch.setattr(analysis, "faults", lambda check_input: ("is silent",))
    take = join_pieces(speak(synthesizer, make_job(synthesizer, LONG, seed=3, take_options=TakeOptions(retries=1))))
    assert take.warnings[1].startswith("part 2 of ")
    assert take.warnings[1].endswith("is silent")


def test_a_long_script_is_streamed_and_closing_the_stream_stops_the_work(synthesizer):
    (job,) = jobs_of(synthesizer, str(LONG), None, True, seed=3)
    whole = np.concatenate(list(stream_job(synthesizer, job)))
    np.testing.assert_allclose(
        whole, join_pieces(speak(synthesizer, make_job(synthesizer, LONG, seed=3))).audio, atol=1e-5
    )
    leaving = stream_job(synthesizer, job)
    first = next(leaving)
    np.testing.assert_allclose(first, whole[: len(first)], atol=1e-5)
    leaving.close()
    assert threads_left() == []


@pytest.mark.parametrize("rate", [None, 1.25])
def test_all_entry_points_give_the_same_audio(synthesizer, rate):
    (short,), (long,) = (jobs_of(synthesizer, str(script), seed=3, speaking_rate=rate) for script in (SHORT, LONG))
    together = [take.audio for take in speak_batch(synthesizer, [short, long])]
    for job, audio in zip((short, long), together, strict=True):
        np.testing.assert_allclose(join_pieces(speak(synthesizer, job)).audio, audio, atol=1e-5)
        np.testing.assert_allclose(np.concatenate(list(stream_job(synthesizer, job))), audio, atol=1e-4)


def test_all_entry_points_warn_about_faults(synthesizer, monkeypatch):
    monkeypatch.setattr(analysis, "faults", lambda check_input: ("is silent",))
    for script in (SHORT, LONG):
        (job,) = jobs_of(synthesizer, str(script), seed=3)
        for way in (speak, stream_job, lambda synthesizer, job: speak_batch(synthesizer, [job])):
            with pytest.warns(DiaWarning, match=r"seed 3\) is silent. Try another seed or retries=2"):
                list(way(synthesizer, job))


def test_an_untranscribed_recording_without_new_speech_is_an_error(synthesizer, monkeypatch):
    (job,) = jobs_of(synthesizer, "[S1] Hi.", audio_prompt=random_codes(9)[0], seed=1)
    monkeypatch.setattr(Synthesizer, "__call__", lambda *_: [PassResult(torch.zeros(0, 3).long(), ended=True)])
    with pytest.raises(ValueError, match="nothing new was spoken"):
        list(speak(synthesizer, job))


@pytest.mark.parametrize("rate", [None, 1.5])
@pytest.mark.parametrize("script", [SHORT, LONG], ids=["short", "long"])
def test_a_stream_reports_the_pieces(synthesizer, script, rate):
    job, reported = make_job(synthesizer, script, seed=3, rate=rate), []
    sound = np.concatenate(list(stream_job(synthesizer, job, on_piece=reported.append)))
    spoken = list(speak(synthesizer, job))
    assert [piece.number for piece in reported] == list(range(len(spoken)))
    assert [piece.turns for piece in reported] == [piece.turns for piece in spoken]
    assert [len(piece.take.codes) for piece in reported] == [len(piece.take.codes) for piece in spoken]
    assert [piece.start for piece in reported] == [piece.start for piece in spoken]
    np.testing.assert_allclose(sound, np.concatenate([piece.audio for piece in reported]), atol=1e-4)


@pytest.mark.parametrize("script", [SHORT, LONG, TIMED], ids=["short", "long", "timed"])
def test_a_stream_whose_event_is_already_set_ends_quietly(synthesizer, script):
    cancel = Event()
    cancel.set()
    job = make_job(synthesizer, script, seed=3)
    whole = sum(map(len, stream_job(synthesizer, job)))
    assert sum(map(len, stream_job(replace(synthesizer, cancel=cancel), job))) < whole
    assert threads_left() == []


# A short script that the model ends by itself is one chunk.
@pytest.mark.parametrize(
    ("script", "settings"), [(SHORT, {"ends": 0.0, "max_length": 1500}), (LONG, {})], ids=["short", "long"]
)
def test_a_stream_ends_once_its_event_is_set_and_never_sets_it(script, settings):
    cancel, synthesizer = Event(), tiny_speech(pass_seconds=6.0, **settings)
    job = make_job(synthesizer, script, seed=3)
    cancellable = replace(synthesizer, cancel=cancel)
    whole = sum(map(len, stream_job(cancellable, job)))
    assert not cancel.is_set()
    chunks = stream_job(cancellable, job)
    first = len(next(chunks))
    cancel.set()
    assert first + sum(map(len, chunks)) < whole
    assert threads_left() == []
