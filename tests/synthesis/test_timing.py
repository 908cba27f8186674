"""Pieces of subtitles begin at the times of their cues, and end in time if their speech can be that fast."""

import warnings

import numpy as np
import pytest
from tiny_codec import random_codes
from tiny_speech import tiny_speech

from dia.audio.dsp.silence import loud
from dia.runtime.warnings import DiaWarning
from dia.synthesis import subtitles
from dia.synthesis.job import make_job, open_part_store
from dia.synthesis.parts.joining import Piece, join_pieces
from dia.synthesis.parts.planning import split_script
from dia.synthesis.request import jobs_of
from dia.synthesis.speak import speak, speak_batch, stream_job
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes import analysis
from dia.synthesis.takes.alignment import TurnTime, WordTime
from dia.synthesis.takes.take import Take
from dia.synthesis.timing import timed_pieces
from dia.text.script import parse
from dia.text.turns import CueTime

HERTZ, EDGE = 1000, 0.1


def piece(cue, seconds, ends_cue=True, start=0.0):
    """Sound of some seconds, between the silence at the ends of a take."""
    edge = np.zeros(round(EDGE * HERTZ), np.float32)
    sound = np.sin(np.arange(round(seconds * HERTZ)) * 0.9).astype(np.float32)
    audio = np.concatenate([edge, sound, edge])
    words = (WordTime("word", EDGE, EDGE + seconds),)
    turn = TurnTime("S1", "word", EDGE, EDGE + seconds, words)
    take = Take(audio, HERTZ, 1, random_codes(3)[0], True, 0.0, (turn,), (), ())
    return Piece(audio, HERTZ, start, (turn.shifted(start),), take, 0, 1, CueTime(*cue), ends_cue)


def timed(*given, rate=1.0):
    """The pieces, and the starts and ends of their sound in the whole."""
    made = list(timed_pieces(given, rate, EDGE))
    whole = np.concatenate([one.audio for one in made])
    assert [one.start for one in made] == pytest.approx(
        np.cumsum([0, *(len(one.audio) / HERTZ for one in made[:-1])]).tolist()
    )
    spans = []
    for one in made:
        sound = np.flatnonzero(loud(one.audio, HERTZ)) / 100
        spans.append((one.start + sound[0], one.start + sound[-1] + 0.01))
        (turn,) = one.turns
        assert (turn.start, turn.end) == pytest.approx(spans[-1], abs=0.03)
        assert (turn.words[0].start, turn.words[0].end) == (turn.start, turn.end)
    assert len(whole) / HERTZ == pytest.approx(spans[-1][1], abs=0.03)
    return made, spans


def test_the_silence_before_a_cue_lasts_until_its_time():
    _, spans = timed(piece(("1", 1.0, 4.0), 1.5), piece(("2", 5.0, 9.0), 2.0))
    assert spans == [pytest.approx((1.0, 2.5), abs=0.02), pytest.approx((5.0, 7.0), abs=0.02)]


def test_a_cue_at_zero_begins_at_once():
    _, spans = timed(piece(("1", 0.0, 2.0), 1.0))
    assert spans == [pytest.approx((0.02, 1.02), abs=0.02)]


def test_a_cue_is_as_fast_as_it_needs_to_be():
    made, spans = timed(piece(("1", 1.0, 2.0), 1.4), piece(("2", 2.0, 3.0), 1.9), piece(("3", 3.0, 4.0), 0.5))
    assert spans == [
        pytest.approx((1.0, 2.0), abs=0.04),
        pytest.approx((2.0, 3.0), abs=0.04),
        pytest.approx((3.0, 3.5), abs=0.04),
    ]
    assert made[0].take.seconds == pytest.approx(1.6 / 1.44, abs=0.01)
    assert made[2].take.seconds == pytest.approx(0.7, abs=0.01)


def test_a_cue_that_cannot_fit_runs_over_and_the_next_starts_later():
    with pytest.warns(DiaWarning) as caught:
        _, spans = timed(piece(("1", 1.0, 2.0), 3.0), piece(("end", 2.0, 4.0), 1.0))
    assert spans == [pytest.approx((1.0, 2.5), abs=0.04), pytest.approx((2.5, 3.5), abs=0.06)]
    (warning,) = caught
    assert str(warning.message) == (
        "cue 1: its words take 1.5 s at 2 times the speed, but its time is 1.0 s, so it ends 0.5 s late. Shorten the "
        "words, or give it more time."
    )


def test_a_cue_that_starts_late_catches_up():
    with pytest.warns(DiaWarning, match="^cue 1: "):
        _, spans = timed(piece(("1", 1.0, 2.0), 3.0), piece(("2", 2.0, 3.0), 0.8), piece(("3", 3.0, 4.0), 0.5))
    assert spans[1] == pytest.approx((2.5, 3.0), abs=0.06)
    assert spans[2] == pytest.approx((3.0, 3.5), abs=0.04)


def test_a_cue_whose_time_is_over_is_spoken_at_the_highest_speed():
    with pytest.warns(DiaWarning) as caught:
        _, spans = timed(piece(("1", 1.0, 2.0), 6.0), piece(("2", 2.0, 3.0), 1.0))
    assert spans[1] == pytest.approx((4.0, 4.5), abs=0.06)
    assert [str(warning.message)[:6] for warning in caught] == ["cue 1:", "cue 2:"]


def test_a_cue_without_an_end_has_its_natural_pace():
    _, spans = timed(piece(("1", 1.0, 1.0), 3.0))
    assert spans == [pytest.approx((1.0, 4.0), abs=0.02)]


def test_the_speaking_rate_is_the_usual_pace():
    _, spans = timed(piece(("1", 1.0, 4.0), 1.5), piece(("2", 5.0, 5.5), 0.9), rate=1.5)
    assert spans == [pytest.approx((1.0, 2.0), abs=0.03), pytest.approx((5.0, 5.5), abs=0.04)]


def test_slow_speech_is_no_slower_than_its_cue_allows():
    _, spans = timed(piece(("1", 1.0, 4.0), 1.0), piece(("2", 5.0, 6.0), 0.8), rate=0.5)
    assert spans == [pytest.approx((1.0, 3.0), abs=0.06), pytest.approx((5.0, 6.0), abs=0.06)]


def test_the_parts_of_a_cue_follow_each_other_at_one_speed():
    cue = ("1", 1.0, 3.0)
    made, spans = timed(piece(cue, 1.5, ends_cue=False), piece(cue, 1.5, start=1.7), piece(("2", 3.0, 4.0), 0.5))
    rate = (1.5 + 1.5 + 0.2 + 0.04) / 2
    assert made[0].take.seconds == pytest.approx(1.7 / rate, abs=0.01)
    assert spans[0] == pytest.approx((1.0, 1.0 + 1.5 / rate), abs=0.04)
    assert spans[1] == pytest.approx((3.0 - 1.5 / rate, 3.0), abs=0.05)
    assert spans[2] == pytest.approx((3.0, 3.5), abs=0.04)


def test_a_silent_take_does_no_harm():
    made = list(timed_pieces([piece(("1", 1.0, 2.0), 0.0), piece(("2", 3.0, 4.0), 0.5)], 1.0, EDGE))
    assert sum(len(one.audio) for one in made) / HERTZ == pytest.approx(3.52, abs=0.02)


# Whole jobs, with a model that speaks noise.

SRT = """1
00:00:01,000 --> 00:00:04,000
- Hi there.
- Yes?

2
00:00:05,000 --> 00:00:05,010
These are some words, some words.

3
00:00:12,000 --> 00:00:14,000
And the last one.
"""
TIMES = [1.0, 5.0, 12.0]


@pytest.fixture(scope="module")
def synthesizer():
    return tiny_speech(ends=0, max_length=1000, pass_seconds=6.0)


@pytest.fixture(autouse=True)
def never_wrong(monkeypatch):
    monkeypatch.setattr(analysis, "faults", lambda check_input: ())


def timed_job(synthesizer, **options):
    """A third of a second of speech for each cue."""
    options = {"text_format": "srt", "keep_timing": True, "max_tokens": 70, "seed": 3, **options}
    (job,) = jobs_of(synthesizer, SRT, **options)
    return job


def test_each_cue_is_a_part(synthesizer):
    script = parse(SRT, text_format="srt", keep_timing=True)
    parts = split_script(script, 6.0)
    assert [part.script.spoken for part in parts] == [
        "[S1] Hi there. [S2] Yes?",
        "[S1] These are some words, some words.",
        "[S1] And the last one.",
    ]
    assert [(part.cue.name, part.ends_cue, part.pause) for part in parts] == [(n, True, 0.0) for n in "123"]
    assert timed_job(synthesizer).long_form


def test_a_long_cue_has_several_parts_and_its_pauses():
    long = "1\n00:00:01,000 --> 00:01:04,000\n" + "These are some words. " * 9 + "[pause:1s] More. [pause:1s]\n"
    parts = split_script(parse(long, text_format="srt", keep_timing=True), 6.0)
    assert [(part.pause, part.ends_cue) for part in parts] == [(0.0, False), (0.0, False), (1.0, False), (0.0, True)]


@pytest.mark.filterwarnings("ignore:cue 2")
def test_every_entry_point_keeps_the_times(synthesizer):
    job = timed_job(synthesizer)
    take = join_pieces(speak(synthesizer, job))
    starts = [turn.start for turn in take.turns]
    assert [starts[0], starts[2], starts[3]] == pytest.approx(TIMES, abs=0.1)
    (together,) = speak_batch(synthesizer, [job])
    np.testing.assert_allclose(together.audio, take.audio, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(list(stream_job(synthesizer, job))), take.audio, atol=1e-4)


def test_the_cue_that_does_not_fit_is_named(synthesizer):
    with pytest.warns(DiaWarning, match=r"^cue 2: its words take .* at 2 times the speed, but its time is 0\.0 s"):
        list(speak(synthesizer, timed_job(synthesizer)))


@pytest.mark.filterwarnings("ignore:cue 2")
def test_subtitles_of_the_speech_show_the_words_of_each_cue_at_its_time(synthesizer):
    take = join_pieces(speak(synthesizer, timed_job(synthesizer)))
    cues = parse(subtitles.srt(take.turns), text_format="srt", keep_timing=True).turns
    assert [turn.shown for turn in cues] == [
        "Hi there.",
        "Yes?",
        "These are some words, some words.",
        "And the last one.",
    ]
    assert [cues[0].cue.start, cues[2].cue.start, cues[3].cue.start] == pytest.approx(TIMES, abs=0.1)


@pytest.mark.filterwarnings("ignore:cue 2")
def test_an_interrupted_run_resumes_only_with_the_same_cues(synthesizer, tmp_path):
    job, store = open_part_store(tmp_path / "parts", synthesizer, timed_job(synthesizer))
    whole = join_pieces(speak(synthesizer, job, store)).audio
    again, store = open_part_store(tmp_path / "parts", synthesizer, timed_job(synthesizer))
    np.testing.assert_array_equal(join_pieces(speak(synthesizer, again, store)).audio, whole)
    other = make_job(synthesizer, parse(SRT, text_format="srt"), seed=3)
    with pytest.raises(ValueError, match="contains finished parts of another request"):
        open_part_store(tmp_path / "parts", synthesizer, other)


def test_what_times_need_is_checked_before_the_work(synthesizer):
    options = {"text_format": "srt", "keep_timing": True}
    with pytest.raises(ValueError, match="keep_timing speaks each cue as a part, so long_form must not be False"):
        jobs_of(synthesizer, SRT, None, False, **options)
    with pytest.raises(TypeError, match="keep_timing is 1; expected True or False"):
        jobs_of(synthesizer, SRT, text_format="srt", keep_timing=1)
    with pytest.raises(ValueError, match="keep_timing needs the times of subtitles, but the text format is plain"):
        jobs_of(synthesizer, "[S1] Hello.", keep_timing=True)
    mute = Synthesizer(synthesizer.model, synthesizer.processor)
    mute.processor.audio_tokenizer, codec = None, mute.processor.audio_tokenizer
    try:
        with pytest.raises(ValueError, match="there is no codec, so keep_timing cannot be applied"):
            jobs_of(mute, SRT, **options)
    finally:
        mute.processor.audio_tokenizer = codec
    with pytest.raises(ValueError, match="audio_prompt_text is missing"):
        jobs_of(synthesizer, SRT, audio_prompt=random_codes(9)[0], **options)


def test_without_the_option_words_have_their_natural_pace(synthesizer):
    job = timed_job(synthesizer, keep_timing=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DiaWarning)
        take = join_pieces(speak(synthesizer, job))
    assert not job.script.is_timed
    assert [turn.pause for turn in job.script.turns] == [0.0, 0.0, 1.0, 0.0]
    assert take.turns[0].start < 0.5
