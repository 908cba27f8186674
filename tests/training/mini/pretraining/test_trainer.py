"""Training of the language model: scripts out of clips, labels, alignment, and a run that resumes where it stopped."""

import json
import random
import re

import pytest
import torch
from torch import nn

from dia.modeling_dia import DiaForConditionalGeneration
from dia.runtime.files.locks import exclusive_writer
from dia.text.lexicon import FIRST
from dia.tokenization_dia import BYTES
from dia.training.data.dialogues import SILENT_TAGS, compose
from dia.training.mini.pretraining.alignment import AttentionProbe
from dia.training.mini.pretraining.composer import GIVEN_FRAMES, Composer, Mixture
from dia.training.mini.pretraining.encoder_probe import EncoderProbe
from dia.training.mini.pretraining.initialization import first_model
from dia.training.mini.pretraining.trainer import Recipe, Trainer
from tests.training.mini.pretraining.tiny_training import clip, tiny_config, tiny_trainer


def test_places_of_later_clips_point_behind_the_earlier_text():
    script = compose([clip("ab"), clip("cd", "S2")], random.Random(0))
    assert bytes(script.ids[int(place)] for place in (script.places[0], script.places[3])) == b"ac"


def test_places_follow_when_a_tag_is_not_said_again():
    script = compose([clip("ab"), clip("cd")], random.Random(0))
    assert bytes(script.ids[int(place)] for place in (script.places[0], script.places[3])) == b"ac"


def test_a_speakers_tag_may_be_said_again():
    script = compose([clip("ab"), clip("cd")], random.Random(0), again=1.0)
    assert bytes(script.ids) == b"\1 ab \1 cd"
    assert script.ids[int(script.places[3])] == ord("c")


def test_a_soundless_tag_adds_text_and_no_frames():
    script = compose([clip("ab")], random.Random(0), tag=1.0)
    assert bytes(script.ids[2:]).decode().removeprefix("ab ") in SILENT_TAGS
    assert len(script.codes) == 3


LENGTHS = (*(("short", frames) for frames in (29, 30, 31)), *(("long", frames) for frames in (120, 125, 130)))


def test_composed_scripts_stay_below_the_longest_length():
    composer = Composer([clip("ab", s, 10) for s in ("S1", "S2")], seed=0)
    mixture = Mixture(few=0.0, many=1.0, continued=0.0, longest=25)
    assert {len(composer.script(mixture).codes) for _ in range(20)} == {20}


def test_other_voices_occur_only_after_a_prompt():
    own = [clip("own", speaker, 60) for speaker in ("S1", "S2")]
    others = [clip(f"v{number}", frames=60, seed=number)._replace(speaker=f"slt*{number}") for number in range(3)]
    composer = Composer(own + others, seed=0)
    alone = [composer.script(Mixture(continued=0.0)) for _ in range(40)]
    assert all(script.prompt == 0 and b"v" not in bytes(script.ids) for script in alone)
    given = [composer.script(Mixture(continued=1.0)) for _ in range(200)]
    assert {script.prompt for script in given} == {GIVEN_FRAMES, 60 + GIVEN_FRAMES}
    assert {bytes(script.ids)[0] for script in given} == {1, 2}
    assert any(b"v1" in bytes(script.ids) and b"v2" in bytes(script.ids) for script in given)


def test_a_voice_with_nine_times_as_many_clips_is_continued_three_times_as_often():
    many = [clip("much", frames=60, seed=number)._replace(speaker="slt*1") for number in range(9)]
    composer = Composer([*many, clip("rare", frames=60)._replace(speaker="slt*2")], seed=0)
    scripts = [bytes(composer.script(Mixture(continued=1.0, pair=0.0)).ids) for _ in range(400)]
    assert 0.68 < sum(b"much" in ids for ids in scripts) / len(scripts) < 0.82


def test_two_given_voices_go_on_in_any_order_with_short_turns_and_repeated_tags():
    clips = [clip(f"{length} {speaker}", speaker, frames) for speaker in ("S1", "S2") for length, frames in LENGTHS]
    composer = Composer(clips, seed=0)
    scripts = [composer.script(Mixture(continued=1.0, pair=1.0)) for _ in range(200)]
    assert max(len(script.codes) for script in scripts) <= Mixture().longest
    orders = {re.sub(rb"[^\1\2]", b"", bytes(script.ids)) for script in scripts}
    assert {b"\1\2\2", b"\1\2\1", b"\2\1\1\2"} <= orders
    short = sum(bytes(script.ids).count(b"short") for script in scripts)
    turns = sum(bytes(script.ids).count(b"long") for script in scripts) + short
    assert 0.3 < short / turns < 0.7
    assert max(bytes(script.ids).count(b"short") for script in scripts) > 2


def test_a_clip_comes_twice_in_a_continuation_only_if_the_voice_has_no_other():
    few = [clip(name, frames=60, seed=number)._replace(speaker="slt*1") for number, name in enumerate(("ab", "cd"))]
    composer = Composer([*few, clip("ef", frames=60)._replace(speaker="slt*2")], seed=0)
    scripts = [bytes(composer.script(Mixture(continued=1.0, pair=0.0)).ids) for _ in range(100)]
    counts = {name: {ids.count(name) for ids in scripts} for name in (b"ab", b"cd", b"ef")}
    assert counts[b"ab"] == counts[b"cd"] == {0, 1}
    assert 2 in counts[b"ef"]


def twins(text, frames=60, number=0):
    """A clip of each of two voices, which are each other's disguise."""
    first, second = (
        clip(text, frames=frames, seed=seed)._replace(speaker=f"slt*{seed}") for seed in (number, number + 1)
    )
    return [first._replace(disguised=second.codes), second._replace(disguised=first.codes)]


def in_turns(codes):
    """The bytes of each clip of 60 frames."""
    return [bytes(turn.contiguous().numpy()) for turn in codes.split(60)]


def test_in_disguise_later_turns_have_the_voice_of_the_script_and_a_history_in_another():
    clips = [*twins("ab"), *twins("cd"), *twins("ef"), clip("gh", frames=60, seed=5)._replace(speaker="slt*5")]
    composer = Composer(clips, seed=0)
    scripts = [composer.script(Mixture(continued=1.0, disguised=1.0, pair=0.0)) for _ in range(40)]
    assert {script.prompt for script in scripts} == {60}
    assert {len(script.codes) for script in scripts} == {180}
    same = set()
    for script in scripts:
        names = re.findall("[a-f]{2}", bytes(script.ids).decode())
        assert len(set(names)) == 3  # no clip twice
        same.add(
            tuple(own == read for own, read in zip(in_turns(script.codes), in_turns(script.history), strict=True))
        )
    assert same == {(True, False, False), (True, True, False)}
    longest = composer.script(Mixture(continued=1.0, disguised=1.0, pair=0.0, longest=150))
    assert len(longest.codes) == 120


def test_a_disguised_clip_has_the_shift_of_its_disguise():
    own, longer = (torch.full((frames, 3), value).short() for frames, value in ((60, 1), (61, 2)))
    first, second = twins("ab")
    shifted = first._replace(codes=[own, longer], places=[torch.zeros(60), torch.zeros(61)])
    composer, found = Composer([shifted, second, *twins("cd")], seed=0), set()
    for disguised in [0.0, 1.0] * 30:
        script = composer.script(Mixture(continued=1.0, disguised=disguised, pair=0.0))
        assert script.history is None or len(script.history) == len(script.codes) == 120
        found |= {(script.history is None, value) for value in (1, 2) if (script.codes == value).all(-1).any()}
    assert found == {(True, 1), (True, 2), (False, 1)}


def test_two_voices_in_disguise_have_a_prompt_each_and_alternate():
    clips = [*twins("ab"), *twins("cd"), *twins("ef")]
    composer = Composer(clips, seed=0)
    scripts = [composer.script(Mixture(continued=1.0, disguised=1.0, pair=1.0)) for _ in range(40)]
    assert {script.prompt for script in scripts} == {120}
    assert {len(script.codes) for script in scripts} == {360}
    voices = {bytes(one.codes[0].numpy()): one.speaker for one in clips}
    for script in scripts:
        assert re.sub(rb"[^\1\2]", b"", bytes(script.ids)) in {b"\1\2" * 3, b"\2\1" * 3}
        own, read = ([voices[turn] for turn in in_turns(codes)] for codes in (script.codes, script.history))
        first, second = own[:2]
        assert {first, second} == {"slt*0", "slt*1"}
        assert own == [first, second] * 3
        assert read in ([first, second, second, first, second, first], [first, second, first, second, second, first])
    longest = composer.script(Mixture(continued=1.0, disguised=1.0, pair=1.0, longest=300))
    assert len(longest.codes) == 240


def test_a_prompt_is_described_after_its_tag_and_its_positions_move(tmp_path):
    marks = "".join(chr(FIRST + number) for number in (7, 9))
    pool = [clip(f"word {number}", frames=60, seed=number)._replace(speaker="slt*1", marks=marks) for number in (1, 2)]
    for disguised in (0.0, 1.0):
        clips = [one._replace(disguised=one.codes) for one in pool]
        composer = Composer(clips, seed=0)
        for _ in range(20):
            script = composer.script(Mixture(continued=1.0, disguised=disguised, pair=0.0, described=1.0, again=1.0))
            tag, _, *ids = script.ids
            assert ids[:3] == [BYTES + 7, BYTES + 9, ord(" ")]
            assert BYTES + 7 not in ids[3:]
            assert ids.count(tag) == 1  # the turn that follows has no description
            assert script.places[0] == pytest.approx(2 + 3)
            assert script.places[60] == pytest.approx(2 + 3 + 6 + 1 + 2)
        plain = composer.script(Mixture(continued=1.0, disguised=disguised, pair=0.0, described=0.0, marks_alone=0.0))
        assert BYTES + 7 not in plain.ids


def test_two_prompts_have_their_own_descriptions(tmp_path):
    clips = [
        clip(f"{name}{number}", frames=60, seed=number)._replace(speaker=f"slt*{name}", marks=chr(FIRST + mark))
        for name, mark in (("a", 7), ("b", 9))
        for number in range(3)
    ]
    composer = Composer(clips, seed=0)
    for _ in range(20):
        ids = composer.script(Mixture(continued=1.0, pair=1.0, described=1.0)).ids
        for name, mark in (("a", 7), ("b", 9)):
            if ord(name) in ids:
                first = ids.index(ord(name))
                assert ids[first - 2 : first] == [BYTES + mark, ord(" ")]
                assert ids.count(BYTES + mark) in (1, 2)


def test_where_marks_alone_tell_the_voice_all_frames_are_in_another_one_and_have_a_loss():
    marks = {f"slt*{number}": chr(FIRST + 7 + number) for number in (0, 1)}
    clips = [one._replace(marks=marks[one.speaker]) for text in ("ab", "cd", "ef") for one in twins(text)]
    composer = Composer(clips, seed=0)
    for pair in (0.0, 1.0):
        mixture = Mixture(continued=1.0, disguised=1.0, pair=pair, described=0.0, marks_alone=1.0)
        for _ in range(10):
            script = composer.script(mixture)
            assert script.prompt == 0
            assert not any(
                own == read for own, read in zip(in_turns(script.codes), in_turns(script.history), strict=True)
            )
            voices = {bytes(one.codes[0].numpy()): one.speaker for one in clips}
            first = voices[in_turns(script.codes)[0]]
            assert script.ids[2] == BYTES + ord(marks[first]) - FIRST
    assert composer.script(Mixture(continued=1.0, disguised=1.0, pair=0.0, marks_alone=0.0)).prompt == 60


def test_without_disguises_voices_are_continued_as_usual():
    composer = Composer([clip("ab", frames=60), clip("cd", frames=60, seed=1)], seed=0)
    assert all(composer.script(Mixture(continued=1.0, disguised=1.0)).history is None for _ in range(20))


def test_both_speakers_speak_equally_often_whatever_the_number_of_their_clips():
    clips = [*(clip(f"first {number}", seed=number) for number in range(9)), clip("second", "S2")]
    composer = Composer(clips, seed=0)
    single = [bytes(composer.script(Mixture(few=0, many=0, continued=0)).ids)[0] for _ in range(400)]
    assert 160 < single.count(1) < 240  # [S1]; 360 if every clip were as likely


def test_the_curriculum_leaves_out_long_clips():
    composer = Composer([clip("short", frames=4), clip("long", frames=40)], seed=0)
    assert {len(composer.script(Mixture(few=0, many=0, continued=0), longest_clip=10).codes) for _ in range(20)} == {4}


def test_a_script_of_phones_has_their_ids():
    script = compose([clip(f"{chr(FIRST + 3)} a")], random.Random(0))
    assert script.ids == [1, 32, BYTES + 3, 32, ord("a")]


class OneLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.head_dim = 2
        self.q_proj, self.k_proj = nn.Identity(), nn.Identity()

    def forward(self, query, key):
        return self.q_proj(query), self.k_proj(key)


def test_the_alignment_term_is_small_only_where_attention_is_on_the_spoken_byte():
    layer = OneLayer()
    probe = AttentionProbe([layer])
    keys = torch.tensor([[[9.0, 0], [0, 9.0], [9.0, 9.0]]])
    layer(torch.tensor([[[9.0, 0], [0, 9.0]]]) - torch.tensor([[[0, 9.0], [9.0, 0]]]), keys)
    mask, weight = torch.ones(1, 3), torch.ones(1, 2)
    right = probe.loss(torch.tensor([[0.0, 1.0]]), mask, weight, width=0.3)
    wrong = probe.loss(torch.tensor([[1.0, 0.0]]), mask, weight, width=0.3)
    assert right < 0.01
    assert wrong > 4


def test_padding_takes_no_attention():
    layer = OneLayer()
    probe = AttentionProbe([layer])
    layer(torch.ones(1, 1, 2), torch.tensor([[[1.0, 0], [5.0, 5.0]]]))
    assert probe.loss(torch.zeros(1, 1), torch.tensor([[1, 0]]), torch.ones(1, 1)) == pytest.approx(0, abs=1e-6)


class Letters(nn.Module):
    """An encoder whose output is a weight of its own."""

    def __init__(self, length, width=8):
        super().__init__()
        self.letters = nn.Parameter(torch.randn(1, length, width, generator=torch.Generator().manual_seed(0)))

    def forward(self):
        return (self.letters,)


def test_the_encoder_probe_learns_codes_from_letters_alone_and_trains_the_encoder():
    encoder = Letters(4)
    torch.manual_seed(0)
    probe = EncoderProbe(encoder, 8, 5, learning_rate=1e-2)
    places, labels = torch.tensor([[0.2, 1.5, 2.5, 3.9]]), torch.tensor([[4, 1, 0, 2]])
    losses = []
    for _ in range(60):
        encoder()
        losses.append(probe.loss(places, torch.ones(1, 4), labels))
        losses[-1].backward()
        probe.step()
    assert losses[0] > 1
    assert losses[-1] < 0.01
    assert encoder.letters.grad.abs().min() > 0


def test_the_encoder_probe_has_no_loss_for_rows_without_weight_or_label():
    encoder = Letters(4)
    probe = EncoderProbe(encoder, 8, 5)
    encoder()
    places, labels = torch.zeros(1, 2), torch.tensor([[4, -100]])
    assert probe.loss(places, torch.tensor([[0, 1]]), labels) == 0
    assert probe.loss(places, torch.tensor([[1, 1]]), labels) > 0


def test_the_learning_rate_warms_up_and_falls_to_a_twentieth(tmp_path):
    trainer = tiny_trainer(tmp_path, warmup=10)
    assert trainer.rate_factor(0) == pytest.approx(0.1)
    trainer.clock.elapsed = 60.0
    assert trainer.rate_factor(100) == pytest.approx(0.05)


def test_muon_moves_the_matrices_of_layers_and_adamw_the_rest(tmp_path):
    trainer = tiny_trainer(tmp_path, learning_rate=1e-3)
    names = {parameter: name for name, parameter in trainer.model.named_parameters()}
    groups = trainer.create_optimizer().param_groups
    found = {names[weight]: (group["lr"], group["momentum"] > 0) for group in groups for weight in group["params"]}
    assert len(found) == len(names)
    assert {name for name, (_, muon) in found.items() if muon} == {
        name for name in found if ".layers." in name and "norm" not in name
    }
    assert {rate for name, (rate, _) in found.items() if "q_proj" in name} == {0.25e-3}
    assert {rate for name, (rate, muon) in found.items() if muon and "q_proj" not in name} == {1e-3}
    assert {rate for rate, muon in found.values() if not muon} == {0.6e-3}


@pytest.fixture
def quick(monkeypatch):
    """A clock that goes five seconds a step, so that a minute is twelve."""
    ticks = iter(range(10**6))
    monkeypatch.setattr("dia.training.mini.pretraining.trainer.UNTIMED_STEPS", 0)
    monkeypatch.setattr("dia.training.mini.pretraining.trainer.time.perf_counter", lambda: 5.0 * next(ticks))


@pytest.fixture
def finished(quick, tmp_path):
    trainer = tiny_trainer(tmp_path, learning_rate=1e-2, warmup=1, row_noise=(0.0, 0.0), report_minutes=0.5)
    trainer.run()
    return trainer


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_clock_ends_the_run_and_every_report_has_loss_and_gap(finished, tmp_path):
    assert finished.state.global_step == 12
    assert [line["minutes"] for line in lines(tmp_path)] == [0.5, 1.0]
    for line in lines(tmp_path):
        assert set(line) == {"minutes", "step", "rate", "train", "validation", "gap"}
        assert len(line["validation"]) == 3
        assert len(line["train"]) == 4
    first, last = (line["train"][0] for line in lines(tmp_path))
    assert last < first


def test_a_saved_model_is_the_running_average(finished, tmp_path):
    loaded = DiaForConditionalGeneration.from_pretrained(tmp_path / "model")
    for name, weight in loaded.named_parameters():
        assert torch.equal(weight, finished.average.weights[name])
        assert not torch.equal(weight, finished.model.get_parameter(name))


def test_a_run_goes_on_where_it_stopped(finished, quick, tmp_path):
    longer = tiny_trainer(tmp_path, minutes=1.5)
    longer.run()
    assert longer.state.global_step == 18
    assert lines(tmp_path)[-1]["minutes"] == 1.5


def test_two_runs_do_not_write_to_one_folder(quick, tmp_path):
    second = tiny_trainer(tmp_path)
    with exclusive_writer(tmp_path), pytest.raises(BlockingIOError, match="is being written by process"):
        second.run()
    assert second.state.global_step == 0


def test_the_encoder_probe_resumes_with_its_weights(finished, quick, tmp_path):
    longer = tiny_trainer(tmp_path, minutes=1.5)
    learned = finished.encoder_probe.head[0].weight.clone()
    loaded = []
    longer.encoder_probe.load = lambda path: (
        EncoderProbe.load(longer.encoder_probe, path),
        loaded.append(longer.encoder_probe.head[0].weight.clone()),
    )
    longer.run()
    assert torch.equal(loaded[0], learned)


def test_a_model_of_phones_is_trained_and_measured(quick, tmp_path):
    config = tiny_config()
    config.encoder_config.vocab_size = BYTES + 4
    clips = [clip(f"{chr(FIRST + number % 4)} a", ["S1", "S2"][number % 2], 4, seed=number) for number in range(8)]
    recipe = Recipe(minutes=0.5, rows=40, alignment_layers=(0, 1), report_minutes=0.5)
    trainer = Trainer(clips, clips, first_model(config, None, recipe.seed), recipe, tmp_path)
    before = trainer.model.get_encoder().embedding.weight[BYTES:].detach().clone()
    trainer.run()
    assert not torch.equal(trainer.model.get_encoder().embedding.weight[BYTES:], before)
    assert lines(tmp_path)[-1]["validation"]


def test_training_starts_with_the_weights_of_another_model(tmp_path):
    model = first_model(tiny_config(), None, 0)
    model.save_pretrained(tmp_path)
    started = first_model(tiny_config(), tmp_path, 1)
    assert all(torch.equal(weight, started.state_dict()[name]) for name, weight in model.state_dict().items())
    assert not torch.equal(first_model(tiny_config(), None, 1).logits_dense.weight, model.logits_dense.weight)


def test_a_model_to_start_with_gets_rows_for_new_text_ids(tmp_path):
    model = first_model(tiny_config(), None, 0)
    model.save_pretrained(tmp_path)
    wanted = tiny_config()
    wanted.encoder_config.vocab_size += 5
    started = first_model(wanted, tmp_path, 1)
    table, before = started.model.encoder.embedding, model.model.encoder.embedding.weight
    assert torch.equal(table.weight[:-5], before)
    assert 0.5 < table.weight[-5:].std() / before.std() < 1.5
    assert started.config.encoder_config.vocab_size == table.num_embeddings == len(before) + 5
    ids = torch.tensor([[1, len(before) + 4]])
    assert started(input_ids=ids, decoder_input_ids=torch.zeros(1, 1, 3).long()).logits.isfinite().all()
    started.save_pretrained(tmp_path / "longer")
    assert torch.equal(first_model(wanted, tmp_path / "longer", 2).model.encoder.embedding.weight, table.weight)


def test_a_model_of_another_shape_is_refused_as_a_start(tmp_path):
    first_model(tiny_config(), None, 0).save_pretrained(tmp_path)
    wanted = tiny_config()
    wanted.encoder_config.vocab_size -= 1
    with pytest.raises(ValueError, match="has another shape than these codes need"):
        first_model(wanted, tmp_path, 0)


def test_a_run_that_is_done_stays_as_it_is(finished, quick, tmp_path):
    tiny_trainer(tmp_path).run()
    assert len(lines(tmp_path)) == 2
