"""What people paste: texts that were written down with their right readings before they were read."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "quality"))

from tables.fresh import Case, cases, comparable, is_right, read

CASES = cases()


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.wrong], ids=lambda case: f"{case.kind}: {case.written[:30]!r}"
)
def test_a_text_is_read_as_expected(case: Case) -> None:
    assert is_right(case), f"{read(case)}, not {case.spoken[:1]}"


def test_few_texts_are_still_read_wrongly_and_those_are_known():
    known = [case.written for case in CASES if case.wrong]
    assert [case.written for case in CASES if case.wrong and not is_right(case)] == known
    assert len(known) < len(CASES) / 40


def test_readings_that_differ_in_words_speakers_or_ends_of_sentences_are_not_equal():
    assert comparable("[S1] Five, and six.") == comparable("[S1] five six")
    assert comparable("[S1] A. [S1] B [pause:700ms]") == comparable("[S1] A. B [pause:0.7s]")
    for other in (
        "[S2] I go. You stay.",
        "[S1] I go you stay.",
        "[S1] I went. You stay.",
        "[S1] I go. (laughs) You stay.",
    ):
        assert comparable("[S1] I go. You stay.") != comparable(other)
