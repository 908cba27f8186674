"""Texts that people reported as read wrongly, one of each kind, with what is right."""

import json
from pathlib import Path

import pytest

from dia.text import parse

REPORTED = json.loads((Path(__file__).parent / "reported.json").read_text("utf-8"))


@pytest.mark.parametrize("case", REPORTED, ids=[case["kind"] for case in REPORTED])
def test_a_reported_text_is_read_rightly(case):
    script = parse(case["written"])
    assert script.spoken == case["spoken"]
    assert [turn.pause for turn in script.turns if turn.pause] == case["pauses"]


@pytest.mark.parametrize("seconds", [4, 6, 8, 10])
def test_no_part_of_a_reported_text_ends_inside_a_name(seconds):
    written = next(case["written"] for case in REPORTED if "R. R." in case["written"])
    ends = [chunk.turns[-1].text for chunk in parse(written).chunks(seconds)]
    assert not any(end.endswith((" John", " R")) for end in ends)
