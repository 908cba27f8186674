"""Splitting a text and merging its pieces into even groups."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_scripts import steady

from dia.text.chunking import cut_cost, even_groups, pieces


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("One two. Three! Four?", 100, ["One two.", "Three!", "Four?"]),
        ('He said "no." Then left.', 100, ['He said "no."', "Then left."]),
        ("Well... yes. hm", 100, ["Well... yes.", "hm"]),
        ("Red, green; blue and yellow.", 15, ["Red,", "green;", "blue", "and", "yellow."]),
        ("Red, green; blue and yellow.", 16, ["Red,", "green;", "blue and yellow."]),
        ("one (clears throat) two", 8, ["one", "(clears throat)", "two"]),
        ("unbelievable", 3, ["unbelievable"]),
        ("... one. ' two - three ...", 3, ["... one. '", "two -", "three ..."]),
    ],
)
def test_a_text_is_split_at_sentences_then_clauses_then_words(text, limit, expected):
    assert pieces(text, limit, len) == expected


def test_cutting_after_a_sentence_costs_least_and_inside_a_clause_most():
    assert cut_cost("Yes.") == cut_cost('"Yes!"') < cut_cost("yes,") < cut_cost("yes") < cut_cost("said the")
    assert cut_cost("by John") == cut_cost("John R.") == cut_cost("the") > cut_cost("the", "none") == cut_cost("yes")


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [
        ([1], 10, [1]),
        ([4, 4, 4], 12, [3]),
        ([4, 4, 4, 4], 12, [2, 2]),  # not 3 and 1
        ([5, 5, 5, 5, 5, 5, 5], 20, [4, 3]),
        ([30, 1, 1], 10, [1, 2]),  # what is too long stands alone
        ([6, 1, 6], 7, [2, 1]),
    ],
)
def test_groups_are_few_and_even(sizes, limit, expected):
    assert [len(group) for group in even_groups(sizes, limit, [0.0] * len(sizes))] == expected


def test_a_cheap_cut_is_preferred_to_an_even_one():
    assert [len(group) for group in even_groups([4, 4, 4, 4], 12, [0, 0, 0.5, 0])] == [3, 1]


@steady
@given(st.lists(st.floats(0.1, 30), min_size=1, max_size=60), st.floats(1, 1000))
def test_groups_follow_one_another_within_the_limit(sizes, limit):
    groups = even_groups(sizes, limit, [0.1] * len(sizes))
    assert [index for group in groups for index in group] == list(range(len(sizes)))
    totals = [sum(sizes[index] for index in group) for group in groups]
    assert all(total <= limit * 1.001 or len(group) == 1 for total, group in zip(totals, groups, strict=True))
