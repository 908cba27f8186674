"""Fountain screenplays: dialogue is spoken, everything else is not."""

import time
from contextlib import suppress

import pytest

from dia.text.script import parse

PLAY = """Title: A Play
    In two lines
Author: Somebody

FADE IN:

INT. HOUSE - DAY

John walks in. /* a comment
over lines */

JOHN (V.O.)
(quietly)
Hello, [[a note]] *Mary*.
(laughs)
How are **you**?

@McCLANE ^
Fine. Thank _you_.

He leaves.

JOHN (CONT'D)
Bye!

CUT TO:

> THE END <
"""


def fountain(text, **options):
    return parse(text, text_format="fountain", **options)


def said(text, **options):
    return fountain(text, **options).spoken


def test_a_screenplay_as_a_script():
    script = fountain(PLAY)
    assert script.spoken == "[S1] Hello, Mary. (laughs) How are you? [S2] Fine. Thank you. [S1] Bye!"
    assert script.names == {"JOHN": "S1", "McCLANE": "S2"}
    assert script.warnings == (
        "John walks in., He leaves.: actions are not spoken. If they should be, pass "
        "speakers={'JOHN': 'S1', 'McCLANE': 'S2', 'NARRATOR': 'S2'} "
        "(--speakers JOHN=S1,McCLANE=S2,NARRATOR=S2).",
    )


@pytest.mark.parametrize("options", [{"frontend": "none"}, {"normalize": False}])
def test_the_structure_is_removed_whatever_is_done_with_the_words(options):
    assert "INT." not in said(PLAY, **options)
    assert said(PLAY, **options).startswith("[S1] Hello, Mary. (laughs) How are you?")


def test_positions_refer_to_the_file():
    first, second, third = fountain(PLAY).turns
    assert PLAY[slice(*first.span)] == "Hello, [[a note]] *Mary*.\n(laughs)\nHow are **you**?"
    assert first.shown == "Hello, Mary. (laughs) How are you?"
    assert PLAY[slice(*second.span)] == "Fine. Thank _you_."
    assert PLAY[slice(*third.span)] == "Bye!"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("So. \n  \nStill.", "So. Still."),
        ("~Sung words", "Sung words"),
        ("Dial \\*7 then.", "Dial *7 then."),
        ("***All*** of snake_case_name.", "All of snake_case_name."),
        ("(SIGHS)\nWell.", "(sighs) Well."),
        ("(to Mary)\nWell (so to speak) then.", "Well (so to speak) then."),
        ("[[a\nnote]]\nWell.", "Well."),
        ("Well /* said\n\nhe */ then.", "Well then."),
        ("MARY\nJOHN", "MARY JOHN"),
        ("Open [[ is no note.", "Open [[ is no note."),
        ("Open /* is no comment.", "Open /* is no comment."),
        ("Well. [[not a\n\nnote]] more", "Well. [[not a"),
    ],
)
def test_what_is_spoken_of_a_speech(written, words):
    assert said(f"\nJOHN\n{written}\n\nHe leaves.\n", frontend="none") == f"[S1] {words}"


def test_a_beat_is_a_pause():
    assert str(fountain("JOHN\nSo.\n(beat)\nWell.")) == "[S1] So. [pause:700ms]\n[S1] Well."


@pytest.mark.parametrize(
    "silent",
    [
        "INT. HOUSE - DAY",
        "ext. garden",
        ".A FORCED HEADING",
        "He walks.",
        "BANG!",
        "!SHOUTED ACTION\nin two lines",
        "CUT TO:",
        "> Fade out.",
        "> centered <",
        "# Act one",
        "= A synopsis.",
        "===",
        "[[A note.]]",
        "/* A comment. */",
        "12345\nnumbers",
        "MARY",
    ],
)
def test_what_is_not_spoken(silent):
    assert said(f"JOHN\nHello.\n\n{silent}\n\nJOHN\nBye.\n") == "[S1] Hello. Bye."


@pytest.mark.parametrize(
    "name",
    ["JOHN", "DR. O'NEIL", "MAN #2", "JOHN (O.S.)", "JOHN (V.O.) (CONT'D)", "@Mac", "ÅSA", "R2D2", "JOHN ^", "JOHN "],
)
def test_names(name):
    script = fountain(f"{name}\nHello.\n\nEVE\nHi.\n")
    assert script.spoken == "[S1] Hello. [S2] Hi."
    assert next(iter(script.names)) == name.lstrip("@").split(" (")[0].rstrip(" ^")


def test_more_than_two_characters_need_a_choice():
    text = "ANN\nOne.\n\nBOB\nTwo.\n\nCLEM\nThree.\n"
    with pytest.raises(ValueError, match=r"3 speakers \(ANN, BOB and CLEM\).*--speakers ANN=S1,BOB=S2,CLEM=S2"):
        fountain(text)
    assert said(text, speakers={"ann": "S2", "Bob": "S1", "CLEM": "S1"}) == "[S2] One. [S1] Two. Three."
    assert said(text, speakers={}) == "[S1] One. Two. Three."


def test_a_narrator_speaks_the_actions():
    text = "INT. HOUSE\n\nHe comes in.\n\nHe sits.\n\nJOHN\nHello.\n\n!HE LEAVES.\n"
    assert said(text, speakers={"Narrator": "S2"}) == "[S2] He comes in. He sits. [S1] Hello. [S2] HE LEAVES."


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(end):
    assert said("\ufeff" + PLAY.replace("\n", end)) == said(PLAY)


@pytest.mark.parametrize(
    "text", ["", "\ufeff", "Title: x\n", "INT. HOUSE\n\nHe sits.\n", "[[", "/*", "JOHN\n", "JOHN"]
)
def test_a_text_without_dialogue_is_an_error(text):
    with pytest.raises(ValueError, match="text contains no dialogue"):
        fountain(text)


@pytest.mark.parametrize("words", ["[[", "[[\n\n", "/*", "/*\n*/", "*a ", "_", "(", "A ", "^", "@", "\nA\n"])
def test_hostile_words_take_no_time(words):
    started = time.process_time()
    with suppress(ValueError):
        fountain(f"\n\nJOHN\n{words * (50_000 // len(words))} end", frontend="none", speakers={})
    assert time.process_time() - started < 3
