"""Alignment of written and spoken words: every word of both belongs to one result, in order."""

from itertools import pairwise

import pytest
from hypothesis import given
from random_scripts import anything, dialogues, steady

from dia.text import word_alignment
from dia.text.script import Turn, parse
from dia.text.word_alignment import align_words, written_words


def pairs(text):
    """Shown and spoken words of a script's turns."""
    return [(word.shown, turn.text[word.start : word.end]) for turn in parse(text).turns for word in turn.words()]


def changed(text):
    return [(written, said) for written, said in pairs(text) if written.strip(".,!?") != said.strip(".,!?")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I owe you $5.", [("$5.", "five dollars.")]),
        ("A café in 2024.", [("café", "cafe"), ("2024.", "twenty twenty-four.")]),
        (
            "On May 17, 2024 I paid $1,234.50 more.",
            [
                ("17,", "seventeenth,"),
                ("2024", "twenty twenty-four"),
                ("$1,234.50", "one thousand two hundred thirty-four dollars and fifty cents"),
            ],
        ),
        (
            "The 2nd café is 5–10 km away, e.g. ½ an hour.",
            [
                ("2nd", "second"),
                ("café", "cafe"),
                ("5–10", "five to ten"),
                ("km", "kilometers"),
                ("e.g.", "for example"),
                ("½", "half"),
            ],
        ),
        ("17 May it is", [("17", "the seventeenth of")]),
        ("$ 5 now", [("$ 5", "five dollars")]),
        ("$1.5 million in cash", [("$1.5 million", "one point five million dollars")]),
        ("Mr. St. John", [("Mr.", "Mister"), ("St.", "Saint")]),
        ("No. 5, No. 6", [("No.", "Number"), ("5,", "five,"), ("No.", "Number"), ("6", "six")]),
        ("1 000 and 2 000 it is", [("1", "one"), ("000", "thousand"), ("2", "two"), ("000", "thousand")]),
        ("5 five 5 five", [("5", "five"), ("5", "five")]),
        ("in the U.S. it is", [("U.S.", "U S")]),
        ("me & you @ 3:30pm", [("&", "and"), ("@", "at"), ("3:30pm", "three thirty PM")]),
        ("see jo@example.org now", [("jo@example.org", "jo at example dot org")]),
        ("the plan (and it was good) failed", [("(and", "and"), ("good)", "good,")]),
        ("( Clears  throat ) So [laughs] it is", [("( Clears throat )", "(clears throat)"), ("[laughs]", "(laughs)")]),
        ("Ask Nari{n aa1 r iy0} now", [("Nari", "{n aa1 r iy0}")]),
        ("Ask {n aa1 r iy0}, and {y uw1}", [("…,", "{n aa1 r iy0},"), ("…", "{y uw1}")]),
    ],
)
def test_changed_words_are_aligned_with_the_written_ones(text, expected):
    assert changed(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[S1] Hello — you 🙂 there. [S2] Hi!", ["Hello — you 🙂 there.", "Hi!"]),
        ("One\n\ntwo [pause:1s]  three", ["One two", "three"]),
        ("S1: I owe\tyou $5.\r\nS2: 2024?", ["I owe you $5.", "2024?"]),
        ("“Yes,” he said… «no»", ["“Yes,” he said… «no»"]),
        ("[music] Nari{n aa1 r iy0}, {n aa1 r iy0}.", ["[music] Nari, …."]),
    ],
)
def test_a_turn_shows_the_written_words_without_marks(text, expected):
    assert [turn.shown for turn in parse(text).turns] == expected


def test_unspoken_tokens_belong_to_the_word_before_them():
    words = Turn("S1", "Hello, you.", shown="🙂 Hello — you 🙂.").words()
    assert [(word.shown, word.first) for word in words] == [("Hello", 0), ("you", 3)]


def test_by_default_a_turn_shows_its_text():
    turn = Turn("S1", "Hello there.")
    assert (turn.shown, turn.span, [word.shown for word in turn.words()]) == (
        "Hello there.",
        (0, 0),
        ["Hello", "there."],
    )
    assert turn == Turn("S1", "Hello there.", shown="Hullo there.")


def test_phones_are_not_shown():
    assert written_words(" a {n aa1 r iy0} b{y uw1}!") == (["a", "…", "b!"], [1, 3, 17])
    assert written_words("a {b} c") == (["a", "{b}", "c"], [0, 2, 6])


@steady
@given(anything)
def test_every_word_belongs_to_exactly_one_result_in_order(text):
    try:
        script = parse(text)
    except ValueError:
        return
    for turn in script.turns:
        words = turn.words()
        outside = turn.text
        for word in reversed(words):
            outside = outside[: word.start] + outside[word.end :]
        assert not outside.strip()
        assert all(one.end <= two.start and one.first < two.first for one, two in pairwise(words))
        assert words[0].first == 0
        assert {part for word in words for part in word.shown.split()} <= set(turn.shown.split())


@steady
@given(dialogues)
def test_a_span_is_the_position_of_the_words_in_the_text(text):
    for turn in parse(text).turns:
        assert " ".join(text[slice(*turn.span)].split()) == turn.shown
        assert [text[place:].split()[0] for place in turn.positions] == turn.shown.split(" ")


@pytest.mark.parametrize(
    "text",
    [
        "№ 5 is ½ of it, \ufb01ne…",
        "a\r\nb\rc\u2028d",
        "\ufeff[S1]\u200b Café[S2]\u00a0“Straße” æ",
        "🙂 yes 👍🏽 [S2] é\u0301 no",
    ],
)
def test_spans_are_right_if_characters_become_several_or_none(text):
    for turn in parse(text).turns:
        assert text[slice(*turn.span)].split() == turn.shown.split()
        assert turn.span[0] == turn.positions[0]


def test_a_part_of_a_turn_shows_its_part_of_the_written_words():
    text = "[S1] It cost $5, he said. The café opened on May 17, 2024. [pause:1s] And that was all of it."
    first, second, third = parse(text).chunks(5)
    assert [turn.shown for turn in first.turns] == ["It cost $5, he said."]
    assert [turn.shown for turn in second.turns] == ["The café opened on May 17, 2024."]
    assert [turn.pause for part in (first, second, third) for turn in part.turns] == [0.0, 1.0, 0.0]
    for part in (first, second, third):
        for turn in part.turns:
            assert " ".join(text[slice(*turn.span)].split()) == turn.shown


def test_a_word_that_is_cut_is_shown_in_both_parts():
    parts = parse("[S1] Call 1234567890123456789012345678901234567890 now.").chunks(5)
    assert len(parts) > 1
    assert all("12345678901234567890" in turn.shown for part in parts for turn in part.turns)


@steady
@given(dialogues)
def test_parts_show_every_word_once(text):
    script = parse(text)
    parts = [word for part in script.chunks(2) for turn in part.turns for word in turn.shown.split()]
    assert parts == [word for turn in script.turns for word in turn.shown.split()]


@pytest.mark.parametrize("part", ["yes 5 ", "1 000 ", "$ 5 May 17 ", "a — ", "x y z ", "No. 5 km. "])
def test_alignment_takes_linear_time(part, monkeypatch):
    compared, agreeing = [], word_alignment._Pairing._match
    monkeypatch.setattr(word_alignment._Pairing, "_match", lambda *given: compared.append(given) or agreeing(*given))
    work = []
    for many in (100, 400):
        turn = parse(part * many).turns[0]
        compared.clear()
        assert align_words(turn.shown, turn.text)
        work.append(len(compared))
    assert work[1] <= 5 * work[0]


def test_texts_without_common_words_are_divided_evenly():
    written, spoken = " ".join(f"a{n}" for n in range(300)), " ".join(f"b{n}" for n in range(600))
    words = align_words(written, spoken)
    assert words[0].start == 0
    assert words[-1].end == len(spoken)
    assert all(abs(word.start / len(spoken) - word.first / 300) < 0.1 for word in words)
