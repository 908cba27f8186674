"""A job without a model: which rows are spoken, what the manifest says, what is refused."""

import json
import os
import tracemalloc
from itertools import islice

import numpy as np
import pytest
from job_speakers import StubSpeaker

from dia.jobs.batch import Batch
from dia.jobs.manifest import MANIFEST, PLAN
from dia.jobs.settings import BatchSettings
from dia.jobs.speaking import FolderFull
from dia.text.script import parse

ROWS = [{"id": f"r{number}", "text": f"Hello number {number}."} for number in range(6)]


def run(folder, rows=ROWS, speaker=None, strict=False, **settings):
    """Run a job; returns its results and the ids that were spoken, sorted."""
    speaker = speaker or StubSpeaker()
    results = list(Batch(rows, folder, BatchSettings(**settings)).run(speaker, strict))
    return results, sorted(speaker.spoken)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def manifest(folder):
    return [json.loads(line) for line in (folder / MANIFEST).read_text().splitlines()]


def test_each_row_gets_a_file_and_a_line_in_the_order_of_the_input(tmp_path):
    results, spoken = run(tmp_path / "out")
    assert len(results) == 6
    assert spoken == sorted(row["id"] for row in ROWS)
    lines = manifest(tmp_path / "out")
    assert [line["id"] for line in lines] == [row["id"] for row in ROWS]
    assert (lines[0]["path"], lines[0]["seconds"], lines[0]["model"]) == ("r0.wav", 2.0, "stub")
    assert (tmp_path / "out" / "r0.wav").stat().st_size == lines[0]["bytes"]


def test_a_second_run_speaks_nothing_changes_nothing_and_gives_the_same_results(tmp_path):
    first, _ = run(tmp_path / "out")
    before = contents(tmp_path / "out")
    second, spoken = run(tmp_path / "out")
    assert spoken == []
    assert contents(tmp_path / "out") == before
    assert not any(result.made for result in second)
    assert sorted(json.dumps(one.record()) for one in second) == sorted(json.dumps(one.record()) for one in first)


@pytest.mark.parametrize("change", [{"text": "Other words."}, {"seed": 7}, {"temperature": 0.5}, {"voice": "bruno"}])
def test_a_changed_row_alone_is_made_anew(tmp_path, change):
    run(tmp_path / "out")
    results, spoken = run(tmp_path / "out", [{**ROWS[0], **change}, *ROWS[1:]])
    assert spoken == ["r0"]
    assert [result.id for result in results if result.made] == ["r0"]
    assert len(manifest(tmp_path / "out")) == 6


def test_numbers_of_other_types_are_as_plain_ones(tmp_path):
    rows = [{**ROWS[0], "seed": np.int64(3), "temperature": np.float32(0.5)}, *ROWS[1:]]
    plain = [{**ROWS[0], "seed": 3, "temperature": 0.5}, *ROWS[1:]]
    run(tmp_path / "out", rows, seed=np.int64(9), options={"retries": np.int32(2)})
    assert manifest(tmp_path / "out")[0]["seed"] == 3
    assert run(tmp_path / "out", plain, seed=9, options={"retries": 2})[1] == []


def test_a_missing_or_cut_file_is_made_anew(tmp_path):
    run(tmp_path / "out", subtitles=("srt",))
    (tmp_path / "out" / "r1.wav").unlink()
    (tmp_path / "out" / "r2.wav").write_bytes(b"")
    (tmp_path / "out" / "r3.srt").unlink()
    assert run(tmp_path / "out", subtitles=("srt",))[1] == ["r1", "r2", "r3"]


def test_bytes_depend_neither_on_order_nor_on_other_rows(tmp_path):
    run(tmp_path / "all")
    run(tmp_path / "some", ROWS[4:1:-1], StubSpeaker(at_once=1))
    whole, some = contents(tmp_path / "all"), contents(tmp_path / "some")
    files = {name for name in some if name.endswith(".wav")}
    assert len(files) == 3
    assert all(whole[name] == some[name] for name in files)


def test_a_failed_row_is_a_line_and_is_tried_again(tmp_path):
    rows = [ROWS[0], {"id": "bad", "text": "Please fail."}]
    results, _ = run(tmp_path / "out", rows)
    assert [result.error for result in results if result.error] == ["ValueError: it fails"]
    assert manifest(tmp_path / "out")[1]["error"] == "ValueError: it fails"
    assert run(tmp_path / "out", rows)[1] == ["bad"]
    assert run(tmp_path / "out", [ROWS[0], {"id": "bad", "text": "Fine now."}])[1] == ["bad"]
    assert "error" not in manifest(tmp_path / "out")[1]


def test_a_row_that_cannot_be_spoken_is_noted_once_until_it_is_repaired(tmp_path):
    rows = [ROWS[0], "not a dict", {"id": "a/b", "text": "Hi."}]
    results, _ = run(tmp_path / "out", rows)
    assert sorted(result.row for result in results if result.error) == [2, 3]
    before = contents(tmp_path / "out")
    run(tmp_path / "out", rows)
    assert contents(tmp_path / "out") == before
    run(tmp_path / "out", ROWS[:2])
    assert [line.get("error") for line in manifest(tmp_path / "out")] == [None, None]


def test_strict_refuses_bad_rows_before_the_first_is_spoken(tmp_path):
    speaker = StubSpeaker()
    with pytest.raises(ValueError, match="1 rows cannot be spoken"):
        run(tmp_path / "out", [ROWS[0], 7], speaker, strict=True)
    assert speaker.spoken == []
    assert not (tmp_path / "out").exists()


def test_a_torn_line_is_dropped_and_its_row_made_again(tmp_path):
    run(tmp_path / "out")
    before = contents(tmp_path / "out")
    whole = before[MANIFEST]
    (tmp_path / "out" / MANIFEST).write_bytes(whole[:-20])
    assert run(tmp_path / "out")[1] == ["r5"]
    assert contents(tmp_path / "out") == before


def test_a_damaged_line_in_the_middle_costs_its_row_only(tmp_path):
    run(tmp_path / "out")
    lines = (tmp_path / "out" / MANIFEST).read_bytes().splitlines(keepends=True)
    lines[2] = b"\0" * (len(lines[2]) - 1) + b"\n"
    (tmp_path / "out" / MANIFEST).write_bytes(b"".join(lines))
    assert run(tmp_path / "out")[1] == ["r2"]


@pytest.mark.parametrize(
    ("other", "fault"),
    [({"speaker": StubSpeaker(name="two")}, "model was 'one', now 'two'"), ({"seed": 1}, "seed was 0, now 1")],
)
def test_a_folder_of_another_model_or_seed_is_refused(tmp_path, other, fault):
    run(tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(ValueError, match=fault):
        run(tmp_path / "out", **other)
    assert contents(tmp_path / "out") == before


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(ValueError, match="holds no job"):
        run(tmp_path)


def test_a_folder_that_is_the_input_or_a_file_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("[S1] Hi.")
    with pytest.raises(ValueError, match="is the input"):
        Batch(tmp_path, tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        Batch(ROWS, tmp_path / "a.txt")


def test_two_jobs_in_one_folder_are_refused(tmp_path):
    running = Batch(ROWS, tmp_path / "out").run(StubSpeaker(at_once=1))
    next(running)
    with pytest.raises(BlockingIOError):
        run(tmp_path / "out")
    running.close()
    assert len(run(tmp_path / "out")[0]) == 6


def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(tmp_path):
    run(tmp_path / "whole")
    running = Batch(ROWS, tmp_path / "out").run(StubSpeaker(at_once=2))
    next(running)
    running.close()
    assert len(run(tmp_path / "out")[1]) < 6
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_full_disk_ends_the_job_and_keeps_finished_rows(tmp_path):
    class Full(StubSpeaker):
        def speak(self, row, seed, audio, subtitles, stop):
            if len(self.spoken) == 3:
                raise FolderFull("no space")
            return super().speak(row, seed, audio, subtitles, stop)

    with pytest.raises(OSError, match="no space"):
        run(tmp_path / "out", speaker=Full(at_once=1))
    assert len(manifest(tmp_path / "out")) == 3
    assert len(run(tmp_path / "out")[1]) == 3


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"seed": -(2**70)}, "seed"),
        ({"format": "doc"}, "not an audio format"),
        ({"subtitles": ("sub",)}, "subtitles"),
        ({"options": {"temprature": 1}}, "did you mean 'temperature'"),
        ({"options": {"top_p": 2}}, "top_p"),
        ({"voice": "nobody-of-that-name"}, "there is no voice"),
    ],
)
def test_wrong_settings_are_refused(settings, fault):
    with pytest.raises(ValueError, match=fault):
        BatchSettings(**settings)


def test_memory_is_constant_in_the_number_of_rows(tmp_path, monkeypatch):
    """Of 7 000 rows, the last 3 000 add nothing. The texts are not parsed and not flushed to disk: both take long."""
    script = parse("[S1] Hello there.")
    monkeypatch.setattr("dia.jobs.rows.parse", lambda text, **options: script)
    monkeypatch.setattr(os, "fsync", lambda file: None)
    with open(tmp_path / "rows.jsonl", "w") as file:
        file.writelines(f'{{"id": "row {number}", "text": "Hello there."}}\n' for number in range(7000))
    speaker = StubSpeaker(durable=False)
    speaker.spoken = Nothing()
    results = Batch(tmp_path / "rows.jsonl", tmp_path / "out").run(speaker)
    assert sum(not result.error for result in islice(results, 4000)) == 4000
    tracemalloc.start()
    try:
        assert sum(not result.error for result in results) == 3000
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 2**18  # 3000 rows with their texts and results take over 3 MB


class Nothing(list):
    """A list that stays empty."""

    def append(self, value):
        pass


def test_the_plan_is_written(tmp_path):
    run(tmp_path / "out")
    plan = json.loads((tmp_path / "out" / PLAN).read_text())
    assert plan == {"format": "wav", "model": "one", "seed": 0, "subtitles": []}
