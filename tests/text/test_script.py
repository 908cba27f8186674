"""Parsing a script, its warnings, and splitting it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_scripts import anything, dialogues, steady

from dia import MINI
from dia.text.prompt_format import PromptFormat
from dia.text.script import (
    LETTERS_PER_SECOND,
    NON_VERBAL_TAGS,
    Script,
    Turn,
    estimated_seconds,
    parse,
)

LONG = "This is said at some length, so that nobody finds it too short to sound natural at all."


def turns(text: str) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in parse(text).turns]


def words(script: Script) -> list[tuple[str, str]]:
    return [(turn.speaker, word) for turn in script.turns for word in turn.text.split()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[S1] Hello. [S2] Hi!", [("S1", "Hello."), ("S2", "Hi!")]),
        ("[s1]Hello.[ S2 ]Hi!", [("S1", "Hello."), ("S2", "Hi!")]),
        ("[S1]: Hello. [Speaker 2] Hi!", [("S1", "Hello."), ("S2", "Hi!")]),
        ("S1: Hello.\nS2: Hi!", [("S1", "Hello."), ("S2", "Hi!")]),
        ("speaker 1: Hello.\r\n  SPEAKER 2 : Hi!", [("S1", "Hello."), ("S2", "Hi!")]),
        ("Hello, S1: it is you.", [("S1", "Hello, S one: it is you.")]),
        ("Hello. How are you?", [("S1", "Hello. How are you?")]),
        ("Hello. [S2] Hi!", [("S1", "Hello."), ("S2", "Hi!")]),
        ("[S1] Hello. [S1] Hi!", [("S1", "Hello."), ("S1", "Hi!")]),
        ("[S1] Did you? [S2] No. [S1]", [("S1", "Did you?"), ("S2", "No.")]),
        ("[S1] [S2] Hi! [S1] 🙂 [S2] Yes.", [("S2", "Hi!"), ("S2", "Yes.")]),
        ("Chapter One\n\nIt was late.\nSo\nlate.", [("S1", "Chapter One. It was late. So late.")]),
        ("[S1] I owe Dr. Lee $5.", [("S1", "I owe Doctor Lee five dollars.")]),
        ("[S1] Ha [laughs] (Clears throat) yes.", [("S1", "Ha (laughs) (clears throat) yes.")]),
        ("(applause)", [("S1", "(applause)")]),
    ],
)
def test_common_notations_of_a_script_are_parsed(text, expected):
    assert turns(text) == expected


@pytest.mark.parametrize(
    ("mark", "seconds"),
    [
        ("[pause:700ms]", 0.7),
        ("[pause:1.5s]", 1.5),
        ("[ Pause 2 sec ]", 2.0),
        ("[pause:.25s]", 0.25),
        ("[pause:0s]", 0.0),
    ],
)
def test_a_pause_splits_a_turn(mark, seconds):
    script = parse(f"[S1] One {mark} two. [S2] Three.")
    assert script.turns == (Turn("S1", "One", seconds), Turn("S1", "two."), Turn("S2", "Three."))


def test_consecutive_pauses_add_up():
    assert parse("[S1] One. [S2] [pause:700ms] [pause:1s] Two.").turns == (Turn("S1", "One.", 1.7), Turn("S2", "Two."))


@pytest.mark.parametrize("tag", NON_VERBAL_TAGS)
def test_known_sounds_are_kept(tag):
    script = parse(f"[S1] {LONG} {tag.upper()} {LONG}")
    assert script.turns == (Turn("S1", f"{LONG} {tag} {LONG}"),)
    assert script.warnings == ()


def test_there_are_21_sounds():
    assert len(set(NON_VERBAL_TAGS)) == 21


def test_the_text_for_the_model_has_a_tag_per_change_of_speaker_and_no_pauses():
    script = parse("[S1] One [pause:1s] two. [S1] Three. [S2] Four.")
    assert script.spoken == "[S1] One two. Three. [S2] Four."


def test_a_script_is_printed_with_one_turn_per_line():
    script = parse("One [pause:1.5s] two. [s2] 3")
    assert str(script) == "[S1] One [pause:1500ms]\n[S1] two.\n[S2] three"
    assert parse(str(script)) == script


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (f"[S2] {LONG}", "the script begins with [S2], but Dia works best if it begins with [S1]. Swap the tags."),
        (
            f"{LONG} [S2] Yes.",
            "the script does not begin with a speaker tag, so its first words belong to S1. Begin with [S1].",
        ),
        (f"[S1] {LONG} [S1] Yes. [S1] No.", "turn 2 ([S1]), turn 3 ([S1]): same speaker as in the previous turn."),
        (f"[S1] {LONG} (sneers)", "(sneers) is not a sound that Dia knows, so the result is unpredictable. "),
        (f"[S1] {LONG} [music]", "[music]: not a sound that Dia knows, so it is left out."),
        (f"[S1] {LONG} Play [music] now.", "[music]: not a known mark, so its words are read aloud."),
        (f"[S1] (smiling) {LONG}", "(smiling): taken for a stage direction and left out."),
        (f"[S1] {LONG} (smiling) She left.", "(smiling): read as an aside."),
        (f"[S1] {LONG} on 5/6/2024.", "5/6/2024: read with the month first."),
        (f"[S1] {LONG} 🙂", "'🙂' (SLIGHTLY SMILING FACE): cannot be spoken and is omitted."),
        (f"[S1] {LONG} [S2] ?!", "'?!': contains no words and is omitted."),
        (f"[pause:1s] {LONG}", "[pause:1s]: precedes the first words and is ignored."),
    ],
)
def test_text_that_dia_does_not_speak_well_causes_a_warning(text, warning):
    (found,) = parse(text).warnings
    assert found.startswith(warning)


@pytest.mark.parametrize(
    "text",
    [
        f"[S1] {LONG} [S2] {LONG} (laughs)",
        LONG,
        f"[S1] {LONG} (my friend) [pause:1s] [S1] {LONG}",
        f"[S1] {LONG} [S2]",
    ],
)
def test_a_good_script_has_no_warnings(text):
    assert parse(text).warnings == ()


def test_warnings_of_one_kind_are_merged():
    (warning,) = parse("[S1] yes. " * 1000).warnings
    assert warning.startswith("turn 2 ([S1]), turn 3 ([S1])")
    assert "and 994 more: same speaker" in warning


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", ValueError, "text is empty or contains no words. Write"),
        (" \n\t ", ValueError, "text is empty"),
        ("[S1] [S2]", ValueError, "text is empty"),
        ("[pause:1s]", ValueError, "text is empty"),
        ("🙂 🙂", ValueError, "text is empty"),
        ("[S1] ... [S2] !", ValueError, "text is empty"),
        ("[S1] Hi. [S3] Hi.", ValueError, r"\[S3\] is not a known speaker; Dia supports \[S1\] and \[S2\]. Assign"),
        ("Speaker 4: Hi.", ValueError, "Speaker 4: is not a known speaker"),
        ("[S0] Hi.", ValueError, r"\[S0\] is not a known speaker"),
        ("[S1] Hi. [pause:5]", ValueError, r"\[pause:5\] has no valid length\. Write \[pause:700ms\]"),
        ("[S1] Hi. [pause:90s]", ValueError, "a pause of 90 s, but the maximum is 60 s"),
        ("[S1] שלום", ValueError, "HEBREW LETTER SHIN"),
        ("[S1] a\0b", ValueError, r"control character U\+0000 at position 6"),
        (None, TypeError, "text is NoneType"),
        (b"[S1] Hi.", TypeError, "text is bytes; decode it first"),
    ],
)
def test_an_invalid_script_is_rejected_with_a_remedy(text, error, message):
    with pytest.raises(error, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Turn("S3", "Hi."), "speaker is 'S3'; use S1 or S2"),
        (lambda: Turn("S1", " "), "text is ' '; a turn must not be empty"),
        (lambda: Turn("S1", "Hi.", -1), "pause is -1 s"),
        (lambda: Turn("S1", "Hi.", math.nan), "pause is nan s"),
        (lambda: Script(()), "turns is empty"),
        (lambda: parse("Hi.").chunks(0), "seconds is 0; use a number above 0"),
        (lambda: parse("Hi.").chunks(math.nan), "seconds is nan"),
        (lambda: parse("Hi.").chunks(5, rate=-1), "rate is -1"),
    ],
)
def test_invalid_fields_are_rejected_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_seconds_are_estimated_from_letters_and_sounds():
    assert estimated_seconds("a" * 150) == pytest.approx(150 / LETTERS_PER_SECOND)
    assert estimated_seconds("a" * 150, rate=10) == 15
    assert estimated_seconds("(laughs)") == 1
    assert estimated_seconds("[S1] [pause:9s]") == 0


def test_a_script_within_the_limit_is_one_chunk():
    script = parse(f"[S1] {LONG} [S2] {LONG}")
    assert script.chunks(60) == [script]


def test_chunks_end_between_turns_and_have_similar_lengths():
    script = parse(" ".join(f"[S{1 + index % 2}] {LONG}" for index in range(8)))
    assert [len(chunk.turns) for chunk in script.chunks(20)] == [3, 3, 2]


def test_a_long_turn_is_split_between_sentences_and_its_last_part_has_the_pause():
    chunks = parse(f"[S1] {LONG} {LONG} {LONG} [pause:1s] [S2] Yes.").chunks(7)
    assert [str(chunk) for chunk in chunks] == [
        f"[S1] {LONG}",
        f"[S1] {LONG}",
        f"[S1] {LONG} [pause:1000ms]\n[S2] Yes.",
    ]


def test_a_long_sentence_is_split_between_words():
    chunks = parse("word " * 300).chunks(10)
    seconds = [estimated_seconds(chunk.spoken) for chunk in chunks]
    assert max(seconds) <= 10
    assert min(seconds) > 9


@steady
@given(anything)
def test_printing_and_parsing_is_stable_and_raises_only_documented_errors(text):
    try:
        script = parse(text)
    except ValueError:
        return
    assert parse(str(script)) == script


@steady
@given(dialogues, st.sampled_from([0.5, 2, 5, 20, 1000]))
def test_chunking_loses_and_reorders_nothing(text, seconds):
    script = parse(text)
    chunks = script.chunks(seconds)
    assert [pair for chunk in chunks for pair in words(chunk)] == words(script)
    assert sum(turn.pause for chunk in chunks for turn in chunk.turns) == pytest.approx(
        sum(turn.pause for turn in script.turns)
    )
    for chunk in chunks:
        assert estimated_seconds(chunk.spoken) <= seconds * 1.001 or len(words(chunk)) <= 2
        assert parse(str(chunk)) == chunk


@pytest.mark.parametrize(
    "part", ["[S1] Hm. ", "word ", "[", "[S1", "[pause:", "(laughs) ", "\n", "\n \n", "S1:", "a. "]
)
def test_a_long_script_takes_linear_time(part):
    script = parse("[S1] Yes." + part * (20_000 // len(part)))
    assert len(script.chunks(3600)) == 1


GERMAN = "Schöne Grüße, 5 € für Straße Nr. 7 und 3,50 m²!"
MARKS = [
    ("[S1] {0} [s2] {0}", "S1 S2"),
    ("S1: {0}\nSpeaker 2: {0}", "S1 S2"),
    ("{0} [S1]", "S1"),
    ("［S2］ {0}", "S2"),
]


@pytest.mark.parametrize(
    "words", [GERMAN, "Привет, мир 5!", "你好，世界。", "مرحبا 5", "नमस्ते", "Hello, $5 & 2024 🙂 α"]
)
@pytest.mark.parametrize(("written", "speakers"), MARKS)
@pytest.mark.parametrize("options", [{"frontend": "none"}, {"normalize": False}], ids=str)
def test_without_a_frontend_words_are_unchanged_and_marks_are_parsed(words, written, speakers, options):
    script = parse(written.format(words), **options)
    assert [(turn.speaker, turn.text, turn.shown) for turn in script.turns] == [
        (speaker, words, words) for speaker in speakers.split()
    ]
    assert parse(str(script), **options) == script


@pytest.mark.parametrize("options", [{"frontend": "none"}, {"normalize": False}], ids=str)
def test_pauses_and_sounds_are_parsed_in_any_language(options):
    script = parse("[S1] Grüße\u00a0 ( Laughs )\r\n[clears throat]\u2028(vielleicht) [x]. [pause:1s] 5", **options)
    assert script.turns == (Turn("S1", "Grüße (laughs) (clears throat) (vielleicht) [x].", 1.0), Turn("S1", "5"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text is empty"),
        ("[S1] … [S2] 🙂", "text is empty"),
        ("[S3] Grüße", "is not a known speaker"),
        ("Grüße [pause]", "has no valid length"),
        ("a\0b", r"control character U\+0000 at position 1"),
        ("a\x1b", r"control character U\+001B at position 1"),
        ("a\ud800", "lone surrogate at position 1"),
    ],
)
def test_an_invalid_script_is_rejected_in_any_language(text, message):
    for options in ({"frontend": "none"}, {"normalize": False}):
        with pytest.raises(ValueError, match=message):
            parse(text, **options)


def test_normalize_false_warns_that_words_are_not_checked():
    assert parse(f"[S1] {LONG} [x] (sneers) 🙂", frontend="none").warnings == ()
    (warning,) = parse(f"[S1] {LONG} [x] (sneers) 🙂", normalize=False).warnings
    assert warning.startswith("normalize=False: numbers, abbreviations, symbols")


def test_there_are_two_frontends():
    with pytest.raises(ValueError, match="frontend is 'de'; it must be one of en, none"):
        parse("[S1] Hi.", frontend="de")


@steady
@given(anything)
def test_printing_and_parsing_is_stable_without_a_frontend_too(text):
    try:
        script = parse(text, frontend="none")
    except ValueError:
        return
    assert parse(str(script), frontend="none") == script


README = [
    "[S1] Hello. [S2] Hi! How are you?",
    "[S1] Hello. [S2] You can speak now.",
    "[S1] Good morning.",
    "[S1] And this is new.",
    "[S1] This is heard while it is made.",
]


@pytest.mark.parametrize(
    ("text", "before", "warned"),
    [
        ("[S1] Hello. [S2] Hi! How are you?", 0.0, False),  # a word or two are short on purpose
        ("[S1] And this is new.", 0.0, False),
        ("[S1] " + "word " * 9, 0.0, True),  # 3 s
        ("[S1] " + "word " * 9, 6.0, False),  # behind a recording it is long enough
        ("[S1] " + "word " * 16, 0.0, False),
    ],
)
def test_a_short_script_causes_a_warning_if_the_model_needs_longer_ones(text, before, warned):
    script = parse(text)
    assert script.warnings == ()
    found = script.warnings_for(PromptFormat(), before)
    assert len(found) == warned
    if warned:
        assert found[0].startswith(
            "the script is about 3 s of speech; below 5 s, Dia may sound unnatural. Write at least 75"
        )
    assert script.warnings_for(PromptFormat(shortest_seconds=0.0)) == ()


@pytest.mark.parametrize("text", README)
def test_the_embedded_model_accepts_short_scripts_without_a_warning(text):
    assert parse(text).warnings_for(PromptFormat.in_folder(MINI)) == ()


def test_advice_contains_the_warnings_about_the_order_of_speakers():
    script = parse(f"[S2] {LONG} [music] [S2] Yes.")
    assert len(script.warnings) == 3
    assert len(script.advice) == 2
    assert set(script.advice) < set(script.warnings)


@pytest.mark.parametrize(
    ("text", "letters"),
    [("Schöne Grüße", 12), ("Привет", 6), ("e\u0301a", 2), ("नमस्ते", 4), ("你好", 6), ("한국", 6)],
)
def test_seconds_are_estimated_for_letters_of_other_scripts(text, letters):
    assert estimated_seconds(text) == pytest.approx(letters / LETTERS_PER_SECOND)


def test_the_format_of_a_text_must_be_known():
    assert parse("[S1] Hello.", text_format="markdown").spoken == "[S1] Hello."
    with pytest.raises(ValueError, match="text_format is 'pdf'; it must be one of plain, markdown, html, srt, vtt"):
        parse("[S1] Hello.", text_format="pdf")


def test_a_long_turn_is_not_cut_inside_a_name():
    text = (
        "[S1] In the spring of that year a very young professor by the name of John R. R. Whitfield came to the "
        "little town by the river to teach at the old school on the hill, and everybody liked him at once."
    )
    for normalize in (True, False):
        for seconds in (5, 8, 12):
            chunks = parse(text, normalize=normalize).chunks(seconds)
            assert not any(chunk.turns[0].text.endswith((" John", " R.", " R")) for chunk in chunks)


def test_a_list_is_read_item_by_item_and_shown_as_written():
    (turn,) = parse("1. milk\n2. bread").turns
    assert (turn.text, turn.shown) == ("one, milk. two, bread.", "1. milk 2. bread")
    assert [(word.shown, turn.text[word.start : word.end]) for word in turn.words()] == [
        ("1.", "one,"),
        ("milk", "milk."),
        ("2.", "two,"),
        ("bread", "bread."),
    ]
    assert [str(chunk) for chunk in parse("1. milk\n2. bread").chunks(1)] == ["[S1] one, milk.", "[S1] two, bread."]


def test_a_text_in_another_language_is_cut_at_the_punctuation_of_any_language():
    script = parse("你好，世界。今天很好。 Das ist z. B. gut.", frontend="none")
    assert [chunk.turns[0].text for chunk in script.chunks(1.5)][-1].endswith("gut.")
    assert all(chunk.frontend == "none" for chunk in script.chunks(1.5))
