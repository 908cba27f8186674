"""The report counts all rows, and names the first bad ones."""

from dia.jobs.batch import Batch
from dia.jobs.settings import BatchSettings
from dia.jobs.speed import ASSUMED, Speed
from dia.text.prompt_format import PromptFormat


def report(rows, tmp_path, **settings):
    return Batch(rows, tmp_path / "out", BatchSettings(**settings)).check(PromptFormat())


def test_doubled_ids_are_bad_also_if_only_their_case_differs(tmp_path):
    rows = [{"id": id, "text": "Hello there."} for id in ("a", "b", "a", "B", "é", "e\u0301")]
    found = report(rows, tmp_path)
    assert (found.good, found.bad) == (3, 3)
    assert "is also that of row 1" in found.first_bad[0]
    assert "differs only in case" in found.first_bad[1]


def test_a_report_names_the_first_ten_bad_rows_and_counts_the_others(tmp_path):
    lines = list(report([7] * 13, tmp_path).lines())
    assert lines[0].startswith("0 rows can be spoken, 13 cannot")
    assert len(lines) == 12
    assert lines[-1] == "bad: and 3 more"


def test_warnings_are_counted_by_kind(tmp_path):
    rows = [{"id": id, "text": "[S1] Hello there.", "normalize": False} for id in "ab"]
    found = report([*rows, {"id": "c", "text": "[S1] Hello there."}], tmp_path)
    assert found.warnings
    assert {count for _, count in found.warnings} == {2}


def test_the_length_of_the_speech_includes_pauses_and_the_speaking_rate(tmp_path):
    text = "[S1] Good morning to all of you. [pause:2s] [S2] Good morning!"
    natural = report([{"id": "a", "text": text}], tmp_path).seconds
    assert natural > 3
    assert report([{"id": "a", "text": text, "speaking_rate": 2}], tmp_path).seconds == natural / 2


def test_checking_writes_nothing(tmp_path):
    report([{"id": "a", "text": "Hi."}], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_work_is_estimated_at_a_stated_speed():
    assert ASSUMED.line(7200) == "about 2.00 hours of work (estimate: 1.00 times real time, assumed, not measured)"
    assert Speed(4.0, "measured").line(7200).startswith("about 0.50 hours of work (estimate: 4.00 times")
