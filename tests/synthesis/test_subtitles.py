"""The contents of subtitle files; no cue is too long or overlaps another."""

import math
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_scripts import steady

from dia.synthesis.subtitles import LINE_WIDTH, LINES, srt, vtt


def turn(speaker, text, start, end):
    return SimpleNamespace(speaker=speaker, text=text, start=start, end=end)


DIALOGUE = [
    turn("S1", "Hello there.", 0.1, 1.25),
    turn("S2", "This is a rather long turn, which is cut as it does not fit into two lines of subtitles.", 1.5, 6.0),
    turn("S1", "Less < more & so --> on.", 3725.5, 3726.0),
]


def test_srt():
    assert srt(DIALOGUE) == (
        "1\n00:00:00,100 --> 00:00:01,250\nHello there.\n\n"
        "2\n00:00:01,500 --> 00:00:03,723\nThis is a rather long\nturn, which is cut as\n\n"
        "3\n00:00:03,723 --> 00:00:06,000\nit does not fit into\ntwo lines of subtitles.\n\n"
        "4\n01:02:05,500 --> 01:02:06,000\nLess < more & so -> on.\n\n"
    )


def test_vtt():
    assert vtt(DIALOGUE[::2]) == (
        "WEBVTT\n\n"
        "00:00:00.100 --> 00:00:01.250\n<v S1>Hello there.\n\n"
        "01:02:05.500 --> 01:02:06.000\n<v S1>Less &lt; more &amp; so --&gt; on.\n"
    )


def test_no_turns_give_empty_files():
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n"
    assert srt([turn("S1", " ", 0, 1)]) == ""


def test_times_may_exceed_a_hundred_hours():
    assert "100:00:00,000 --> 100:00:01,000" in srt([turn("S1", "Hi.", 360_000, 360_001)])


def test_overlapping_or_unsorted_turns_become_consecutive_cues():
    shown = srt([turn("S2", "Two.", 1.0, 3.0), turn("S1", "One.", 0.0, 2.0), turn("S1", "Three.", 1.5, 1.6)])
    assert re.findall(r"\S+ --> \S+\n\w+", shown) == [
        "00:00:00,000 --> 00:00:02,000\nOne",
        "00:00:02,000 --> 00:00:03,000\nTwo",
        "00:00:03,000 --> 00:00:03,001\nThree",
    ]


@pytest.mark.parametrize(("start", "end"), [(-1, 1), (2, 1), (0, math.inf), (math.nan, 1)])
def test_invalid_times_are_rejected(start, end):
    for write in (srt, vtt):
        with pytest.raises(ValueError, match=f"turns: 'Hi.' lasts from {start} to {end} s"):
            write([turn("S1", "Hi.", start, end)])


texts = st.lists(st.text("ab&<>-", min_size=1, max_size=50), max_size=40).map(" ".join)
timed = st.builds(
    lambda text, start, length: turn("S1", text, start, start + length), texts, st.floats(0, 9), st.floats(0, 9)
)


@steady
@given(st.lists(timed, max_size=6))
def test_cues_are_short_never_overlap_and_contain_every_letter(turns):
    cues = [cue.split("\n") for cue in srt(turns).split("\n\n")[:-1]]
    free = "00:00:00,000"
    for number, (label, times, *lines) in enumerate(cues, 1):
        start, end = times.split(" --> ")
        assert label == str(number)
        assert free <= start < end
        assert 1 <= len(lines) <= LINES
        assert all(0 < len(line) <= LINE_WIDTH for line in lines)
        free = end
    letters = "".join("".join(lines) for _, _, *lines in cues).replace(" ", "")
    expected = sorted(turns, key=lambda each: each.start)
    assert letters.replace("-->", "->").count("a") == sum(each.text.count("a") for each in expected)
