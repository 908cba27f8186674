"""Names of speakers in a script: which are found, what they become, and what the author is warned about."""

import importlib
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from dia.text.characters.edited import EditedText
from dia.text.script import Script, parse
from dia.text.speakers import by_speaker, checked_speakers, tagged
from dia.training.data.source import Row, as_spoken

TABLE = json.loads((Path(__file__).parent / "speaker_labels.json").read_text(encoding="utf-8"))
ROWS = [*TABLE["dialogues"], *TABLE["others"]]
BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "quality"
TWO = "JOHN: How are you today?\nMARY: I am fine, thank you."
THREE = f"{TWO}\nBOB: Me too!"


def turns(text: str, **options: object) -> list[tuple[str, str]]:
    script = parse(text, **options)  # type: ignore[arg-type]
    return [(turn.speaker, turn.text) for turn in script.turns]


# --- the table


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("tables.speakers")


def test_the_table_has_a_hundred_texts_of_both_sorts_and_half_of_them_have_several_lines():
    assert min(map(len, TABLE.values())) > 100
    assert sum("\n" in row["text"] for row in ROWS) > len(ROWS) / 2
    assert len({row["text"] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("part", ["tuning", "held out", "fresh", "last"])
def test_names_are_found_and_other_words_are_not(reading, part):
    found = reading.score(reading.rows(part))
    assert found.precision >= 0.97
    assert found.recall >= 0.95
    assert found.warned <= 0.08


def test_a_dialogue_is_found_or_warned_about_although_its_sentences_do_not_answer_each_other(reading):
    for form in ("NAME:", "Name:", "Name —"):
        assert reading.composed(form, 4).found >= 0.97
        assert sum(reading.composed(form, 2)) >= 0.97


@pytest.mark.parametrize("row", [row for row in ROWS if row.get("warns")], ids=lambda row: row["text"][:20])
def test_what_is_ambiguous_is_warned_about(reading, row):
    assert reading.outcome(row).right


# --- what a label becomes


def test_names_are_neither_spoken_nor_shown():
    script = parse(TWO)
    assert script.spoken == "[S1] How are you today? [S2] I am fine, thank you."
    assert [turn.shown for turn in script.turns] == ["How are you today?", "I am fine, thank you."]
    assert [TWO[slice(*turn.span)] for turn in script.turns] == ["How are you today?", "I am fine, thank you."]
    assert script.names == {"JOHN": "S1", "MARY": "S2"}
    assert script.warnings == ()


def test_words_keep_their_places_in_the_authors_text():
    text = "[00:12] **John** (tired): It costs $5.\r\n[00:15] **Mary**: Is that all?"
    script = parse(text)
    assert [(turn.speaker, turn.text) for turn in script.turns] == [
        ("S1", "It costs five dollars."),
        ("S2", "Is that all?"),
    ]
    first, second = script.turns
    assert text[slice(*first.span)] == "It costs $5."
    assert [text[position] for position in second.positions] == ["I", "t", "a"]


@pytest.mark.parametrize("frontend", ["en", "none"])
def test_names_are_read_with_every_frontend(frontend):
    assert turns(TWO, frontend=frontend) == [("S1", "How are you today?"), ("S2", "I am fine, thank you.")]


def test_names_of_other_writing_systems_are_read_where_the_words_are():
    assert turns("小明：你好吗？\n小红：我很好。", frontend="none") == [("S1", "你好吗？"), ("S2", "我很好。")]


def test_a_sound_beside_a_name_is_kept():
    assert turns("HELEN (laughs): You did not!\nFRANK: I did.") == [("S1", "(laughs) You did not!"), ("S2", "I did.")]


def test_tagged_scripts_stay_as_they_are():
    text = "[S1] JOHN: is a label. [S2] MARY: is one, too."
    assert turns(text) == [("S1", "JOHN: is a label."), ("S2", "MARY: is one, too.")]


def test_a_script_that_was_read_is_read_the_same_again():
    script = parse("John: We met at 10:30.\nMary: Note: it was late.\nJohn: Was it?")
    assert parse(str(script)) == script
    assert parse(script.spoken).spoken == script.spoken


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Speaker 1: Hello Speaker 2: Hi", [("S1", "Hello"), ("S2", "Hi")]),
        ("Speaker 2: Hello.\nSpeaker 1: Hi.", [("S2", "Hello."), ("S1", "Hi.")]),
        ("SPEAKER_01: Hello.\nSPEAKER_00: Hi.", [("S1", "Hello."), ("S2", "Hi.")]),
        ("<Person2>Hello.</Person2><Person1>Hi.</Person1>", [("S2", "Hello."), ("S1", "Hi.")]),
        ("(S1) Hello. (S2) Hi.", [("S1", "Hello."), ("S2", "Hi.")]),
        ("The plan (S1) is old.", [("S1", "The plan, S one, is old.")]),
    ],
)
def test_numbers_of_speakers_count_as_tags(text, expected):
    assert turns(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Q: How many?\nA: 42.", ["How many?", "forty-two."]),
        ("Q: Who won? A: 42 people won.", ["Who won?", "forty-two people won."]),
        ("Doctor: How many?\nMan: 14.\nDoctor: That's a lot.", ["How many?", "fourteen.", "That's a lot."]),
        ("HOST: 3, 2, 1, go!\nGUEST: Here we are.", ["three, two, one, go!", "Here we are."]),
        ("DISPATCHER: 911, who is it?\nCALLER: A fire!", ["nine hundred eleven, who is it?", "A fire!"]),
        ("**Ann:** When does it leave?\n\n**Bob:** 10:30.", ["When does it leave?", "ten thirty."]),
        ("Tower: How high are you?\nDelta Six: 900 feet.", ["How high are you?", "nine hundred feet."]),
        ("Narrator: 20 years later, it was gone.", ["twenty years later, it was gone."]),
        # values, not turns
        ("Width: 10.\nHeight: 20.", ["Width: ten. Height: twenty."]),
        ("Lakers: 102\nCeltics: 99", ["Lakers: one hundred two. Celtics: ninety-nine"]),
        ("Anna: 3 wins.\nBen: 5 wins.", ["Anna: three wins. Ben: five wins."]),
        (
            "Ann: What do I need?\nFlour: 2 cups.\nSalt: 1 g.",
            ["Ann: What do I need? Flour: two cups. Salt: one gram."],
        ),
        ("Patient: I have pain.\nPulse: 80.", ["Patient: I have pain. Pulse: eighty."]),
        ("Ann: Which?\nBen: These:\nFlour: 2 cups.", ["Which?", "These: Flour: two cups."]),
        ("Host: 10.0.0.1\nPort: 22", ["Host: one zero dot zero dot zero dot one. Port: twenty-two"]),
        ("ROOM: 5 beds. Is it free?", ["ROOM: five beds. Is it free?"]),
    ],
)
def test_a_turn_may_begin_with_a_figure_but_most_figures_after_a_colon_are_values(text, expected):
    assert [said for _, said in turns(text)] == expected


def test_a_third_person_who_says_figures_only_is_a_speaker_but_a_value_is_not():
    dialogue = "Ann: How many are there?\nBen: I think ten.\n{0}: 12.\nAnn: No way.\n{0}: 13.\nBen: Fine."
    with pytest.raises(ValueError, match="3 speakers"):
        parse(dialogue.format("Carl"))
    assert "Total: twelve." in parse(dialogue.format("Total")).spoken
    once = parse("Ann: How many are there?\nBen: I think ten.\nCarl: 12.\nAnn: No way.\nBen: Fine.")
    assert any("'Carl': read aloud, but may name a speaker" in warning for warning in once.warnings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9:00 AM - Breakfast\n12:00 PM - Lunch", ["nine AM, Breakfast. twelve PM, Lunch"]),
        ("8:00 a.m.: Wake up.\n8:30 a.m.: Eat.", ["eight AM: Wake up. eight thirty AM: Eat."]),
        ("- 10:00-11:00 AM: Yoga.\n- 1:00 PM: Lunch.", ["ten o'clock to eleven AM: Yoga. one PM: Lunch."]),
        ("18:30 GMT: News.\n19:30 UTC: Film.", ["eighteen thirty GMT: News. nineteen thirty UTC: Film."]),
        # names after a time
        ("9:05 AM - Anna: Hi there!\n9:06 AM - Ben: Hello.", ["Hi there!", "Hello."]),
        ("9:05 Amelia: Hi there!\n9:06 Etta: Hello.", ["Hi there!", "Hello."]),
        ("[9:05 PM] PM: Order! Who is it?\n[9:06 PM] MP: It is me.", ["Order! Who is it?", "It is me."]),
    ],
)
def test_the_half_of_the_day_and_the_time_zone_are_no_names(text, expected):
    assert [said for _, said in turns(text)] == expected


def test_a_transcript_that_begins_like_a_label_is_trained_on_as_it_is():
    transcripts = ("Note: be careful", "Paolo: I will see you at the station.", "Remember: you are not alone.")
    read = as_spoken([Row("a.wav", text, None) for text in transcripts])
    assert [row.text for row in read] == [f"[S1] {text}" for text in transcripts]


def test_marks_of_markdown_that_were_removed_still_show_names():
    author = "**Nadia**\nWhere did the time go?\n**Pavel**\nI was about to ask you."
    source = EditedText.of(author).sub(re.compile(r"\*"), "")
    assert tagged(source).names == {}
    assert tagged(source, author=author).names == {"Nadia": "S1", "Pavel": "S2"}


# --- the names that the caller gives


def names(text: str, speakers: dict[str, str]) -> Script:
    return parse(text, speakers=speakers)


@pytest.mark.parametrize(
    ("text", "speakers", "spoken"),
    [
        (TWO, {"john": "S2"}, "[S2] How are you today? [S1] I am fine, thank you."),
        (TWO, {"JOHN": "S1", "MARY": "S1"}, "[S1] How are you today? I am fine, thank you."),
        (TWO, {}, "[S1] JOHN: How are you today? MARY: I am fine, thank you."),
        (THREE, {"MARY": "S2", "BOB": "s2"}, "[S1] How are you today? [S2] I am fine, thank you. Me too!"),
        ("Paolo: It is late.", {"Paolo": "S1"}, "[S1] It is late."),
        ("Note: it is late.", {"Note": "S1"}, "[S1] it is late."),
        ("Dr. Lee: It is late.", {"dr lee": "S1"}, "[S1] It is late."),
        ("[S1] Hi.\nMARY: Hello.", {"Mary": "S2"}, "[S1] Hi. [S2] Hello."),
    ],
)
def test_names_that_are_given_decide(text, speakers, spoken):
    assert names(text, speakers).spoken == spoken


def test_names_that_are_given_are_read_although_nothing_is_normalized():
    script = parse(TWO, normalize=False, speakers={"JOHN": "S1", "MARY": "S2"})
    assert script.spoken == "[S1] How are you today? [S2] I am fine, thank you."
    assert parse(TWO, normalize=False).spoken == "[S1] JOHN: How are you today? MARY: I am fine, thank you."


@pytest.mark.parametrize(
    ("speakers", "error", "message"),
    [
        ({"JOHN": "S3"}, ValueError, r"speakers\['JOHN'\] is 'S3'; use S1 or S2"),
        ({"": "S1"}, ValueError, "speakers contains the name ''"),
        ({"JOHN": 1}, TypeError, "speakers contains 'JOHN': 1"),
        (["JOHN"], TypeError, "speakers is list; pass a dict"),
    ],
)
def test_invalid_names_are_rejected(speakers, error, message):
    with pytest.raises(error, match=message):
        checked_speakers(speakers)


def test_a_third_name_is_an_error_that_lists_all_and_the_remedy():
    with pytest.raises(ValueError, match=r"3 speakers \(JOHN, MARY and BOB\)") as error:
        parse(THREE)
    remedy = "speakers={'JOHN': 'S1', 'MARY': 'S2', 'BOB': 'S2'} (--speakers JOHN=S1,MARY=S2,BOB=S2)"
    assert remedy in str(error.value)


def test_values_for_names_become_values_for_speakers():
    script = parse(TWO)
    assert by_speaker({"john": 1, "S2": 2}, script.names, "voice") == {"S1": 1, "S2": 2}
    with pytest.raises(
        ValueError, match=r"voice names 'BOB', which is neither S1, S2 nor a name of the script \(JOHN"
    ):
        by_speaker({"BOB": 1}, script.names, "voice")
    with pytest.raises(ValueError, match="voice has several values for one speaker"):
        by_speaker({"JOHN": 1, "S1": 2}, script.names, "voice")


# --- warnings


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "Paolo: I will see you there.",
            r"'Paolo': read aloud, but may name a speaker. Pass speakers={'Paolo': 'S1'}",
        ),
        ("JOHN: Hello, is anybody there?", "'JOHN': taken for a name and not spoken. If wrong, pass speakers={}"),
        ("Oslo: I came in May.\nRome: I left in June.", "'Oslo' and 'Rome': taken for names and not spoken"),
        ("JOHN\nHello!\n\nHe sits.\n\nMARY\nHi, John.", "'He sits.': without a name, so the last speaker says it"),
    ],
)
def test_what_is_doubtful_is_warned_about_with_the_remedy(text, warning):
    assert any(warning in found for found in parse(text).warnings)


def test_names_that_the_script_does_not_have_are_warned_about():
    (warning,) = parse(TWO, speakers={"JON": "S1"}).warnings
    assert warning == "speakers has 'JON', but the script names JOHN and MARY. Write names as in the script."


@pytest.mark.parametrize("text", ["Note: you should go.", "There is one rule: never look down.", "It is 10:30: go!"])
def test_plain_words_before_a_colon_cause_no_warning(text):
    assert parse(text).warnings == ()


# --- odd inputs


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n" * 20_000,
        "A:" * 50_000,
        "A:\n" * 5000,
        "ABC\n\n" * 5000,
        "<Person1>" * 5000,
        "<a>" * 30_000,
        "(S1" * 30_000,
        "John (" * 20_000,
        "John (a) " * 10_000,
        "> " * 1000 + "John: hi",
        ". Ab: x " * 20_000,
        "00:00 " * 20_000,
        "- " * 50_000,
        "*" * 100_000,
        "".join(f"N{index:x}x: Hello?\n" for index in range(2000)),
    ],
    ids=lambda text: text[:12],
)
def test_odd_texts_take_no_more_than_a_moment(text):
    read = tagged(EditedText.of(text))
    assert len(read.text.positions) == len(read.text.text)


@pytest.mark.parametrize("text", ["JOHN:", "JOHN:\nMARY:", "<Person1>", "[John]", "JOHN\n\nMARY\n"])
def test_labels_without_words_do_no_harm(text):
    read = tagged(EditedText.of(text))
    assert read.text.length == len(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Mr. & Mrs. Jones: Hello!\nBob: Hi!\nMr. & Mrs. Jones: Come in.", ["Mr. & Mrs. Jones", "Bob"]),
        ("Tom & Jerry: Hi there.\nSpike: Go away.\nTom & Jerry: No!", ["Tom & Jerry", "Spike"]),
        ("Terms & Conditions: You must be eighteen.\nPros & cons: It is cheap.", []),
        ("Salt & pepper: 5 g", []),
    ],
)
def test_two_people_can_speak_together(text, names):
    assert list(parse(text).names) == names
