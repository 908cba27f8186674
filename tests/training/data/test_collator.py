"""Examples and batches: delay, labels, dropped text, noise and prompts, all determined by the seed."""

import random

import numpy as np
import pytest
import torch
from tiny import BOS, CHANNELS, EOS, PAD, PATTERN, tiny_config
from torch.utils.data import DataLoader

from dia.decoding.grid import IGNORED, Channels
from dia.tokenization_dia import DiaTokenizer
from dia.training.data.collator import DiaCollator, grid_of
from dia.training.data.dataset import Examples, HeldOut, clips_of, hold_out
from dia.training.data.dialogues import Clip, compose
from dia.training.data.encoding import CodedClip

TINY = Channels.of(tiny_config())


def clip(text, speaker="ann", frames=4, shifts=1, seed=0):
    noise = torch.Generator().manual_seed(seed)
    return Clip([torch.randint(0, EOS, (frames, CHANNELS), generator=noise) for _ in range(shifts)], text, speaker)


def script(text="[S1] Hi.", frames=4, **changes):
    return compose([clip(text, frames=frames)], random.Random(0))._replace(**changes)


def plain(**changes):
    return DiaCollator(TINY, **{"text_dropout": 0.0, "multiple": 1, **changes})


def test_the_grid_closes_every_channel_with_eos_after_its_delay():
    assert grid_of(torch.tensor([[0, 1, 2], [3, 4, 5]]), Channels([0, 1, 2], BOS, EOS, PAD)).tolist() == [
        [BOS, BOS, BOS],
        [0, BOS, BOS],
        [3, 1, BOS],
        [EOS, 4, 2],
        [PAD, EOS, 5],
        [PAD, PAD, EOS],
    ]


def test_a_script_is_spelled_as_the_tokenizer_spells_it():
    clips = [clip("[S1] Hé. [S2] You too."), clip("[S2] Yes?"), clip("[S1] (laughs) No.")]
    assert (
        compose(clips, random.Random(0)).ids
        == DiaTokenizer()("[S1] Hé. [S2] You too. Yes? [S1] (laughs) No.")["input_ids"]
    )


def test_rows_of_a_batch_predict_the_next_row():
    batch = plain()([script(frames=4)])
    inputs, labels = batch["decoder_input_ids"][0], batch["labels"]  # [R, C], [C, R]
    for channel in range(CHANNELS):
        learned = labels[channel][labels[channel] != IGNORED]
        assert learned[-1] == EOS
        assert len(learned) == 4 + 1
        following = inputs[1:, channel]
        assert torch.equal(labels[channel, :-1][labels[channel, :-1] != IGNORED], following[following < BOS])


def test_shorter_clips_are_padded_on_the_right_and_not_learnt_from_there():
    batch = plain(multiple=4)([script(frames=3), script("[S1] Hello.", frames=9)])
    assert batch["input_ids"].shape == (2, 8)
    assert batch["decoder_input_ids"].shape == (2, 16, CHANNELS)
    assert batch["decoder_attention_mask"].sum(1).tolist() == [3 + 1 + max(PATTERN), 9 + 1 + max(PATTERN)]
    assert batch["labels"].shape == (2 * CHANNELS, 16)
    assert (batch["labels"] != IGNORED).sum().item() == CHANNELS * (3 + 1 + 9 + 1)


def test_a_prompt_may_have_no_loss():
    whole, half = plain()([script(frames=6)])["labels"], plain()([script(frames=6, prompt=2)])["labels"]
    for channel, delay in enumerate(PATTERN):
        assert (half[channel, : delay + 2] == IGNORED).all()
        assert torch.equal(half[channel, delay + 2 :], whole[channel, delay + 2 :])


def test_the_decoder_reads_the_history_and_learns_the_codes():
    own, other = script(frames=6, prompt=2), script(frames=6)._replace(codes=clip("b", frames=6, seed=9).codes[0])
    batch = plain()([own._replace(history=torch.cat([own.codes[:2], other.codes[2:]])), script(frames=3)])
    plainly, disguised = plain()([own, script(frames=3)]), plain()([other, script(frames=3)])
    assert torch.equal(batch["labels"], plainly["labels"])
    for channel, delay in enumerate(PATTERN):
        read = batch["decoder_input_ids"][0, :, channel]
        assert torch.equal(read[: delay + 3], plainly["decoder_input_ids"][0, : delay + 3, channel])
        assert torch.equal(read[delay + 3 :], disguised["decoder_input_ids"][0, delay + 3 :, channel])
    assert torch.equal(batch["decoder_input_ids"][1], plainly["decoder_input_ids"][1])


def test_dropped_text_is_zeros_under_the_same_mask():
    own = plain()([script(seed=1)])
    dropped = plain(text_dropout=1.0)([script(seed=1)])
    assert not dropped["input_ids"].any()
    assert torch.equal(dropped["attention_mask"], own["attention_mask"])
    assert torch.equal(dropped["labels"], own["labels"])


def test_text_is_dropped_as_often_as_asked():
    texts = DiaCollator(TINY)([script(seed=number) for number in range(400)])["input_ids"]
    assert (texts == 0).all(1).float().mean().item() == pytest.approx(0.15, abs=0.05)


def test_noise_replaces_codes_that_are_read_and_never_bos_eos_or_pad():
    own, noisy = plain()([script(frames=200, seed=1)]), plain(row_noise=0.7)([script(frames=200, seed=1)])
    given, inputs = own["decoder_input_ids"], noisy["decoder_input_ids"]
    assert torch.equal(inputs[given >= EOS], given[given >= EOS])
    assert 0.5 < (inputs[given < EOS] != given[given < EOS]).float().mean() < 0.75
    assert torch.equal(noisy["labels"], own["labels"])


def test_the_rows_to_be_replaced_are_those_of_few_scripts():
    scripts = [script(frames=50, seed=number) for number in range(100)]
    given, inputs = (collate(scripts)["decoder_input_ids"] for collate in (plain(), plain(row_noise=0.14)))
    replaced = ((inputs != given) & (given < EOS)).any(-1).float().sum(1) / 50
    assert (replaced > 0).float().mean().item() == pytest.approx(0.2, abs=0.1)
    assert replaced[replaced > 0].min() > 0.4


def test_alignment_has_weight_only_in_spoken_rows_with_text():
    scripts = [script(frames=3, seed=1), script(frames=6, seed=2)]
    assert plain(aligned=True)(scripts)["place_weight"].sum(1).tolist() == [4, 7]
    assert not plain(aligned=True, text_dropout=1.0)(scripts)["place_weight"].any()


def test_the_noise_of_a_script_is_the_same_in_any_batch():
    collate = plain(text_dropout=0.5, code_noise=0.3)
    alone = collate([script(frames=5, seed=7)])["decoder_input_ids"][0]
    among = collate([script(frames=20, seed=3), script(frames=5, seed=7)])["decoder_input_ids"][1]
    assert torch.equal(among[: len(alone)], alone)


def rows():
    codes = [np.full((3, CHANNELS), number, np.uint16) for number in range(4)]
    said = [("Hi.", "ann"), ("Hi.", "ann"), ("Hi.", "S2"), ("[S2] No.", "ann")]
    return [CodedClip(c, text, who, "train", "", 0.1) for c, (text, who) in zip(codes, said, strict=True)]


def test_the_same_words_in_the_same_voice_are_one_clip_at_several_shifts():
    assert [(len(clip.codes), clip.text) for clip in clips_of(rows())] == [
        (2, "[S1] Hi."),
        (1, "[S2] Hi."),
        (1, "[S2] No."),
    ]


def test_every_shift_is_chosen_in_some_epoch():
    examples = Examples([clip("[S1] Hi.", shifts=3)])
    seen = set()
    for epoch in range(20):
        examples.set_epoch(epoch)
        seen.add(tuple(examples[0].codes.flatten().tolist()))
    assert len(seen) == 3


def test_a_prompt_is_another_clip_of_the_same_voice_with_its_text_before():
    clips = [clip("[S1] One.", seed=1), clip("[S1] Two.", seed=2), clip("[S1] Far.", "bob", seed=3)]
    example = Examples(clips, prompt_dropout=0.0, learn_prompt=False)[0]
    assert bytes(example.ids[1:]) == b" Two. One."
    assert torch.equal(example.codes, torch.cat([clips[1].codes[0], clips[0].codes[0]]))
    assert example.prompt == 4
    assert Examples(clips, prompt_dropout=0.0)[0].prompt == 0
    assert bytes(Examples(clips, prompt_dropout=0.0)[2].ids[1:]) == b" Far."


def test_prompts_are_dropped_as_often_as_asked():
    clips = [clip(f"[S1] {number}.") for number in range(200)]
    lengths = [len(example.codes) for example in Examples(clips, prompt_dropout=0.3)]
    assert lengths.count(4) / 200 == pytest.approx(0.3, abs=0.1)


def test_a_prompt_that_would_exceed_the_limits_is_left_out():
    clips = [clip("[S1] One."), clip("[S1] Two.")]
    assert len(Examples(clips, prompt_dropout=0.0, longest=7)[0].codes) == 4
    assert len(Examples(clips, prompt_dropout=0.0, longest_text=10)[0].codes) == 4


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes")  # on a machine with one core
@pytest.mark.parametrize("workers", [0, 2])
def test_workers_see_the_same_examples_in_every_epoch(workers):
    examples = Examples([clip(f"[S1] {n}.", shifts=3, seed=n) for n in range(6)], seed=1, prompt_dropout=0.5)
    loader = DataLoader(
        examples, 3, collate_fn=DiaCollator(TINY, code_noise=0.2), num_workers=workers, persistent_workers=workers > 0
    )
    expected = Examples(examples.clips, seed=1, prompt_dropout=0.5)
    for epoch in range(2):
        examples.set_epoch(epoch)
        expected.set_epoch(epoch)
        for number, batch in enumerate(loader):
            wanted = DiaCollator(TINY, code_noise=0.2)([expected[3 * number + i] for i in range(3)])
            assert all(torch.equal(batch[name], wanted[name]) for name in wanted)


def test_held_out_clips_have_the_text_of_another_clip_in_their_voice():
    held = HeldOut([clip("[S1] One."), clip("[S1] Alone.", "bob"), clip("[S1] Two.")])
    assert [(bytes(one.ids[2:]), bytes(one.other[2:]), one.seed) for one in held] == [
        (b"One.", b"Two.", None),
        (b"Two.", b"One.", None),
        (b"Alone.", b"Alone.", None),
    ]


def test_every_voice_is_held_out_in_proportion_and_the_same_by_seed():
    clips = [clip(f"[S1] {n}.", "ann") for n in range(40)] + [clip(f"[S1] {n}.", "bob") for n in range(5)]
    learned, held = hold_out(clips, 0.1)
    assert [one.speaker for one in held] == ["ann"] * 4
    assert len(learned) == 41
    assert [one.text for one in hold_out(clips, 0.1)[1]] == [one.text for one in held]
    assert [one.text for one in hold_out(clips, 0.1, seed=1)[1]] != [one.text for one in held]


def test_other_clips_do_not_move_a_clip_from_training_to_the_held_out_ones():
    clips = [clip(f"[S1] {n}.") for n in range(20)]
    learned, held = ({one.text for one in part} for part in hold_out(clips, 0.1))
    for more in range(20, 24):
        added = hold_out([clip(f"[S1] {more}."), *reversed(clips)], 0.1)[1]
        assert not {one.text for one in added} & learned
    fewer = hold_out([one for one in clips if one.text not in list(learned)[:4]], 0.1)[1]
    assert {one.text for one in fewer} == held


def test_clips_of_one_transcript_are_told_apart_by_their_codes():
    clips = [clip("[S1]")._replace(codes=[torch.full((2, 3), number)]) for number in range(20)]
    chosen = [{int(one.codes[0][0, 0]) for one in hold_out(part, 0.1)[1]} for part in (clips, clips[::-1])]
    assert chosen[0] == chosen[1]
