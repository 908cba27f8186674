"""Edited texts: what they say and where each character comes from."""

import re

import pytest

from dia.text.characters.edited import Edit, EditedText
from dia.text.script import parse


def test_characters_keep_their_place_after_edits() -> None:
    edited = EditedText.of("JOHN: Hi.").edited([Edit(0, 5, "[S1]")])
    assert edited.text == "[S1] Hi."
    assert list(edited.positions) == [0, 0, 0, 0, 5, 6, 7, 8]


def test_edits_of_an_edited_text_refer_to_the_author() -> None:
    edited = EditedText.of("a **b** c").sub(re.compile(r"\*\*"), "").sub(re.compile("c"), "see")
    assert edited.text == "a b see"
    assert list(edited.positions) == [0, 1, 4, 7, 8, 8, 8]
    assert edited.span(2, 3) == (4, 5)
    assert edited.span(4, 7) == (8, 9)


def test_a_match_that_stays_keeps_the_places_of_its_characters() -> None:
    edited = EditedText.of("same").sub(re.compile("same"), lambda match: match[0])
    assert list(edited.positions) == [0, 1, 2, 3]


def test_words_added_at_the_end_belong_to_the_end() -> None:
    edited = EditedText.of("Hi").edited([Edit(2, 2, ".")])
    assert (edited.text, edited.position(2), edited.position(3)) == ("Hi.", 2, 2)


@pytest.mark.parametrize(
    "edits", [[Edit(2, 3, ""), Edit(0, 1, "")], [Edit(0, 2, ""), Edit(1, 3, "")], [Edit(0, 9, "")]]
)
def test_edits_out_of_order_are_refused(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="out of order"):
        EditedText.of("abc").edited(edits)


def test_turns_of_an_edited_script_show_its_words_at_their_place_in_the_authors_text() -> None:
    written = "<p>It is <b>5 km</b>.</p>"
    script = parse(EditedText.of(written).sub(re.compile("<[^>]*>"), ""))
    turn = script.turns[0]
    assert (turn.text, turn.shown) == ("It is five kilometers.", "It is 5 km.")
    assert written[slice(*turn.span)] == "It is <b>5 km</b>."
    assert [written[position] for position in turn.positions] == ["I", "i", "5", "k"]
