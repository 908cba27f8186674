"""The words of subtitles as a script: tags, speakers, sounds, pauses, rolling captions, positions."""

import time

import pytest

from dia.text.characters.edited import EditedText
from dia.text.formats.reading import read_format
from dia.text.script import parse
from dia.text.turns import CueTime

TALK = """1
00:00:01,000 --> 00:00:04,000
Hello there, my friend.

2
00:00:05,000 --> 00:00:09,500
I am <i>really</i> glad to see you.
"""
CASE = "1\n00:00:01,000 --> 00:00:04,000\nHello there.\n\n2\n00:00:05,000 --> 00:00:09,500\nI am <i>really</i> glad."


def srt(*cues, seconds=2, gap=0):
    """Cues of equal length, one after the other."""

    def clock(time):
        return f"{time // 3600:02}:{time // 60 % 60:02}:{time % 60:02},000"

    step = seconds + gap
    times = [f"{clock(step * number)} --> {clock(step * number + seconds)}" for number in range(len(cues))]
    return "".join(
        f"{number}\n{time}\n{cue}\n\n" for number, (time, cue) in enumerate(zip(times, cues, strict=True), 1)
    )


def vtt(*cues):
    return "WEBVTT\n\n" + srt(*cues).replace(",", ".")


def said(text, **options):
    return parse(text, text_format="srt", **options).spoken


def test_subtitles_as_a_script():
    """Case T10: words only."""
    assert said(CASE) == parse(CASE).spoken == "[S1] Hello there. I am really glad."
    assert said(TALK) == "[S1] Hello there, my friend. I am really glad to see you."


@pytest.mark.parametrize("options", [{"frontend": "none"}, {"normalize": False}])
def test_the_structure_is_removed_whatever_is_done_with_the_words(options):
    assert said(CASE, **options) == "[S1] Hello there. I am really glad."


def test_text_that_stands_as_it_is_is_not_taken_for_subtitles():
    assert "-->" in parse(CASE, normalize=False).spoken


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{\\an8}Up <b>here</b>.", "Up here."),
        ('<font color="#fff">Red</font> <u>ink</u>', "Red ink"),
        ("{\\i1}One{\\i0}\\Ntwo{Y:i}.", "One two."),
        ("One<br>two<br />three", "One two three"),
        ("Fish &amp; chips&nbsp;&lrm;now&#33;", "Fish and chips now!"),
        ("<00:00:00.500><c>Well</c> <c.yellow>then</c>", "Well then"),
        ("<ruby>Tokyo<rt></rt></ruby> <lang en>now</lang>", "Tokyo now"),
        ("♪ La la la ♪", "La la la"),
        ("# La la la #", "La la la"),
        ("We are number #1", "We are number number one"),
        ("[door slams] Who is it?", "Who is it?"),
        ("(DOOR SLAMS) Who is it?", "Who is it?"),
        ("(SIGHS) Who is it?", "(sighs) Who is it?"),
        ("[Laughs] Who is it?", "(laughs) Who is it?"),
        ("He came (in a hurry) at noon.", "He came, in a hurry, at noon."),
        ("(he closes the door)\nWho is it?", "Who is it?"),
        ("- Just a dash.", "Just a dash."),
        ("-5 degrees", "minus five degrees"),
        ("[S2] Mine.", "Mine."),
        ("Zed {z eh1 d} said.", "Zed {z eh1 d} said."),
    ],
)
def test_the_words_of_a_line(line, words):
    spoken = parse(vtt("Before.", line, "After."), text_format="vtt").spoken
    assert spoken.replace(" [S2]", "") == f"[S1] Before. {words} After."


def test_what_is_left_out_or_uncertain_is_reported():
    script = parse(srt("[door slams] ♪ La la ♪", "- Hi.\n- Hello.", "[Music]"), text_format="srt")
    assert script.warnings[:3] == (
        "[door slams], [Music]: not spoken. Write a sound such as (laughs) to hear one.",
        "cue 1: sung words are spoken. Remove them if they should not be heard.",
        "cue 2: two speakers without names, who become S1 and S2. Write [S1] and [S2] before the words to choose the "
        "speakers.",
    )
    assert len(script.warnings) == 3


@pytest.mark.parametrize(
    ("cues", "spoken"),
    [
        (("- Hi.\n- Hello.",), "[S1] Hi. [S2] Hello."),
        (("Morning.", "-Hi.\n-Hello.\n-Ho.", "Well."), "[S1] Morning. Hi. [S2] Hello. [S1] Ho. Well."),
        (("Hi.\n– Hello.", "Well."), "[S1] Hi. [S2] Hello. [S1] Well."),
        (("- Hi, how are\nyou today?\n- Fine.",), "[S1] Hi, how are you today? [S2] Fine."),
        ((">> Hi.", ">> Hello.", "How are you?", "&gt;&gt; Fine. >> Good."), None),
        (("- Ah.", "- Oh."), "[S1] Ah. Oh."),
    ],
)
def test_speakers_without_names(cues, spoken):
    spoken = spoken or "[S1] Hi. [S2] Hello. How are you? [S1] Fine. [S2] Good."
    script = parse(srt(*cues), text_format="srt")
    assert script.spoken == spoken
    assert script.advice == ()


def test_voices_are_speakers():
    text = vtt(
        "<v Ann>Hello <i>there</i>.", "<v.loud Ann>It is me.</v>", "<v Bob>Oh!", "<v Ann>Hi. <v Bob>Ho.", "And so on."
    )
    script = parse(text, text_format="vtt")
    assert script.spoken == "[S1] Hello there. It is me. [S2] Oh! [S1] Hi. [S2] Ho. And so on."
    assert script.names == {"Ann": "S1", "Bob": "S2"}
    assert script.warnings == ()


def test_voices_may_be_chosen():
    text = vtt("<v Ann>Hello.", "<v O&apos;Hara>Hi.", "<v Mr. T>Ho.")
    script = parse(text, text_format="vtt", speakers={"O'HARA": "S1", "ann": "S2", "Mr T": "S2"})
    assert script.spoken == "[S2] Hello. [S1] Hi. [S2] Ho."
    with pytest.raises(ValueError, match=r"3 speakers \(Ann, O'Hara and Mr. T\), but Dia has two voices"):
        parse(text, text_format="vtt")
    assert parse(text, text_format="vtt", speakers={}).spoken == "[S1] Hello. Hi. Ho."
    script = parse(vtt("<v Ann>Hello."), text_format="vtt", speakers={"Anna": "S2"})
    assert script.warnings[0].startswith("speakers: Anna is not among the names of the file (Ann)")


def test_a_voice_without_words_is_no_speaker():
    text = vtt("<v Ann>Hello.", "<v Band>♪", "<v Bob>Hi.")
    assert parse(text, text_format="vtt").names == {"Ann": "S1", "Bob": "S2"}


def test_labels_are_names():
    script = parse(srt("JOHN: Hello\nto you.", "MARY: Hi. He said:\nno.", "- Yes.\n- JOHN: No!"), text_format="srt")
    assert script.spoken == "[S1] Hello to you. [S2] Hi. He said: no. Yes. [S1] No!"
    script = parse(srt(">> JOHN: Hello.", ">> MARY: Hi. >> JOHN: Well."), text_format="srt")
    assert script.spoken == "[S1] Hello. [S2] Hi. [S1] Well."


def test_a_long_gap_becomes_a_pause_of_a_second():
    assert str(parse(srt("One", "two.", gap=1), text_format="srt")) == "[S1] One two."
    assert str(parse(srt("One", "two.", gap=2), text_format="srt")) == "[S1] One [pause:1000ms]\n[S1] two."


def test_positions_refer_to_the_file():
    (turn,) = parse(TALK, text_format="srt").turns
    assert [TALK[place : place + len(word)] for place, word in zip(turn.positions, turn.shown.split(), strict=True)][
        :6
    ] == ["Hello", "there,", "my", "friend.", "I", "am"]
    assert TALK[slice(*turn.span)].startswith("Hello there")
    assert TALK[slice(*turn.span)].endswith("see you.")
    first, second = parse(TALK.replace("\n", "\r\n"), text_format="srt", keep_timing=True).turns
    assert TALK.replace("\n", "\r\n")[slice(*second.span)] == "I am <i>really</i> glad to see you."
    assert (first.shown, second.shown) == ("Hello there, my friend.", "I am really glad to see you.")


# As YouTube writes them: every line appears word by word, then alone for 10 ms, then above the next one.
blank = " "
YOUTUBE = f"""WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.470 align:start position:0%
{blank}
hello<00:00:00.400><c> there</c><00:00:00.800><c> friends</c>

00:00:02.470 --> 00:00:02.480 align:start position:0%
hello there friends
{blank}

00:00:02.480 --> 00:00:05.030 align:start position:0%
hello there friends
and<00:00:02.800><c> welcome</c>

00:00:05.030 --> 00:00:05.040 align:start position:0%
and welcome
{blank}

00:00:05.040 --> 00:00:07.000 align:start position:0%
and welcome
to the show
"""


def test_rolling_captions_are_spoken_once():
    script = parse(YOUTUBE, text_format="vtt", keep_timing=True)
    assert [(turn.text, turn.cue) for turn in script.turns] == [
        ("hello there friends", CueTime("1", 0.16, 2.47)),
        ("and welcome", CueTime("3", 2.48, 5.03)),
        ("to the show", CueTime("5", 5.04, 7.0)),
    ]
    assert "rolling captions" in script.warnings[0]


def test_captions_that_grow_are_spoken_once():
    assert said(srt("hello", "hello there", "hello there friends", "good bye")) == "[S1] hello there friends good bye"


def test_a_line_that_is_said_again_is_kept():
    assert said(srt("No.", "No.", "No.")) == "[S1] No. No. No."
    assert said(srt("Well.", "Yes.", "Yes.\nI know.", "Then go.", "Now.", "At once.")) == (
        "[S1] Well. Yes. Yes. I know. Then go. Now. At once."
    )
    assert said(srt("Once\nmore.", "more.\nNow.", gap=1)) == "[S1] Once more. more. Now."


def test_a_shadow_of_the_same_cue_is_spoken_once():
    doubled = "1\n00:00:01,000 --> 00:00:04,000\nHello.\n\n2\n00:00:01,000 --> 00:00:04,000\n<b>Hello.</b>\n\n"
    assert said(doubled) == "[S1] Hello."


def test_times_are_kept_on_request():
    script = parse(TALK, text_format="srt", keep_timing=True)
    assert [turn.cue for turn in script.turns] == [CueTime("1", 1.0, 4.0), CueTime("2", 5.0, 9.5)]
    assert script.is_timed
    assert not parse(TALK, text_format="srt").is_timed


def test_both_speakers_of_a_cue_have_its_time():
    script = parse(srt("♪♪", "...", "- Hi.\n- Hello.", "Bye."), text_format="srt", keep_timing=True)
    assert [(turn.speaker, turn.text, turn.cue.name) for turn in script.turns] == [
        ("S1", "Hi.", "3"),
        ("S2", "Hello.", "3"),
        ("S1", "Bye.", "4"),
    ]
    assert not any("precedes the first words" in warning for warning in script.warnings)


@pytest.mark.parametrize(
    ("times", "cues", "warning"),
    [
        (["00:05 --> 00:04"], [(5, 5)], "cue 1: the end is before the start and is ignored"),
        (["00:05 --> 00:04", "00:06 --> 00:07"], [(5, 5), (6, 7)], "cue 1: the end is before the start"),
        (["00:01 --> 00:04", "00:03 --> 00:06"], [(1, 3), (3, 6)], "cue 1: overlaps the next cue"),
        (["00:05 --> 00:06", "00:01 --> 00:02"], [(5, 6), (1, 2)], "cue 2: starts before the cue before it"),
        (["00:01 --> 00:04", "00:01 --> 00:04"], [(1, 4), (1, 4)], ""),
    ],
)
def test_times_that_conflict_are_reported(times, cues, warning):
    text = "".join(f"{number}\n{time}\nWord {'one' * number}.\n\n" for number, time in enumerate(times, 1))
    script = parse(text, text_format="srt", keep_timing=True)
    assert [(turn.cue.start, turn.cue.end) for turn in script.turns] == cues
    assert script.warnings[:1] == () if not warning else script.warnings[0].startswith(warning)


def test_times_after_100_hours_are_read_but_not_waited_for():
    late = "1\n101:00:05,000 --> 101:00:06,000\nHi.\n"
    assert said(late) == "[S1] Hi."
    with pytest.raises(ValueError, match=r"cue 1 starts at 363605 s, .* at most 3600 s are kept\. Subtract"):
        parse(late, text_format="srt", keep_timing=True)


@pytest.mark.parametrize("text", ["", "\ufeff", "WEBVTT", "WEBVTT\n\nNOTE x\n", "\r\n\r\n"])
@pytest.mark.parametrize("keep_timing", [False, True])
def test_subtitles_without_cues_are_an_error(text, keep_timing):
    with pytest.raises(ValueError, match="text contains no subtitles"):
        parse(text, text_format="vtt", keep_timing=keep_timing)


@pytest.mark.parametrize("text", [srt(""), srt("♪", "[music]")])
@pytest.mark.parametrize("keep_timing", [False, True])
def test_cues_without_words_are_an_error(text, keep_timing):
    with pytest.raises(ValueError, match="contains no words"):
        parse(text, text_format="srt", keep_timing=keep_timing)


def test_only_subtitles_have_times():
    with pytest.raises(ValueError, match="keep_timing needs the times of subtitles, but the text format is plain"):
        parse("[S1] Hello.", keep_timing=True)


def test_subtitles_are_read_as_they_begin_whatever_the_suffix():
    assert parse(vtt("Hi."), text_format="srt").spoken == parse(srt("Hi."), text_format="vtt").spoken == "[S1] Hi."


def test_the_script_can_be_parsed_again():
    script = parse(srt("- Hi.\n- It costs $5.", "Well.", gap=3), text_format="srt")
    assert parse(str(script)) == script


def test_reading_is_linear():
    def seconds(count):
        text = srt(*["Hello <i>there</i>, again."] * count)
        started = time.process_time()
        read_format(EditedText.of(text), "srt", keep_timing=True)
        return time.process_time() - started

    seconds(10)
    assert min(seconds(4000) for _ in range(2)) < 32 * min(seconds(500) for _ in range(3))  # quadratic: 64


@pytest.mark.parametrize(
    "words", ["<", "<v ", "[", "(", "&a", "{\\", "<i>", "♪ ", ">> a ", "- ", "A: ", "# ", "--> ", "\n\n", "- a\n"]
)
def test_hostile_words_take_no_time(words):
    started = time.process_time()
    read_format(EditedText.of(srt(f"{words * (50_000 // len(words))} end")), "srt")
    assert time.process_time() - started < 3
