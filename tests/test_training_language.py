"""Training of the language model: scripts out of clips, labels, alignment, and a run that resumes where it stopped."""

import random
from itertools import islice

import pytest
import torch
from torch import nn

from dia.configuration_dia import DiaConfig
from dia.grid import Channels
from dia.modeling_dia import DiaForConditionalGeneration
from dia.tokenization_dia import DiaTokenizer
from dia.training.alignment import AttentionProbe, WordLengths, pieces_of
from dia.training.language import Recipe, Trainer, channels_of, disturb, measure, mini_config, validation_batches
from dia.training.scripts import Clip, Composer, Mixture, collate, compose, grid_of

BOS, EOS, PAD = 10, 8, 9
THREE = Channels([0, 1, 2], BOS, EOS, PAD)


def clip(text, speaker="S1", frames=3, channels=3, seed=0):
    codes = torch.randint(0, 8, (frames, channels), generator=torch.Generator().manual_seed(seed)).short()
    return Clip([codes], text, speaker, [torch.linspace(0, len(text), frames)])


def tiny_config():
    config = mini_config(8, 3).to_dict()
    small = {"num_hidden_layers": 2, "hidden_size": 16, "intermediate_size": 16, "head_dim": 4}
    cross = {"cross_head_dim": 4, "cross_hidden_size": 16}
    return DiaConfig(
        encoder_config={**config["encoder_config"], **small},
        decoder_config={**config["decoder_config"], **small, **cross},
        delay_pattern=[0, 1, 2],
    )


def tiny_trainer(folder, **changes):
    rng = random.Random(0)
    words = ["red", "blue", "dog", "cat"]
    clips = [clip(" ".join(rng.choices(words, k=2)), rng.choice(["S1", "S2"]), 4, seed=i) for i in range(8)]
    recipe = Recipe(minutes=1, rows=40, guided_layers=(0, 1), **changes)
    return Trainer(clips, clips, tiny_config(), recipe, folder)


def test_the_grid_closes_every_channel_with_eos_after_its_delay():
    grid = grid_of(torch.tensor([[0, 1, 2], [3, 4, 5]]), THREE)
    assert grid.tolist() == [
        [BOS, BOS, BOS],
        [0, BOS, BOS],
        [3, 1, BOS],
        [EOS, 4, 2],
        [PAD, EOS, 5],
        [PAD, PAD, EOS],
    ]


def test_a_script_is_spelled_as_the_tokenizer_spells_it():
    script = compose([clip("Hello."), clip("You too."), clip("Yes?", "S2")], random.Random(0))
    assert script.ids == DiaTokenizer()("[S1] Hello. You too. [S2] Yes?")["input_ids"]


def test_places_of_later_clips_point_behind_the_earlier_text():
    script = compose([clip("ab"), clip("cd", "S2")], random.Random(0))
    assert bytes(script.ids[int(place)] for place in (script.places[0], script.places[3])) == b"ac"


def test_a_soundless_tag_adds_text_and_no_frames():
    script = compose([clip("ab")], random.Random(0), tag=1.0)
    assert bytes(script.ids[2:]) == b"ab (laughs)"
    assert len(script.codes) == 3


def test_composed_scripts_stay_below_the_longest_length():
    composer = Composer([clip("ab", s, 10) for s in ("S1", "S2")], seed=0)
    mixture = Mixture(few=0.0, many=1.0, longest=25)
    assert {len(composer.script(mixture).codes) for _ in range(20)} == {20}


def test_a_gentle_beginning_leaves_out_long_clips():
    composer = Composer([clip("short", frames=4), clip("long", frames=40)], seed=0)
    assert {len(composer.script(Mixture(few=0, many=0), longest_clip=10).codes) for _ in range(20)} == {4}


def test_a_batch_is_padded_on_the_right_and_asks_alignment_of_spoken_rows_only():
    batch = collate([compose([clip("ab", frames=n)], random.Random(0)) for n in (3, 6)], THREE, multiple=4)
    assert batch.text.shape == (2, 4)
    assert batch.grid.shape == (2, 13, 3)
    assert (batch.grid[0, 7:] == PAD).all()
    assert batch.weight.sum(1).tolist() == [4, 7]


def test_words_marks_and_tags_are_pieces_and_the_closing_mark_is_none():
    assert [piece.key for piece in pieces_of("Wow. I'm (laughs) here!")] == ["wow", ".", "i'm", "(laughs)", "here"]


def test_word_lengths_are_found_by_regression():
    rng = random.Random(0)
    true = {"long": 20, "short": 5, "red": 9}
    texts = [" ".join(rng.choices(list(true), k=rng.randint(1, 4))) for _ in range(300)]
    frames = [sum(true[word] for word in text.split()) + 6 for text in texts]
    lengths = WordLengths(texts, ["S1"] * len(texts), frames, edge=3.0)
    assert lengths.residual < 0.5
    places = lengths.places("short long", "S1", 31)
    assert places[4] == pytest.approx(1.5, abs=0.5)
    assert (places[8:28] > 5.9).all()
    assert (places[1:] >= places[:-1]).all()


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


def test_dropped_text_is_zeros_under_the_same_mask_and_asks_no_alignment():
    batch = collate([compose([clip("ab")], random.Random(0)) for _ in range(4)], THREE)
    recipe = Recipe(text_dropout=1.0, code_noise=0.0)
    text, inputs, weight = disturb(batch, recipe, 0.0, EOS, torch.Generator().manual_seed(0))
    assert not text.any()
    assert not weight.any()
    assert torch.equal(inputs, batch.grid[:, :-1])


def test_noise_replaces_codes_and_never_bos_eos_or_pad():
    batch = collate([compose([clip("ab", frames=20)], random.Random(0))], THREE)
    _, inputs, _ = disturb(batch, Recipe(), 1.0, EOS, torch.Generator().manual_seed(0))
    given = batch.grid[:, :-1]
    assert torch.equal(inputs[given >= EOS], given[given >= EOS])
    assert (inputs[given < EOS] != given[given < EOS]).float().mean() > 0.7


def test_swapped_text_is_measured_with_the_text_of_another_row():
    config = tiny_config()
    torch.manual_seed(0)
    model = DiaForConditionalGeneration(config).eval()
    with torch.no_grad():
        model.model.encoder.embedding.weight.normal_(0, 3)
    same = [clip("same", seed=i) for i in range(2)]
    other = [clip("this", seed=0), clip("that", seed=1)]
    own, swapped = measure(model, validation_batches(same, channels_of(config)))
    assert torch.equal(own, swapped)
    own, swapped = measure(model, validation_batches(other, channels_of(config)))
    assert not torch.equal(own, swapped)


def test_a_resumed_run_has_the_same_next_loss_and_clock(tmp_path):
    first = tiny_trainer(tmp_path)
    batch = next(first._batches())
    first.train_step(batch)
    first.elapsed = 12.0
    first.save()
    expected = first.train_step(batch)
    second = tiny_trainer(tmp_path)
    assert second.resume()
    assert second.elapsed == 12.0
    assert second.train_step(batch) == expected


def test_the_learning_rate_warms_up_and_falls_to_a_twentieth(tmp_path):
    trainer = tiny_trainer(tmp_path, learning_rate=1.0, warmup=10)
    assert trainer.learning_rate() == pytest.approx(0.1)
    trainer.step, trainer.elapsed = 100, 60.0
    assert trainer.learning_rate() == pytest.approx(0.05)


def test_training_lowers_the_loss(tmp_path):
    trainer = tiny_trainer(tmp_path, learning_rate=1e-2, warmup=1, row_noise=(0.0, 0.0))
    losses = [trainer.train_step(batch)[0] for batch in islice(trainer._batches(), 25)]
    assert losses[-1] < losses[0] - 0.3


def test_a_saved_model_is_the_running_average(tmp_path):
    trainer = tiny_trainer(tmp_path)
    trainer.save()
    loaded = DiaForConditionalGeneration.from_pretrained(tmp_path / "model")
    for name, weight in loaded.state_dict().items():
        assert torch.equal(weight, trainer.average.state_dict()[name])
