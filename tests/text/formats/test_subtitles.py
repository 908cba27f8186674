"""The structure of SubRip and WebVTT files: cues, their names, times and lines."""

import pytest

from dia.text.formats.lines import FormatError, lines_of
from dia.text.formats.subtitles import srt_cues, subtitle_format, vtt_cues

SRT = "1\n00:00:01,000 --> 00:00:04,500\nHello there.\n\n2\n00:00:05,000 --> 00:00:09,500\nOne.\nTwo.\n"
VTT = (
    "WEBVTT\n\n00:01.000 --> 00:04.500\nHello there.\n\n"
    "second\n01:00:05.000 --> 01:00:09.500 align:start\nOne.\nTwo.\n"
)


def told(cues):
    return [(cue.name, cue.start, cue.end, [line.text for line in cue.lines]) for cue in cues]


def test_the_cues_of_subrip():
    assert told(srt_cues(SRT)) == [("1", 1.0, 4.5, ["Hello there."]), ("2", 5.0, 9.5, ["One.", "Two."])]


def test_the_cues_of_webvtt():
    assert told(vtt_cues(VTT)) == [("1", 1.0, 4.5, ["Hello there."]), ("second", 3605.0, 3609.5, ["One.", "Two."])]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(end, mark):
    assert told(srt_cues(mark + SRT.replace("\n", end))) == told(srt_cues(SRT))
    assert told(vtt_cues(mark + VTT.replace("\n", end))) == told(vtt_cues(VTT))


def test_every_line_knows_its_place():
    text = "\ufeffab\r\n\r\nc\rd"
    assert [(line.number, line.text, text[line.start : line.end]) for line in lines_of(text)] == [
        (1, "ab", "ab"),
        (2, "", ""),
        (3, "c", "c"),
        (4, "d", "d"),
    ]


@pytest.mark.parametrize(
    ("times", "start", "end"),
    [
        ("00:00:01,000 --> 00:00:04,000", 1, 4),
        ("0:00:01.5-->0:00:04", 1.5, 4),
        ("01:02,250 --> 01:03,000  X1:10 X2:20", 62.25, 63),
        ("123:59:59,999 --> 124:00:00,000", 446399.999, 446400),
        ("\t00:00:01,000\t-->\t00:00:04,000 \t", 1, 4),
    ],
)
def test_forms_of_times(times, start, end):
    (cue,) = srt_cues(f"1\n{times}\nHi.")
    assert (cue.start, cue.end) == (pytest.approx(start), pytest.approx(end))
    assert told(vtt_cues(f"WEBVTT\n\n{times}\nHi.")) == told([cue])


def test_numbers_and_blank_lines_are_optional_in_subrip():
    bare = "00:01,000 --> 00:02,000\nA.\n00:03,000 --> 00:04,000\nB,\n\nstill B.\n7\n00:05,000 --> 00:06,000\n42\n"
    assert told(srt_cues(bare)) == [
        ("1", 1, 2, ["A."]),
        ("2", 3, 4, ["B,", "still B."]),
        ("7", 5, 6, ["42"]),
    ]


def test_notes_styles_and_regions_of_webvtt_are_not_cues():
    text = (
        "WEBVTT - a title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:fred\n\nNOTE\nnot\nspoken\n\n"
        "NOTE neither\n\n1\n00:01.000 --> 00:02.000\nHi.\n"
    )
    assert told(vtt_cues(text)) == [("1", 1, 2, ["Hi."])]


def test_an_end_before_the_start_is_marked():
    (cue,) = srt_cues("1\n00:00:05,000 --> 00:00:04,000\nHi.")
    assert (cue.start, cue.end, cue.invalid_end) == (5, 5, True)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1\n00:00:01,000 -> 00:00:04,000\nHi.", 2),
        ("1\n00:00:01,000 00:00:04,000\nHi.", 2),
        ("1\n00:00:61,000 --> 00:00:04,000\nHi.", 2),
        ("1\n00:0O:01,000 --> 00:00:04,000\nHi.", 2),
        ("1\n00:00:01,000 --> \nHi.", 2),
        (f"{SRT}\n3\n00:00:10,000 --> 00:00:1x,000\nHi.", 11),
        (f"{SRT}\n3\nHi.\n\n4\n00:00:10,000 --> 00:00:11,000\nHo.", 11),
        ("Some words.\n\n1\n00:00:01,000 --> 00:00:04,000\nHi.", 1),
        ("1\n\nSome words.", 1),
    ],
)
def test_an_invalid_line_of_subrip_is_an_error_that_names_it(text, number):
    with pytest.raises(FormatError, match=rf"^line {number}: .*00:00:01,000 --> 00:00:04,000"):
        srt_cues(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("WEBVTT\n\nid\n00:01 -> 00:02\nHi.", 3),
        ("WEBVTT\n\n00:01.000 --> 0:0:0:02.000\nHi.", 3),
        (f"{VTT}\nwords without times\n", 11),
    ],
)
def test_an_invalid_line_of_webvtt_is_an_error_that_names_it(text, number):
    with pytest.raises(FormatError, match=rf"^line {number}: .*00:00:01\.000 --> 00:00:04\.000"):
        vtt_cues(text)


def test_an_arrow_among_words_is_a_word():
    (cue,) = srt_cues("1\n00:00:01,000 --> 00:00:04,000\nFrom here --> there.")
    assert [line.text for line in cue.lines] == ["From here --> there."]


@pytest.mark.parametrize("text", ["", "\ufeff", "\r\n\r\n", "WEBVTT", "WEBVTT\n\nNOTE nothing\n"])
def test_files_without_cues_have_none(text):
    assert vtt_cues(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SRT, "srt"),
        ("\ufeff\r\n1\r\n00:00:01,000 --> 00:00:04,500\r\nHi.", "srt"),
        ("00:00:01,000 --> 00:00:04,500", "srt"),
        (VTT, "vtt"),
        ("\ufeffWEBVTT", "vtt"),
        ("WEBVTTS are files.", None),
        ("1\n2\n3", None),
        ("[S1] At 00:00:01,000 --> 00:00:04,500", None),
        ("", None),
    ],
)
def test_subtitles_are_known_by_their_beginning(text, found):
    assert subtitle_format(text) == found
