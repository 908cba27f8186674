"""The benchmark of exposure: fates and classes of words, codes drawn given the teacher's, and the command."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import CHANNELS, PATTERN, tiny_config, tiny_model
from tiny_codec import RATE, random_codes, tiny_codec, tiny_processor

BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "quality"
SCRIPTS = ["[S1] We met 2 cats.", "[S2] No."]


@pytest.fixture(autouse=True)
def _benchmarks_importable(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])


@pytest.fixture(scope="module")
def speaker():
    """A model that has room for twice the teacher's time and two seconds."""
    config = tiny_config()
    config.decoder_config.max_position_embeddings = 200
    processor = tiny_processor(tiny_codec((16, 20)))
    return SimpleNamespace(
        model=tiny_model(config),
        processor=processor,
        rate=RATE,
        codes=lambda audio: [processor.encode_audio([clip], sampling_rate=16_000)[0] for clip in audio],
    )


@pytest.fixture
def forcing(speaker):
    from evaluation.teacher_forcing import Forcing

    return Forcing(speaker, SCRIPTS, random_codes(9, 5))


@pytest.fixture
def greedy():
    from evaluation.teacher_forcing import Sampling

    return Sampling(temperature=0, guidance=2.0, top_k=10)


def equal(one, other):
    return all(torch.equal(first, second) for first, second in zip(one, other, strict=True))


def test_every_word_has_a_fate_and_insertions_a_place():
    from evaluation.word_outcomes import outcome

    one = outcome(["the", "cat", "sat", "on", "the", "mat"], ["the", "cat", "cat", "set", "on", "the"])
    assert one.fates == ("right", "right", "substituted", "right", "right", "deleted")
    assert one.inserted == ((1, "cat"),)
    assert one.errors == 3
    assert outcome(["no"], ["it", "never", "ends", "and", "goes", "on"]).errors == 1
    assert outcome(["no"], []).fates == ("deleted",)


def test_errors_agree_with_the_edit_distance():
    from evaluation.recognizer import edit_distance
    from evaluation.word_outcomes import outcome

    rng = np.random.default_rng(0)
    for _ in range(100):
        reference, heard = (list(rng.choice(list("abc"), size)) for size in rng.integers(1, 9, 2))
        one = outcome(reference, heard)
        edits = len(one.inserted) + sum(fate != "right" for fate in one.fates)
        assert (len(one.fates), edits) == (len(reference), edit_distance(reference, heard))


def test_skipped_and_repeated_stretches_are_counted():
    from evaluation.word_outcomes import kinds, outcome

    reference = ["i", "saw", "the", "dog", "in", "the", "garden"]
    skipped = outcome(reference, ["i", "saw", "the", "garden"])
    repeated = outcome(reference, ["i", "saw", "the", "dog", "the", "dog", "in", "the", "garden"])
    found = kinds([reference, reference], [skipped, repeated])
    assert (found.substituted, found.deleted, found.inserted) == (0, 3 / 5, 2 / 5)
    assert (found.skipped, found.repeated) == (50, 50)


def test_how_often_a_word_is_wrong_again_is_counted_over_pairs_of_seeds():
    from evaluation.word_outcomes import Word, outcome
    from exposure_report import Clips, again

    words = ["we", "met", "cats"]
    seeds = ["we met cats", "we met hats", "we bet hats"]
    outcomes = {"codec": [outcome(words, words)]} | {
        "free default" + (f", seed {seed}" if seed else ""): [outcome(words, heard.split())]
        for seed, heard in enumerate(seeds)
    }
    found = again(Clips(["a"], [[Word(word, frozenset(), 0.0) for word in words]], [[]]), outcomes)
    assert found["a word is wrong"].value == found["word error of all seeds"].value == 3 / 9
    assert found["… if it is wrong in another seed"].value == 2 / 6  # cats: 2 of 4, met: 0 of 2


def test_words_have_classes():
    from evaluation.word_outcomes import classed

    found = classed("In May, Emma paid $18.", "In May, Emma paid eighteen dollars.", {"in": 500, "paid": 7})
    names = dict(zip(["in", "may", "emma", "paid", "eighteen", "dollars"], found, strict=True))
    assert {"first word", "100 times or more in training", "1 to 3 letters"} <= names["in"]
    assert {"after a comma", "name", "never in training"} <= names["emma"]
    assert {"1 to 99 times in training", "4 to 6 letters"} <= names["paid"]
    assert {"last word", "written as digits"} <= names["dollars"]
    assert [word for word, classes in names.items() if "written as digits" in classes] == ["eighteen", "dollars"]
    assert all("in a sentence with digits" in classes for classes in found)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_forced_by_its_own_greedy_speech_the_model_repeats_it(forcing, greedy, guidance):
    from evaluation.teacher_forcing import Forcing

    sampling = replace(greedy, guidance=guidance)
    own = forcing.free(sampling, 0)
    assert min(map(len, own)) > 20
    again = Forcing(forcing.speaker, SCRIPTS, own)
    for made in (again.forced(sampling, 0), again.forced_fitting(sampling, 0)):
        # The end is not the model's, which runs to its limit.
        assert equal([codes[: -max(PATTERN)] for codes in made], [codes[: -max(PATTERN)] for codes in own])
    assert all(given <= 0 for given, _ in again.likelihoods(own))


def test_only_the_chosen_channels_are_drawn(forcing, greedy):
    for made in (forcing.forced(greedy, 0, [1]), forcing.forced_fitting(replace(greedy, temperature=1.0), 0, 2)):
        for codes, teacher in zip(made, forcing.codes, strict=True):
            assert not torch.equal(codes[:, 1], teacher[:, 1])
            assert torch.equal(codes[:, 2], teacher[:, 2])
    assert torch.equal(forcing.forced(greedy, 0, [1])[0][:, 0], forcing.codes[0][:, 0])


def test_a_given_channel_is_the_teachers_to_its_end(forcing, greedy):
    sampling = replace(greedy, temperature=1.0)
    assert equal(forcing.free(sampling, 0, forced_channels=CHANNELS), forcing.codes)
    first = forcing.free(sampling, 0, forced_channels=1)
    assert equal([codes[:, 0] for codes in first], [codes[:, 0] for codes in forcing.codes])
    assert not equal(first, forcing.codes)


def test_after_a_prefix_the_model_goes_on(forcing, greedy):
    made = forcing.free(greedy, 0, prefix=4)
    assert equal([codes[:4] for codes in made], [codes[:4] for codes in forcing.codes])
    assert not equal(made, forcing.codes)


def test_a_clip_is_the_same_whatever_is_drawn_beside_it(forcing, greedy):
    from evaluation.teacher_forcing import Forcing

    sampling = replace(greedy, temperature=1.0)
    alone = Forcing(forcing.speaker, SCRIPTS[1:], forcing.codes[1:])
    assert equal(alone.forced(sampling, 0), forcing.forced(sampling, 0)[1:])
    ends = min(len(alone.free(sampling, 0)[0]), len(forcing.free(sampling, 0)[1]))
    assert torch.equal(alone.free(sampling, 0)[0][:ends], forcing.free(sampling, 0)[1][:ends])


def test_a_channel_has_its_own_temperature_and_a_stuck_code_is_excluded():
    from evaluation.teacher_forcing import ChannelTemperature, LessRepetition

    scores = torch.ones(2 * CHANNELS, 4)
    divided = ChannelTemperature([1.0, 2.0, 4.0])(torch.zeros(2 * CHANNELS, 1), scores)
    assert divided[:, 0].tolist() == [1, 0.5, 0.25] * 2
    ids = torch.zeros(2 * CHANNELS, 20, dtype=torch.long)
    ids[CHANNELS] = torch.arange(20) % 4
    excluded = LessRepetition(6, CHANNELS)(ids, scores).isinf()
    assert excluded.nonzero().tolist() == [[0, 0]]


def test_the_mean_loss_is_that_of_training(forcing):
    from dia.decoding.grid import Channels, prefill, training_pair

    rows, mask = prefill(forcing.codes[:1], 0, Channels.of(forcing.speaker.model.config), closed=True)
    pair = training_pair(rows, mask, forcing.channels)
    ids = forcing.speaker.processor.tokenizer([SCRIPTS[0]], return_tensors="pt")["input_ids"]
    found = forcing.losses(0)
    assert found.shape == (3, CHANNELS, len(forcing.codes[0]))
    with torch.no_grad():
        logits = forcing.speaker.model(input_ids=ids, **{name: pair[name] for name in pair if name != "labels"}).logits
    each = torch.nn.functional.cross_entropy(logits.transpose(1, 2), pair["labels"], reduction="none")
    each[pair["labels"] == forcing.channels.eos] = 0
    assert torch.allclose(each.sum(-1), found[0].sum(-1), atol=1e-3)
    assert set(found[2].unique().tolist()) <= {0.0, 1.0}


@pytest.fixture
def run(monkeypatch, speaker):
    """The command on two sentences, a stub teacher and a stub recognizer that hears the teacher alone."""
    import exposure
    from evaluation.held_out import Item

    heard = []

    class Deaf:
        def __init__(self, threads):
            pass

        def hear(self, waveform, rate):
            heard.append(rate)
            return "we met two cats" if rate == 16_000 else "we we met two cats"

    def teacher(text, name):
        noise = np.random.default_rng(len(text)).standard_normal(8000)
        return Item(text, name, "sentence", (0.1 * noise).astype(np.float32))

    monkeypatch.setattr(exposure, "SEEDS", 2)
    monkeypatch.setattr(exposure, "Speaker", lambda folder: speaker)
    monkeypatch.setattr(exposure, "Whisper", Deaf)
    monkeypatch.setattr(exposure, "everyday", lambda count: ["We met 2 cats.", "We met two dogs."][:count])
    monkeypatch.setattr(exposure, "spoken_by_teacher", teacher)
    monkeypatch.setattr(exposure, "trained_counts", lambda: {"we": 500})

    def command(*arguments):
        heard.clear()
        monkeypatch.setattr(sys, "argv", ["exposure.py", *arguments])
        exposure.main()
        return len(heard)

    return command


def test_the_command_prints_a_table_and_makes_only_what_its_file_lacks(run, capsys, tmp_path):
    file = tmp_path / "exposure.json"
    wanted = ("--only", "forced default", "free default", "free default,", "free after 0.5 s", "--json", str(file))
    assert run("--count", "1", *wanted) == 2 * (2 + 1 + 2 + 1)
    printed = capsys.readouterr().out
    assert "| teacher | 0.0 [0.0, 0.0] |" in printed
    figures = json.loads(file.read_text())["figures"]
    codec = figures["conditions"]["codec"]
    assert codec["word error"][0] == 0.25
    assert (codec["deleted"], codec["inserted"], codec["repeated"]) == (0, 1, 100)
    assert figures["classes"]["100 times or more in training"]["codec"][0] == 0
    again = figures["again"]
    assert (again["a word is wrong"][0], again["word error of all seeds"][0], again["above the codec"][0]) == (
        0,
        0.25,
        0,
    )
    assert {"best of 2, likeliest", "best of 2, text", "best of 2, heard"} <= set(figures["conditions"])
    assert len(figures["channels"]) == CHANNELS
    assert run("--count", "2", *wanted) == 2 * (2 + 1 + 2 + 1)
    assert run("--count", "2", *wanted) == 0


def test_conditions_are_chosen_by_name_or_beginning():
    import exposure
    from evaluation.teacher_forcing import Sampling

    every = exposure.conditions(Sampling(), 8, 33.3)
    names = [one.name for one in every]
    assert len(set(names)) == len(names)

    def names_of(*given):
        return [one.name for one in exposure.chosen(every, given)]

    assert names_of() == names
    assert names_of("free default") == ["free default"]
    assert names_of("free default,") == [f"free default, seed {seed}" for seed in (1, 2, 3)]
    assert names_of("only 3", "given") == ["only 3", "given to 0", "given to 1", "given to 3"]
    assert names_of("sung") == []


def test_an_unknown_condition_is_an_error(run):
    with pytest.raises(SystemExit, match="no condition is called sung"):
        run("--only", "sung")


def test_results_of_another_checkpoint_are_refused(run, tmp_path):
    file = tmp_path / "exposure.json"
    file.write_text(json.dumps({"checkpoint": "other", "heard": {}}))
    with pytest.raises(ValueError, match="another checkpoint"):
        run("--count", "1", "--json", str(file))


def test_help_names_every_condition(run, capsys):
    import exposure
    from evaluation.teacher_forcing import Sampling

    with pytest.raises(SystemExit):
        run("--help")
    told = capsys.readouterr().out
    assert "apt-get install flite" in told
    beginnings = {one.name.split()[0] for one in exposure.conditions(Sampling(), 8, 33.3)}
    assert all(f"  {word} " in told for word in beginnings)
    with pytest.raises(SystemExit):
        run("--count", "0")
