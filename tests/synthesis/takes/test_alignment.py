"""Word times come from a non-decreasing path of the decoder's attention through the text."""

import numpy as np
import pytest
import torch
from tiny import tiny_model
from tiny_codec import random_codes, tiny_processor

from dia import MINI
from dia.decoding.grid import Channels, prefill
from dia.decoding.step.text_attention import TextAttention
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes import alignment
from dia.synthesis.takes.alignment import Alignment, TurnTime, WordTime, align, as_written, monotonic_path
from dia.text.script import Script, Turn, parse

TEXT = "[S1] One two. [S2] Three."


@pytest.fixture(scope="module")
def processor():
    return tiny_processor()


def reading(path, text=TEXT, frame_rate=10.0):
    return Alignment(text, np.array(path), np.ones(len(path), np.float32), frame_rate)


def steady(text=TEXT, frames_per_character=2):
    return reading(np.repeat(np.arange(len(text)), frames_per_character), text)


def test_the_path_stays_or_advances_and_follows_high_scores():
    picture = """
        #......
        .#.....
        .#.....
        ...#...
        ....#..
        ....#..
        ......#"""
    score = np.array([[float(mark == "#") for mark in row.strip()] for row in picture.split()])
    assert monotonic_path(score).tolist() == [0, 1, 1, 3, 4, 4, 6]


def test_the_path_does_not_go_back_for_a_high_score():
    score = np.eye(6)
    score[5] = [1, 0, 0, 0, 0, 0.5]
    assert (np.diff(monotonic_path(score)) >= 0).all()


def test_the_path_ends_where_the_speech_ends():
    score = np.eye(4, 12)
    assert monotonic_path(score)[-1] == 3


def test_few_frames_may_take_long_steps():
    assert monotonic_path(np.eye(30)[[0, 15, 29]])[-1] == 29


def test_all_heads_that_move_along_the_text_are_selected():
    along, still, back = np.eye(9), np.full((9, 9), 1 / 9), np.eye(9)[::-1]
    chosen = alignment._monotonic_heads(np.stack([still, back, along, still], axis=1).astype(np.float32))
    assert chosen.tolist() == [2]


def test_a_head_is_selected_even_if_all_move_against_the_text():
    assert alignment._monotonic_heads(np.eye(5, dtype=np.float32)[::-1, None]).tolist() == [0]


def test_heads_are_selected_up_to_a_number_and_near_the_best_one():
    drift = np.linspace(0, 1, 40, dtype=np.float32)[:, None] * np.array([1.0, 0.999, -1.0, *[1.0] * 9], np.float32)
    noise = np.zeros_like(drift)
    noise[::2, 1] = 0.2
    position = drift + noise
    attention = np.stack([1 - position, position], axis=-1)
    chosen = alignment._monotonic_heads(attention)
    assert len(chosen) == alignment._HEADS
    assert not {1, 2} & set(chosen.tolist())


def test_the_attention_equals_the_models_own_output(processor):
    model = tiny_model()
    codes = random_codes(9)[0]
    ids = processor.tokenizer([TEXT], return_tensors="pt")["input_ids"]
    rows = prefill([codes], 0, Channels.of(model.config), closed=True)[0][:, : len(codes)]
    with torch.no_grad():
        text = model.get_encoder()(input_ids=ids).last_hidden_state
        found = list(alignment._cross_attention(model, text, rows))
        model.set_attn_implementation("eager")
        told = model(input_ids=ids, decoder_input_ids=rows, output_attentions=True).cross_attentions
    for weights, own in zip(found, told, strict=True):
        np.testing.assert_allclose(weights, own[0].numpy(), atol=1e-5)


def test_attention_that_is_known_gives_the_same_alignment(processor):
    model, codes = tiny_model(), random_codes(12)[0]
    ids = processor.tokenizer([TEXT], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        known = alignment._attention(model, ids, codes)
    longer = torch.cat([known, torch.rand(3, *known.shape[1:])])  # rows after the last frame are not read
    found, wanted = align(model, processor, TEXT, codes, longer), align(model, processor, TEXT, codes)
    assert found.path.tolist() == wanted.path.tolist()
    assert found.attention.tolist() == wanted.attention.tolist()


def test_steps_attend_to_the_text_as_a_pass_of_the_model_does():
    model = DiaForConditionalGeneration.from_pretrained(MINI, dtype=torch.float32)
    synthesizer, text = Synthesizer(model, DiaProcessor.from_pretrained(MINI)), "[S1] Hello there."
    (made,) = synthesizer([text], seeds=[1])
    if made.attention is None:
        pytest.skip("the steps do not tell: no kernel on this machine")
    read = synthesizer.processor.tokenizer([text], return_tensors="pt", return_offsets_mapping=True)
    assert made.places.tolist() == read["offset_mapping"][0, :, 0].tolist()
    with torch.no_grad():
        wanted = alignment._attention(model, read["input_ids"], made.codes)
    torch.testing.assert_close(made.attention[: len(made.codes)], wanted, rtol=0, atol=1e-4)
    (continued,) = synthesizer([text], [made.codes[:20]], seeds=[1])
    assert continued.attention is None, "that of the prompt is not known"


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_steps_attend_to_the_text_whatever_the_default_dtype_is(dtype):
    kept = TextAttention(2, 3)
    torch.set_default_dtype(dtype)
    try:
        row = kept.next_row()
    finally:
        torch.set_default_dtype(torch.float32)
    assert (row.dtype, row.shape) == (torch.float32, (2, 3))


def test_attention_of_another_text_or_of_fewer_frames_is_refused(processor):
    model, codes = tiny_model(), random_codes(12)[0]
    ids = len(processor.tokenizer([TEXT])["input_ids"][0])
    for shape in ((11, 4, ids), (12, 4, ids + 1)):
        with pytest.raises(ValueError, match="attention is"):
            align(model, processor, TEXT, codes, torch.rand(shape))


def test_an_alignment_has_a_position_in_characters_for_every_frame(processor):
    codes = random_codes(12)[0]
    text = "[S1] Café é."
    found = align(tiny_model(), processor, text, codes)
    assert len(found.path) == len(found.attention) == 12
    assert (np.diff(found.path) >= 0).all()
    assert found.path.max() < len(text)
    assert ((found.attention >= 0) & (found.attention <= 1 + 1e-5)).all()


def test_no_codes_give_an_empty_alignment(processor):
    found = align(tiny_model(), processor, TEXT, random_codes(3)[0][:0])
    assert found.missing_words == "One two Three"
    assert [turn.end for turn in found.turns()] == [0.0, 0.0]


def test_turns_and_words_have_times():
    first, second = steady().turns()
    assert (first.speaker, first.text, second.speaker, second.text) == ("S1", "One two.", "S2", "Three.")
    assert [word.text for word in first.words] == ["One", "two"]
    one, two = first.words
    assert (one.start, one.end) == (1.0, 1.6)  # characters 5 to 8, two frames each, ten frames a second
    assert (two.start, two.end) == (1.8, 2.4)
    assert (first.start, first.end) == (1.0, 2.4)
    assert second.words == (WordTime("Three", 3.8, 4.8),)


def test_non_verbal_tags_are_words_and_apostrophes_do_not_split_words():
    text = "[S1] Don't! (clears throat) It's 3.5."
    assert [word.text for word in steady(text).turns()[0].words] == ["Don't", "(clears throat)", "It's", "3.5"]


def test_the_words_of_a_prompt_are_omitted_even_within_a_turn():
    (second,) = steady().turns(skip=len("[S1] One two."))
    assert second.speaker == "S2"
    first, _ = steady().turns(skip=len("[S1] One"))
    assert [word.text for word in first.words] == ["two"]


def test_a_tag_without_words_is_not_a_turn():
    assert len(steady(f"{TEXT} [S1]").turns()) == 2


def test_words_that_no_frame_reaches_are_reported():
    assert steady().missing_words == ""
    assert reading([0, 5, 8, 9, 10]).missing_words == "Three"


def test_skipped_words_have_no_length():
    first, second = reading([5, 6, 7, 19, 20, 23, 24]).turns()
    assert first.words[1].start == first.words[1].end == second.start


def test_turns_are_shifted_with_their_words_and_clipped_to_the_audio():
    turn = TurnTime("S1", "A b.", 1.0, 3.0, (WordTime("A", 1.0, 1.5), WordTime("b", 2.0, 3.0)))
    moved = turn.shifted(-1.2, latest=1.5)
    assert (moved.start, moved.end) == (0.0, 1.5)
    assert moved.words[0].end == pytest.approx(0.3)
    assert moved.words[1].end == 1.5


def shown(text, prompt="", read=None):
    """The times of a script after a prompt, if every character takes two frames."""
    script = parse(text)
    return steady(f"{prompt}{read or script.spoken}").turns(len(prompt), script)


@pytest.mark.parametrize(
    ("text", "turns", "words"),
    [
        ("[S1] I owe $5.", ["I owe $5."], ["I", "owe", "$5"]),
        ("[S1] A café in 2024.", ["A café in 2024."], ["A", "café", "in", "2024"]),
        ("[S1] “Yes” — 50%! [S2] No. 5", ["“Yes” — 50%!", "No. 5"], ["Yes", "50%", "No", "5"]),
        ("[S1] (Laughs) Mr. [laughs] Lee", ["(Laughs) Mr. [laughs] Lee"], ["(Laughs)", "Mr", "[laughs]", "Lee"]),
        ("[S1] Nari{n aa1 r iy0}, {y uw1}.", ["Nari, …."], ["Nari", "…."]),
        ("[S1] One. [S1] 2. [S2] 3.", ["One. 2.", "3."], ["One", "2", "3"]),
        ("[S1] It cost $ 5 then", ["It cost $ 5 then"], ["It", "cost", "$ 5", "then"]),
    ],
)
def test_times_refer_to_the_words_as_written(text, turns, words):
    found = shown(text)
    assert [turn.text for turn in found] == turns
    assert [word.text for turn in found for word in turn.words] == words


def test_a_written_word_lasts_as_long_as_all_its_spoken_words():
    (turn,) = shown("[S1] I owe $5.")
    (read,) = steady("[S1] I owe five dollars.").turns()
    assert turn.words[-1] == WordTime("$5", read.words[2].start, read.words[3].end)
    assert (turn.start, turn.end) == (read.start, read.end)
    assert turn.words[:2] == read.words[:2]


def test_the_words_of_a_prompt_are_omitted_from_the_written_words():
    found = shown("[S1] For $5.", prompt="[S1] It is ours. ", read="For five dollars.")
    assert [(turn.speaker, turn.text) for turn in found] == [("S1", "For $5.")]


def test_final_stops_and_closing_tags_change_nothing():
    found = shown("[S1] In 2024 [S2] yes", read="[S1] In twenty twenty-four. [S2] yes. [S1]")
    assert [(turn.text, len(turn.words)) for turn in found] == [("In 2024", 2), ("yes", 1)]


def test_a_stop_within_brackets_changes_nothing():
    (turn,) = shown("[S1] 5 it is (perhaps)", read="[S1] five it is (perhaps.)")
    assert [word.text for word in turn.words] == ["5", "it", "is", "(perhaps)"]


@pytest.mark.parametrize(
    ("skip", "turns"),
    [
        ("[S1] It cost", ["$5 then.", "In 2024."]),
        ("[S1] It cost five", ["$5 then.", "In 2024."]),
        ("[S1] It cost five dollars then.", ["In 2024."]),
    ],
)
def test_a_script_that_begins_with_the_transcript_yields_only_the_rest(skip, turns):
    script = parse("[S1] It cost $5 then. [S2] In 2024.")
    found = steady(script.spoken).turns(len(skip), script)
    assert [turn.text for turn in found] == turns


def test_if_the_words_differ_from_the_script_the_spoken_words_are_returned():
    spoken = steady("[S1] Quite other words.").turns()
    assert as_written(spoken, Script((Turn("S1", "five dollars.", shown="$5."),))) == spoken
