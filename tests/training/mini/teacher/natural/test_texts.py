"""Texts: sentences out of archives, everyday lines, and what never comes."""

import random
import re
from itertools import islice
from pathlib import Path

import pytest

from dia.text.english.normalization import spoken_form
from dia.training.mini.teacher.corpus import SEED_DIALOGUE, spoken_words
from dia.training.mini.teacher.natural.texts import everyday, prose
from dia.training.mini.teacher.natural.texts.mixture import SHARES, Texts, deck, key_of

EVERYDAY = Path(__file__).parents[5] / "benchmarks" / "quality" / "everyday.txt"
NAMES = ("Emma", "Ben")


def test_each_source_gives_its_sentences(archives):
    assert prose.sentences("melville", archives) == (
        "Call me what you like.",
        "The sea was calm, and Mr. Starbuck slept.",
        "Why not wake him?",
    )
    assert prose.sentences("addresses", archives) == ("We have 12 plans for the year.", "Now is the time to act.")
    assert prose.sentences("wordnet", archives) == ("the sea was calm", "a calm voice")
    assert "She sat down and smiled." in prose.sentences("austen", archives)
    assert prose.sentences("austen-turns", archives) == ("My dear Emma.", "we must go.")
    assert prose.names(archives) == ("Bay", "Emma", "Starbuck", "Unheardof")


def test_dashes_curly_quotes_and_stage_directions_do_not_reach_the_teacher():
    assert prose.split_sentences("“Stop!”—he cried (loudly), “it’s… here.” A--b.") == [
        '"Stop!", he cried, "it\'s... here."',
        "A, b.",
    ]


def test_abbreviations_do_not_end_a_sentence():
    assert prose.split_sentences("Dr. Wu saw J. Smith. He left.") == ["Dr. Wu saw J. Smith.", "He left."]


@pytest.mark.parametrize("section", ["lines", "product"])
@pytest.mark.parametrize("seed", range(5))
def test_every_slot_of_a_line_is_filled_and_can_be_spoken(seed, section):
    rng = random.Random(seed)
    for _ in range(100):
        line = everyday.line(rng, NAMES, section)
        assert "{" not in line
        assert not re.search(r"\d", spoken_form(line)), line


def test_an_answer_ends_with_a_mark_and_asks_where_it_is_a_question():
    answers = [everyday.answer(random.Random(seed), NAMES) for seed in range(300)]
    assert all(re.search(r"\w[.!?]$", answer) for answer in answers)
    assert {"?", ".", "!"} == {answer[-1] for answer in answers}
    assert all(answer.endswith("?") for answer in answers if answer.startswith("Why"))


def test_the_stream_is_reproducible_and_has_every_kind(archives, tmp_path):
    (never := tmp_path / "never.txt").write_text("")
    first, second = (list(islice(Texts(archives, never).stream(3), 200)) for _ in range(2))
    assert first == second
    assert {text.kind for text in first} == set(SHARES)
    assert not [text.spoken for text in first if re.search(r"\d", text.spoken)]
    assert {text.typed for text in first} >= {"Call me what you like", "Call me what you like."}


def test_sentences_of_the_benchmark_never_come_however_they_are_written(archives, tmp_path):
    (never := tmp_path / "never.txt").write_text("we have twelve plans, for the year!\nCall me what you like\n")
    keys = {key_of(text.spoken) for text in islice(Texts(archives, never).stream(), 400)}
    assert "now is the time to act" in keys
    assert not keys & {"we have twelve plans for the year", "call me what you like"}


def test_sentences_of_the_seed_dialogue_never_come(archives, tmp_path, monkeypatch):
    (never := tmp_path / "never.txt").write_text("")
    monkeypatch.setattr(everyday, "answer", lambda rng, names: "wow, Amazing!")
    keys = {key_of(text.spoken) for text in islice(Texts(archives, never).stream(), 2000)}
    assert not keys & {key_of(spoken_form(text)) for _, text in SEED_DIALOGUE}
    assert any("amazing" in key for key in keys)


def test_the_everyday_lines_are_not_those_of_the_benchmark():
    benchmark = {key_of(spoken_form(line)) for line in EVERYDAY.read_text(encoding="utf-8").splitlines()}
    lines = {
        " ".join(spoken_words(line)) for name in ("lines", "product", "answers") for line in everyday.entries(name)
    }
    assert len(benchmark) == 201
    assert not benchmark & lines


def test_a_deck_gives_every_card_before_any_comes_again():
    cards = deck("abcd", random.Random(0))
    assert sorted(islice(cards, 4)) == sorted(islice(cards, 4)) == list("abcd")


def test_a_deck_without_cards_is_an_error():
    with pytest.raises(ValueError, match="no sentence of one kind"):
        next(deck([], random.Random(0)))
