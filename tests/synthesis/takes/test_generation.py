"""Takes are trimmed, timed and checked; those with faults are retried; the best of several is returned."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny_codec import random_codes
from tiny_speech import tiny_speech

from dia.synthesis.synthesizer import PassResult
from dia.synthesis.takes import analysis, generation
from dia.synthesis.takes.alignment import Alignment
from dia.synthesis.takes.analysis import TakeAnalysis
from dia.synthesis.takes.generation import make_take, make_takes, restore_take, stream_take
from dia.synthesis.takes.take import Line, TakeOptions

LINE = Line("[S1] Hi there. [S2] Yes.")


@pytest.fixture(scope="module")
def synthesizer():
    return tiny_speech()


@pytest.fixture
def never_wrong(monkeypatch):
    monkeypatch.setattr(analysis, "faults", lambda check_input: ())


def wrong_until(monkeypatch, good_seed_count, fault="is silent"):
    """All takes before the given one have a fault."""
    made = []

    def faults(check_input):
        made.append(check_input)
        return () if len(made) >= good_seed_count else (fault,)

    monkeypatch.setattr(analysis, "faults", faults)
    return made


def test_a_take_contains_audio_codes_times_and_attempts(synthesizer):
    take = make_take(synthesizer, LINE, seed=3)
    assert take.audio.dtype == np.float32
    assert take.sampling_rate == synthesizer.processor.sampling_rate
    assert take.seed == 3
    assert take.codes.dtype == torch.int64
    assert [(turn.speaker, turn.text) for turn in take.turns] == [("S1", "Hi there."), ("S2", "Yes.")]
    assert all(0 <= turn.start <= turn.end <= take.seconds for turn in take.turns)
    assert take.warnings == take.attempts[0].faults


def test_its_codes_are_those_of_a_single_pass_with_the_same_seed(synthesizer):
    (plain,) = synthesizer([LINE.text], (), [3])
    assert torch.equal(make_take(synthesizer, LINE, seed=3).codes, plain.codes)


def test_the_same_seed_gives_the_same_take_alone_and_in_a_batch(synthesizer, never_wrong):
    best = make_take(synthesizer, LINE, seed=3, take_options=TakeOptions(best_of=4))
    alone = make_take(synthesizer, LINE, seed=best.seed)
    assert torch.equal(best.codes, alone.codes)
    np.testing.assert_allclose(best.audio, alone.audio, atol=1e-5)
    assert [attempt.seed for attempt in best.attempts] == [3, 4, 5, 6]


@pytest.mark.parametrize("settings", [{}, {"stopping_criteria": [lambda ids, _: torch.zeros(len(ids), dtype=bool)]}])
def test_a_line_that_reaches_its_own_limit_gives_the_same_take_next_to_a_longer_line(settings):
    endless = tiny_speech(ends=0.0, max_length=1500)
    lines = [Line("[S1] Hi."), Line("[S1] Hi. [S2] La la la."), Line("[S1] Ho.")]
    among = make_takes(endless, lines, [5, 6, 7], settings)
    assert len({len(take.codes) for take in among}) == 2
    for line, seed, take in zip(lines, [5, 6, 7], among, strict=True):
        alone = make_take(endless, line, seed, settings)
        assert torch.equal(take.codes, alone.codes)
        np.testing.assert_allclose(take.audio, alone.audio, atol=1e-5)
        assert take.warnings == alone.warnings


def test_without_a_seed_the_take_reports_the_random_one(synthesizer):
    take = make_take(synthesizer, LINE)
    assert torch.equal(make_take(synthesizer, LINE, seed=take.seed).codes, take.codes)
    torch.manual_seed(1)
    first = make_take(synthesizer, LINE).seed
    torch.manual_seed(1)
    assert make_take(synthesizer, LINE).seed == first


def test_a_take_with_faults_is_retried_with_the_next_seed(synthesizer, monkeypatch):
    made = wrong_until(monkeypatch, 3)
    take = make_take(synthesizer, LINE, seed=10, take_options=TakeOptions(retries=5))
    assert len(made) == 3
    assert take.seed == 12
    assert take.warnings == ()
    assert [attempt.faults for attempt in take.attempts] == [("is silent",), ("is silent",), ()]


def test_after_the_last_retry_the_take_with_the_fewest_faults_is_returned(synthesizer, monkeypatch):
    several = iter([("a", "b"), ("a",), ("a", "b", "c")])
    monkeypatch.setattr(analysis, "faults", lambda check_input: next(several))
    take = make_take(synthesizer, LINE, seed=10, take_options=TakeOptions(retries=2))
    assert (take.seed, take.warnings) == (11, ("a",))
    assert len(take.attempts) == 3


def test_retries_in_a_batch_have_their_own_seeds(synthesizer, monkeypatch):
    wrong_until(monkeypatch, 3)
    take = make_take(synthesizer, LINE, seed=10, take_options=TakeOptions(retries=1, best_of=2))
    assert [attempt.seed for attempt in take.attempts] == [10, 11, 12, 13]


def test_the_best_take_has_the_highest_attention_on_the_text(synthesizer, monkeypatch, never_wrong):
    scores = iter([0.2, 0.9, 0.5])

    def align(model, processor, text, codes, *known):
        path = np.linspace(0, len(text) - 1, len(codes)).astype(int)
        return Alignment(text, path, np.full(len(codes), next(scores), np.float32), processor.frame_rate)

    monkeypatch.setattr(analysis.alignment, "align", align)
    take = make_take(synthesizer, LINE, seed=10, take_options=TakeOptions(best_of=3))
    assert take.seed == 11
    assert [round(attempt.score, 2) for attempt in take.attempts] == [0.2, 0.9, 0.5]


def test_a_recognizer_ranks_the_takes(synthesizer, never_wrong):
    transcripts = iter(["nothing", "hi there", "hi there yes"])
    take_options = TakeOptions(best_of=3, recognizer=lambda audio, rate: next(transcripts))
    take = make_take(synthesizer, LINE, seed=10, take_options=take_options)
    assert take.seed == 12
    assert [round(attempt.score, 2) for attempt in take.attempts] == [0.0, 0.67, 1.0]


def test_speech_that_never_ends_is_cut_off_and_reported():
    text = Line("[S1] Hi.")
    never = tiny_speech(ends=0.0, max_length=30)
    take = make_take(never, text, seed=1)
    assert not take.ended
    assert "did not end by itself" in take.warnings[0]


def test_an_explicit_length_limit_is_used(synthesizer):
    endless = tiny_speech(ends=0.0)
    assert len(make_take(endless, LINE, seed=1, settings={"max_new_tokens": 12}).codes) == 12 - 3 - 1


def test_a_checkpoints_limit_of_new_rows_is_used_if_it_is_the_lower_one():
    def most(**settings):
        return TakeAnalysis(tiny_speech(ends=0.0, **settings), LINE, TakeOptions()).max_frames({})

    assert most(max_new_tokens=12) is None
    assert most(max_new_tokens=30_000) == most(max_length=30_000)
    assert len(make_take(tiny_speech(ends=0.0, max_new_tokens=12), LINE, seed=1).codes) == 12 - 3 - 1


def test_a_runaway_take_is_stopped_long_before_the_models_limit():
    endless = tiny_speech(ends=0.0, max_length=30_000)
    assert len(make_take(endless, Line("[S1] Hi."), seed=1).codes) < 3 * endless.processor.frame_rate


def test_a_prompt_is_continued_but_not_part_of_the_audio_or_times(synthesizer):
    prompt = random_codes(12)[0]
    line = Line("[S1] Yes.", prompt, "[S2] La la.")
    take = make_take(synthesizer, line, seed=3)
    (plain,) = synthesizer(["[S2] La la. [S1] Yes."], [prompt], [3])
    assert torch.equal(take.codes, plain.codes)
    assert [turn.text for turn in take.turns] == ["Yes."]


def test_the_closing_tag_is_added_if_the_checkpoint_expects_it(never_wrong):
    wants = tiny_speech(closing_tag=True)
    (plain,) = wants(["[S1] Hi there. [S2] Yes. [S1]"], (), [3])
    take = make_take(wants, LINE, seed=3)
    assert torch.equal(take.codes, plain.codes)
    assert [turn.text for turn in take.turns] == ["Hi there.", "Yes."]


def test_the_sound_of_the_closing_tag_is_removed(monkeypatch, never_wrong):
    wants = tiny_speech(closing_tag=True)
    text, rate, frame_rate = "[S1] Hi. [S2]", wants.processor.sampling_rate, wants.processor.frame_rate
    frames = round(2 * frame_rate)
    said = np.concatenate([np.ones(rate), np.zeros(rate // 2), np.ones(rate // 2)]).astype(np.float32) * 0.1
    path = np.interp(np.arange(frames), [0, frame_rate, 1.5 * frame_rate], [5, 7, 9]).astype(int)
    monkeypatch.setattr(type(wants), "sounds", lambda self, codes: [said for _ in codes])
    monkeypatch.setattr(
        analysis.alignment, "align", lambda *_: Alignment(text, path, np.ones(frames, np.float32), frame_rate)
    )
    take = make_take(wants, Line("[S1] Hi."), seed=1)
    assert take.seconds == pytest.approx(1.2, abs=0.02)


def test_a_take_is_restored_from_its_codes(synthesizer):
    take = make_take(synthesizer, LINE, seed=3, take_options=TakeOptions(retries=1))
    again = restore_take(
        synthesizer, LINE, PassResult(take.codes, take.ended), take.seed, take.attempts, TakeOptions(retries=1)
    )
    np.testing.assert_allclose(again.audio, take.audio, atol=1e-6)
    for field in ("turns", "warnings", "seed", "attempts", "start"):
        assert getattr(again, field) == getattr(take, field)


@pytest.mark.parametrize(
    ("wrong", "error", "named"),
    [
        ({"retries": -1}, ValueError, "retries=-1"),
        ({"retries": True}, TypeError, "retries"),
        ({"best_of": 0}, ValueError, "best_of=0"),
        ({"parts_at_once": 0}, ValueError, "parts_at_once=0"),
        ({"best_of": 1.5}, TypeError, "best_of"),
        ({"edge_seconds": -0.1}, ValueError, "edge_seconds"),
        ({"recognizer": "pocketsphinx"}, TypeError, "recognizer"),
    ],
)
def test_invalid_take_options_are_named(wrong, error, named):
    with pytest.raises(error, match=named):
        TakeOptions(**wrong)


def test_a_take_is_immutable(synthesizer):
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_take(synthesizer, LINE, seed=3).seed = 4


@pytest.mark.parametrize("seed", ["7", 1.5, True])
def test_an_invalid_seed_is_named(synthesizer, seed):
    with pytest.raises(TypeError, match="seed"):
        make_take(synthesizer, LINE, seed=seed)


def drained(generator):
    """Everything that a generator yields, and what it returns."""
    chunks = []
    while True:
        try:
            chunks.append(next(generator))
        except StopIteration as ended:
            return chunks, ended.value


@pytest.mark.parametrize("closing_tag", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_streamed_take_equals_the_take(closing_tag, seed, monkeypatch):
    monkeypatch.setattr(generation, "_CLOSING_TAG_SECONDS", 0.5)
    synthesizer = tiny_speech(ends=0, max_length=400, closing_tag=closing_tag)
    chunks, take = drained(stream_take(synthesizer, LINE, seed))
    whole = make_take(synthesizer, LINE, seed)
    assert torch.equal(take.codes, whole.codes)
    assert take.turns == whole.turns
    np.testing.assert_allclose(take.audio, whole.audio, atol=1e-5)
    assert len(chunks) > 1
    streamed = np.concatenate(chunks)
    np.testing.assert_allclose(streamed, take.audio[: len(streamed)], atol=1e-5)


def test_a_take_without_certain_audio_is_yielded_at_its_end(synthesizer):
    chunks, take = drained(stream_take(synthesizer, LINE, 3, {"max_length": 12}))
    assert chunks == []
    np.testing.assert_allclose(take.audio, make_take(synthesizer, LINE, 3, {"max_length": 12}).audio, atol=1e-5)
