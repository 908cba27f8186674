"""Rows in shards: the same bytes whatever happened before, and no row lost, doubled or made again."""

import json
import os

import pytest
from job_speakers import StubSpeaker

from dia.jobs.batch import Batch
from dia.jobs.manifest import MANIFEST
from dia.jobs.output.layouts import shard_format
from dia.jobs.output.tar import TarFormat
from dia.jobs.settings import BatchSettings
from dia.jobs.speaking import FolderFull

ROWS = [{"id": f"r{number}", "text": f"Hello number {number}."} for number in range(7)]


@pytest.fixture(params=["webdataset", "dataset"])
def layout(request):
    if request.param == "dataset":
        pytest.importorskip("datasets")
    return request.param


@pytest.fixture(autouse=True)
def without_flushing(monkeypatch):
    """Flushing hundreds of small files to disk takes long; what is written is the same."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


def run(folder, layout, rows=ROWS, speaker=None, **settings):
    """Run a job with three rows in a shard; returns the ids that were spoken, sorted."""
    speaker = speaker or StubSpeaker()
    job = BatchSettings(**{"layout": layout, "shard_rows": 3, "subtitles": ("srt",), **settings})
    list(Batch(rows, folder, job).run(speaker))
    return sorted(speaker.spoken)


def shards(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("shard-*"))}


def ids(folder, layout):
    """The ids in each shard."""
    format = shard_format(layout, "wav", ("srt",), False)
    found = [format.sizes(path)[0] for path in sorted(folder.glob("shard-*"))]
    return [[name.removesuffix(".wav") for name, _ in files if name.endswith(".wav")] for files in found]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_rows_are_in_the_order_of_the_input_and_nothing_else_is_left(tmp_path, layout):
    run(tmp_path / "out", layout)
    suffix = {"webdataset": "tar", "dataset": "parquet"}[layout]
    assert ids(tmp_path / "out", layout) == [["r0", "r1", "r2"], ["r3", "r4", "r5"], ["r6"]]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("README.md", "batch.json", "manifest.jsonl", f"shard-000000.{suffix}", f"shard-000001.{suffix}"),
        f"shard-000002.{suffix}",
    }
    lines = [json.loads(line) for line in (tmp_path / "out" / MANIFEST).read_text().splitlines()]
    assert [line["shard"] for line in lines] == [f"shard-00000{number // 3}.{suffix}" for number in range(7)]


def test_a_second_run_speaks_nothing_and_writes_nothing(tmp_path, layout):
    run(tmp_path / "out", layout)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("shard-*")}
    everything = contents(tmp_path / "out")
    assert run(tmp_path / "out", layout) == []
    assert contents(tmp_path / "out") == everything
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("shard-*")} == before


@pytest.mark.parametrize("after", [1, 2, 4, 6])
def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(tmp_path, layout, after):
    run(tmp_path / "whole", layout)
    job = BatchSettings(layout=layout, shard_rows=3, subtitles=("srt",))
    running = Batch(ROWS, tmp_path / "out", job).run(StubSpeaker(at_once=1))
    for _ in range(after):
        next(running)
    running.close()
    assert len(run(tmp_path / "out", layout)) <= 7 - after
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


CHANGES = {
    "a row before": [{"id": "new", "text": "Hello."}, *ROWS],
    "a row less": ROWS[1:],
    "another order": ROWS[::-1],
    "far fewer": ROWS[:2],
    "a changed row": [*ROWS[:4], {**ROWS[4], "text": "Other words."}, *ROWS[5:]],
    "a changed title": [*ROWS[:4], {**ROWS[4], "title": "Four"}, *ROWS[5:]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_the_shards_are_those_of_a_new_job_and_only_changed_rows_are_made(tmp_path, layout, change):
    run(tmp_path / "new", layout, CHANGES[change])
    run(tmp_path / "out", layout)
    changed = [row["id"] for row in CHANGES[change] if row not in ROWS]
    assert run(tmp_path / "out", layout, CHANGES[change]) == changed
    assert shards(tmp_path / "out") == shards(tmp_path / "new")
    assert run(tmp_path / "out", layout, CHANGES[change]) == []
    assert not (tmp_path / "out" / ".rows").exists()


@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_a_shard_that_was_cut_is_made_whole(tmp_path, layout, share):
    run(tmp_path / "out", layout)
    before = contents(tmp_path / "out")
    cut = sorted((tmp_path / "out").glob("shard-*"))[1]
    cut.write_bytes(cut.read_bytes()[: int(share * cut.stat().st_size)])
    assert set(run(tmp_path / "out", layout)) <= {"r3", "r4", "r5"}
    assert contents(tmp_path / "out") == before


def test_a_process_that_is_killed_while_rows_move_loses_none(tmp_path, layout, monkeypatch):
    """The second shard is not written anew: its first row is in both shards then."""
    run(tmp_path / "new", layout, ROWS[1:])
    run(tmp_path / "out", layout)
    kind = type(shard_format(layout, "wav", ("srt",), False))
    write, written = kind.write, []

    def killed(self, path, rows):
        written.append(path)
        if len(written) == 2:
            raise KeyboardInterrupt
        write(self, path, rows)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "out", layout, ROWS[1:])
    run(tmp_path / "out", layout, ROWS[1:])
    assert shards(tmp_path / "out") == shards(tmp_path / "new")


def test_a_failed_row_is_in_no_shard_until_it_succeeds(tmp_path, layout):
    rows = [*ROWS[:1], {"id": "bad", "text": "Please fail."}, *ROWS[1:4]]
    run(tmp_path / "out", layout, rows)
    assert ids(tmp_path / "out", layout) == [["r0", "r1"], ["r2", "r3"]]
    rows[1] = {"id": "bad", "text": "Fine now."}
    assert run(tmp_path / "out", layout, rows) == ["bad"]
    assert ids(tmp_path / "out", layout) == [["r0", "bad", "r1"], ["r2", "r3"]]


def test_a_disk_that_fills_while_a_shard_is_written_ends_the_job_and_keeps_finished_rows(
    tmp_path, layout, monkeypatch
):
    kind = type(shard_format(layout, "wav", ("srt",), False))

    def full(self, path, rows):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(kind, "write", full)
        with pytest.raises(FolderFull, match="Finished rows are kept"):
            run(tmp_path / "out", layout, speaker=StubSpeaker(at_once=1))
    assert len(run(tmp_path / "out", layout)) <= 4
    assert ids(tmp_path / "out", layout) == [["r0", "r1", "r2"], ["r3", "r4", "r5"], ["r6"]]


def test_another_layout_or_size_of_shards_is_another_job(tmp_path, layout):
    run(tmp_path / "out", layout)
    with pytest.raises(ValueError, match="shard_rows was 3, now 4"):
        run(tmp_path / "out", layout, shard_rows=4)
    with pytest.raises(ValueError, match="layout was"):
        run(tmp_path / "out", "files")


def test_an_id_with_a_dot_is_refused_where_readers_would_cut_it(tmp_path, layout):
    rows = [ROWS[0], {"id": "a.b", "text": "Hello."}]
    assert run(tmp_path / "out", layout, rows) == (["a.b", "r0"] if layout == "dataset" else ["r0"])
    assert ("contains a dot" in (tmp_path / "out" / MANIFEST).read_text()) == (layout == "webdataset")


@pytest.mark.parametrize(
    ("settings", "kind", "fault"),
    [
        ({"layout": "zip"}, ValueError, "layout is 'zip'; expected files, webdataset or dataset"),
        ({"shard_rows": 0}, ValueError, "shard_rows"),
        ({"shard_rows": 2.5}, TypeError, "shard_rows"),
        ({"codes": 1}, TypeError, "codes is 1"),
    ],
)
def test_wrong_settings_are_refused(settings, kind, fault):
    with pytest.raises(kind, match=fault):
        BatchSettings(**settings)


def test_without_datasets_a_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(ImportError, match="pip install"):
        BatchSettings(layout="dataset")


def test_a_tar_file_that_ends_within_a_file_lacks_that_file(tmp_path):
    path, rows = tmp_path / "shard-000000.tar", []
    for name, size in (("a.wav", 3000), ("a.json", 700)):
        (tmp_path / name).write_bytes(bytes(size))
        rows.append(tmp_path / name)
    TarFormat().write(path, [rows])
    assert TarFormat().sizes(path) == ([("a.wav", 3000), ("a.json", 700)], True)
    path.write_bytes(path.read_bytes()[: 512 + 3072 + 512 + 300])
    assert TarFormat().sizes(path) == ([("a.wav", 3000)], False)
