"""Single passes: texts, prompts and seeds in, codes out, and whether the model ended by itself."""

import dataclasses
import threading

import numpy as np
import pytest
import torch
from tiny import CHANNELS, EOS, PATTERN, Rows, tiny_model
from tiny_codec import random_codes, tiny_codec, tiny_processor
from transformers import GenerationConfig

from dia.decoding import engine as engines
from dia.decoding.engine import Engine, EngineFull
from dia.synthesis.synthesizer import Cancelled, Synthesizer

SAMPLED = {"do_sample": True, "temperature": 1.2, "max_length": 40}


def synthesizer(loudness_of_the_end=1.0, codec=True):
    model = tiny_model()
    model.logits_dense.weight.data[EOS] *= loudness_of_the_end
    model.generation_config = GenerationConfig(**SAMPLED)
    return Synthesizer(model, tiny_processor(tiny_codec() if codec else None))


@pytest.fixture(scope="module")
def speaker():
    """Never ends on its own."""
    return synthesizer(0.0)


def test_codes_are_frames_without_the_prompt(speaker):
    prompt = random_codes(5)[0]
    alone, after = (speaker(["[S1] Hi."], prompts, [1])[0] for prompts in ([None], [prompt]))
    assert alone.codes.dtype == torch.int64
    assert len(alone.codes) == 40 - 2  # a row of BOS before and one of EOS after
    assert len(after.codes) == len(alone.codes) - len(prompt)
    assert not torch.equal(alone.codes[: len(after.codes)], after.codes)


def test_a_text_gives_the_same_codes_alone_and_in_a_batch(speaker):
    prompt = random_codes(5)[0]
    among = speaker(["[S1] Hi.", "[S2] You there?"], [prompt, None], [4, 5], {"max_new_tokens": 12})
    alone = speaker(["[S2] You there?"], (), [5], {"max_new_tokens": 12})
    assert torch.equal(among[1].codes, alone[0].codes)
    assert len(among) == 2


def test_each_text_may_have_its_own_limit(speaker):
    among = speaker(["[S1] Hi.", "[S2] You there?", "[S1] Ho."], (), [4, 5, 6], {}, None, [8, 12, None])
    assert [len(one.codes) for one in among] == [7, 11, 38]
    assert [one.ended for one in among] == [False] * 3
    (alone,) = speaker(["[S1] Hi."], (), [4], speaker.limited({}, 8))
    assert torch.equal(among[0].codes, alone.codes)


def test_a_batch_may_mix_texts_with_and_without_a_seed(speaker):
    first, second = (speaker(["[S1] Hi.", "[S1] Ho."], (), [None, 7]) for _ in range(2))
    assert torch.equal(first[1].codes, second[1].codes)


@pytest.mark.parametrize("prompt", [None, random_codes(5)[0]], ids=["alone", "after a prompt"])
def test_a_limit_too_short_for_a_frame_is_rejected_before_the_model_runs(speaker, monkeypatch, prompt):
    monkeypatch.setattr(type(speaker.model), "generate", None)
    with pytest.raises(ValueError, match=r"max_new_tokens=4 leaves no room for a frame .* use max_new_tokens=5"):
        speaker(["[S1] Hi."], [prompt], (), {"max_new_tokens": max(PATTERN) + 1})


def test_the_result_reports_which_texts_ended_by_themselves():
    assert synthesizer(2.5)(["[S1] Hi."], (), [2])[0].ended
    assert not synthesizer(0.0)(["[S1] Hi."], (), [2])[0].ended


@pytest.mark.parametrize("limit", [{}, {"max_length": 20}, {"max_new_tokens": 9}, {"max_length": 30, "top_k": 5}])
def test_reaching_the_length_limit_is_not_an_end(speaker, limit):
    assert [one.ended for one in speaker(["[S1] Hi.", "[S1] Ho."], [random_codes(3)[0], None], (), limit)] == [
        False
    ] * 2


def test_a_cancelled_pass_has_not_ended(speaker):
    stop = [lambda ids, _: torch.full((ids.shape[0],), ids.shape[1] >= 9)]
    spoken = speaker(["[S1] Hi."], settings={"stopping_criteria": stop})[0]
    assert not spoken.ended
    assert len(spoken.codes) == 9 - 1 - max(PATTERN)


def test_rows_go_to_the_streamer(speaker):
    streamer = Rows()
    speaker(["[S1] Hi."], (), [1], {"max_new_tokens": 9}, streamer)
    assert len(streamer.taken) == 1 + 9
    assert streamer.ended


def test_codes_are_decoded_to_audio(speaker):
    codes = random_codes(7, 4)
    one, other = speaker.sounds(codes)
    np.testing.assert_allclose(speaker.sound(codes[1]), other, atol=1e-5)
    assert one.dtype == np.float32
    assert len(speaker.sound(codes[0][:0])) == 0


def test_without_a_codec_there_are_codes_only():
    mute = synthesizer(codec=False)
    assert mute(["[S1] Hi."])[0].codes.shape[1] == CHANNELS
    with pytest.raises(ValueError, match="no codec"):
        mute.sound(random_codes(3)[0])


@pytest.mark.parametrize(
    ("texts", "prompts", "message"),
    [
        ([], (), "text"),
        (["[S1] Hi."], [None, random_codes(3)[0]], "prompts has 2 entries for 1 texts"),
        (["[S1] " + "a" * 100], (), "48"),
    ],
)
def test_invalid_arguments_are_rejected_by_name(speaker, texts, prompts, message):
    with pytest.raises(ValueError, match=message):
        speaker(texts, prompts)


def test_a_call_leaves_no_state(speaker):
    before = dataclasses.asdict(speaker).keys(), speaker.model.generation_config.to_dict()
    speaker(["[S1] Hi."], settings={"max_length": 20})
    assert (dataclasses.asdict(speaker).keys(), speaker.model.generation_config.to_dict()) == before


SHORT = {"max_new_tokens": 8}


@pytest.fixture
def small_engine(speaker, monkeypatch):
    """The model's engine, with 2 slots and room for 5 clips that wait."""
    with Engine(speaker.model, slots=2, waiting=5) as engine:
        monkeypatch.setitem(engines._engines, speaker.model, engine)
        yield engine


@pytest.mark.parametrize("waiting", [1, 5])
def test_a_list_may_be_longer_than_the_queue_of_the_engine(speaker, small_engine, waiting):
    small_engine._state.most_waiting = waiting
    texts, seeds = [f"[S1] Number {number}." for number in range(30)], list(range(30))
    spoken = speaker(texts, (), seeds, SHORT)
    assert len(spoken) == 30
    for number in (0, 7, 29):
        (alone,) = speaker([texts[number]], (), [seeds[number]], SHORT)
        assert torch.equal(spoken[number].codes, alone.codes)


def test_several_long_lists_share_the_queue_of_the_engine(speaker, small_engine):
    results = {}

    def run(seed):
        results[seed] = speaker(["[S1] Hi."] * 12, (), [seed] * 12, SHORT)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(results[seed]) for seed in (1, 2)] == [12, 12]


def test_a_list_fails_at_once_if_other_clips_fill_the_queue(speaker, monkeypatch):
    def full(*_, **__):
        raise EngineFull("full")

    monkeypatch.setattr(Engine, "submit", full)
    with pytest.raises(EngineFull):
        speaker(["[S1] Hi."] * 3, (), (), SHORT)


@pytest.fixture
def submitted(monkeypatch):
    """The requests that were submitted, and a list of changes to make to the next ones."""
    requests, changes, submit = [], [], Engine.submit

    def changed(self, request, *arguments, **options):
        requests.append(request)
        return submit(self, changes.pop()(request) if changes else request, *arguments, **options)

    monkeypatch.setattr(Engine, "submit", changed)
    return requests, changes


def test_an_error_ends_a_list_before_the_rest_is_spoken(speaker, small_engine, submitted):
    def fails():
        raise FloatingPointError("damaged")

    requests, changes = submitted
    changes.append(lambda request: dataclasses.replace(request, prefill=fails))
    with pytest.raises(FloatingPointError, match="damaged"):
        speaker(["[S1] Hi."] * 30, (), (), SHORT)
    assert len(requests) < 10


def test_cancelling_ends_a_list_before_the_rest_is_submitted(speaker, small_engine, submitted):
    cancel = threading.Event()
    requests, changes = submitted
    changes.append(lambda request: cancel.set() or request)
    with pytest.raises(Cancelled):
        dataclasses.replace(speaker, cancel=cancel)(["[S1] Hi."] * 30, (), (), SHORT)
    assert len(requests) < 10
