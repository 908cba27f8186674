"""Line breaks: which of them end a sentence."""

import pytest

from dia.text.characters.edited import EditedText
from dia.text.english.lines import with_line_ends
from dia.text.english.normalization import spoken_form

LISTS = {
    "1. milk\n2. bread\n3. eggs": "one, milk. two, bread. three, eggs.",
    "1) Open it\n2) Close it\nThen rest.": "one, Open it. two, Close it. Then rest.",
    "(1) Name\n(2) Place": "one, Name. two, Place.",
    "a) tea\nb) milk": "A, tea. B, milk.",
    "A. Paris\nB. London\nC. Rome": "A, Paris. B, London. C, Rome.",
    "I. Aims\nII. Methods": "one, Aims. two, Methods.",
    "- apples\n- pears": "apples. pears.",
    "• red\n• green\n• blue": "red. green. blue.",
    "• red • green": "red. green.",
    "We need:\n\n- flour;\n- milk.": "We need: flour; milk.",
    "1. an item that is longer than its\nline\n2. another": "one, an item that is longer than its line. two, another.",
    "Steps: 1. Stop. 2. Wait.": "Steps: one, Stop. two, Wait.",
    "Take 1) milk, 2) bread and 3) eggs.": "Take one, milk, two, bread and three, eggs.",
    "1.) The first item 2.) The second item": "one, The first item. two, The second item",
    "milk\nbread\neggs": "milk, bread, eggs",
}
NOT_LISTS = {
    "He was No. 1. She was No. 2.": "He was Number one. She was Number two.",
    "A. Lee came.\nB. Holm left.": "A Lee came. B Holm left.",
    "It was his\n42. The end.": "It was his forty-two. The end.",
    "one - two": "one, two",
}
HEADINGS = {
    "Chapter One\n\nIt was late.\nSo\nlate.": "Chapter One. It was late. So late.",
    "THE HOUSE\nNobody had lived in the old house for many years, and\nit was cold.": "THE HOUSE. Nobody had lived in "
    "the old house for many years, and it was cold.",
    'He said "yes"\n\nThen he left (at last)\n\nEnd': 'He said "yes". Then he left, at last. End',
    "Hello (laughs)\n\nYes": "Hello (laughs) Yes",
    "Dear Ann,\n\nI am well.": "Dear Ann, I am well.",
}
VERSE = {
    "Roses are red\nViolets are blue\nSugar is sweet\nAnd so are you": "Roses are red. Violets are blue. "
    "Sugar is sweet. And so are you",
    "The rain is on the roof and on\nThe road, and on the sea;\nThe wind has come, the swallows gone,\nAnd no one "
    "waits for me.": "The rain is on the roof and on The road, and on the sea; The wind has come, the swallows gone, "
    "And no one waits for me.",
    "I saw the moon above the hill\nAnd heard the river say,\nThe mill is old, the wheel is still,\nThe miller went "
    "away.": "I saw the moon above the hill, And heard the river say, The mill is old, the wheel is still, The miller "
    "went away.",
}
WRAPPED = {
    "When we came to the house of my uncle Peter and my aunt\nMary, the lights were out.": "When we came to the house "
    "of my uncle Peter and my aunt Mary, the lights were out.",
    "He had lived in New York for many years before he met Dr.\nLee, who was then a student.": "He had lived in New "
    "York for many years before he met Doctor Lee, who was then a student.",
    "The library that he had built for the people of the town of\nHale was open to all who\nwanted to read, and to\n"
    "Ann Lee most of all.": "The library that he had built for the people of the town of Hale was open to all who "
    "wanted to read, and to Ann Lee most of all.",
}


@pytest.mark.parametrize(
    ("written", "said"),
    [pair for table in (LISTS, NOT_LISTS, HEADINGS, VERSE, WRAPPED) for pair in table.items()],
)
def test_items_headings_and_verses_end_where_their_line_ends_and_wrapped_prose_does_not(written, said):
    assert spoken_form(written) == said
    assert spoken_form(written.replace("\n", "\r\n")) == said
    assert spoken_form(said) == said


def test_a_break_that_ends_a_sentence_stays_a_break():
    text = with_line_ends(EditedText.of("1. milk\n2. bread and\nbutter"))
    assert text.text == "1, milk.\n2, bread and butter."
    assert text.position(text.text.index("butter")) == 21


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n ", "One line.", "-", "1.", "1. \n2. "])
def test_a_text_without_items_or_breaks_has_no_new_letters(text):
    assert with_line_ends(EditedText.of(text)).text.split() == text.split()


@pytest.mark.parametrize("unit", ["a\n", "1. a\n", "- a\n", "\n \n", "1. A 2. B ", "(a) x\n", "I) ", "• a", "A\n\n"])
def test_long_runs_take_linear_time(unit):
    assert with_line_ends(EditedText.of(unit * (50_000 // len(unit))))
