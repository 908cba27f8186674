"""The times of transcripts without names are left out; those of a day and of a schedule are read."""

import pytest

from dia.text import parse


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("0:00\nhello and\n0:03\nwelcome back\n0:07\nto my channel", "hello and welcome back to my channel"),
        ("0:00 Hello.\n0:04 Welcome back.\n0:09 Let's go.", "Hello. Welcome back. Let's go."),
        ("[00:01:05] So.\n[00:01:09] What\n[00:01:11] now?", "So. What now?"),
        ("00:00 - 00:04 Hello.\n00:04 - 00:08 And.\n00:08 - 00:12 Bye.", "Hello. And. Bye."),
    ],
)
def test_times_are_left_out_with_a_warning(written, spoken):
    script = parse(written)
    assert script.spoken == f"[S1] {spoken}"
    assert "taken for the times of a transcript" in script.warnings[0]
    assert written[slice(*script.turns[0].span)].startswith(spoken[:3])


@pytest.mark.parametrize(
    "written",
    [
        "9:00 Breakfast\n10:30 Walk\n12:00 Lunch",
        "0:05 is the record.\nIt stood for years.\n0:04 came later.\nNobody expected it.\nNobody.\nReally.\nNo.",
        "0:30 Go.\n0:20 Stop.\n0:10 Go.",
    ],
)
def test_other_times_are_read(written):
    assert parse(written).warnings == ()
