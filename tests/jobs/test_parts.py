"""A job in several processes, here one after another in one: parts, how they are merged, and what is refused."""

import json

import pytest
from job_speakers import StubSpeaker

from dia.jobs.batch import Batch
from dia.jobs.manifest import MANIFEST
from dia.jobs.parts import PARTS, Part, reserved
from dia.jobs.settings import BatchSettings

ROWS = [
    *({"id": f"r{number}", "text": f"Hello number {number}."} for number in range(8)),
    {"id": "bad", "text": "Please fail."},
    {"id": "a/b", "text": "Hi."},
    {"id": "R1", "text": "Twice."},
]
SETTINGS = BatchSettings()
SHARDS = {
    layout: BatchSettings(layout=layout, subtitles=("srt",), shard_rows=4) for layout in ("webdataset", "dataset")
}


def plan_of(settings):
    return {**settings.plan(), "model": "one"}


PLAN = plan_of(SETTINGS)


def run_all(folder, count, rows=ROWS, killed=(), settings=SETTINGS):
    """Run all shares, but for the killed ones, of which each stops after its first row; returns the totals."""
    batch, totals = Batch(rows, folder, settings), []
    with reserved(folder, plan_of(settings)):
        parts = [Part(folder, plan_of(settings), number, count) for number in range(count)]
    for part in parts:
        speaker = StubSpeaker(at_once=1)
        results = batch.run_share(speaker, part)
        if part.number in killed:
            next(results)
            results.close()
        else:
            totals.append(finished(results))
        part.close()
    return totals


def finished(results):
    while True:
        try:
            next(results)
        except StopIteration as end:
            return end.value


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def whole(tmp_path):
    """The files of a job in one process."""
    list(Batch(ROWS, tmp_path / "whole").run(StubSpeaker()))
    return contents(tmp_path / "whole")


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_files_and_manifest_are_those_of_one_process(tmp_path, whole, count):
    totals = run_all(tmp_path / "out", count)
    assert contents(tmp_path / "out") == whole
    assert [one is not None for one in totals] == [False] * (count - 1) + [True]
    assert (totals[-1].made, totals[-1].failed, totals[-1].seconds) == (8, 3, 16.0)


@pytest.mark.parametrize("again", [1, 2, 3])
def test_rows_of_a_killed_process_are_finished_by_any_number(tmp_path, whole, again):
    assert run_all(tmp_path / "out", 2, killed=[1]) == [None]
    assert (tmp_path / "out" / PARTS).is_dir()
    run_all(tmp_path / "out", again)
    assert contents(tmp_path / "out") == whole


def test_one_process_without_a_launcher_finishes_them_too_and_makes_no_row_twice(tmp_path, whole):
    run_all(tmp_path / "out", 2, killed=[1])
    parts = (tmp_path / "out" / PARTS).glob("*.jsonl")
    there = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    made = {line["key"] for line in there if line.get("record", {}).get("path")}
    speaker = StubSpeaker()
    list(Batch(ROWS, tmp_path / "out").run(speaker))
    assert not {key.removeprefix("id ") for key in made} & set(speaker.spoken)
    assert contents(tmp_path / "out") == whole


def test_a_second_run_changes_nothing(tmp_path, whole):
    run_all(tmp_path / "out", 2)
    run_all(tmp_path / "out", 3)
    assert contents(tmp_path / "out") == whole


def test_a_torn_part_and_one_that_was_merged_but_not_removed_are_read(tmp_path, whole):
    run_all(tmp_path / "out", 2, killed=[0, 1])
    part = next(iter((tmp_path / "out" / PARTS).glob("*.jsonl")))
    with part.open("ab") as file:
        file.write(b'{"key": "id r7", "row": 8, "record": {"id": "r7"')
    record = next(line["record"] for line in map(json.loads, part.read_bytes().splitlines()[:-1]) if "record" in line)
    with (tmp_path / "out" / MANIFEST).open("a") as manifest:
        manifest.write(json.dumps(record) + "\n")
    run_all(tmp_path / "out", 2)
    assert contents(tmp_path / "out") == whole


def test_repaired_rows_lose_their_errors(tmp_path):
    run_all(tmp_path / "out", 2)
    run_all(tmp_path / "out", 2, [*ROWS[:8], {"id": "bad", "text": "Fine now."}])
    lines = [json.loads(line) for line in (tmp_path / "out" / MANIFEST).read_text().splitlines()]
    assert [line.get("error") for line in lines] == [None] * 9


def test_a_second_job_is_refused_while_a_process_of_the_first_works(tmp_path):
    with reserved(tmp_path / "out", PLAN):
        part = Part(tmp_path / "out", PLAN, 0, 2)
        with pytest.raises(BlockingIOError):
            Part(tmp_path / "out", PLAN, 0, 2)
        with pytest.raises(BlockingIOError):
            next(Batch(ROWS, tmp_path / "out").run(StubSpeaker()))
    with pytest.raises(BlockingIOError):
        next(Batch(ROWS, tmp_path / "out").run(StubSpeaker()))
    part.close()
    assert len(list(Batch(ROWS, tmp_path / "out").run(StubSpeaker()))) == len(ROWS)


def test_a_folder_of_another_job_is_refused(tmp_path):
    run_all(tmp_path / "out", 2)
    with pytest.raises(ValueError, match="model was 'one', now 'two'"), reserved(tmp_path / "out", {"model": "two"}):
        pass


@pytest.fixture(params=SHARDS)
def sharded(request, tmp_path):
    """Settings of a layout with shards, and the files of a job in one process."""
    if request.param == "dataset":
        pytest.importorskip("datasets")
    settings = SHARDS[request.param]
    list(Batch(ROWS, tmp_path / "whole", settings).run(StubSpeaker()))
    return settings, contents(tmp_path / "whole")


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_last_process_writes_the_shards_of_one_process(tmp_path, sharded, count):
    settings, whole = sharded
    totals = run_all(tmp_path / "out", count, settings=settings)
    assert contents(tmp_path / "out") == whole
    assert (totals[-1].made, totals[-1].failed) == (8, 3)
    run_all(tmp_path / "out", 3, settings=settings)
    assert contents(tmp_path / "out") == whole


def test_shards_are_written_after_a_kill_and_change_with_the_input(tmp_path, sharded):
    settings, whole = sharded
    run_all(tmp_path / "out", 2, killed=[1], settings=settings)
    assert not list((tmp_path / "out").glob("shard-*"))
    run_all(tmp_path / "out", 3, settings=settings)
    assert contents(tmp_path / "out") == whole
    rows = [*ROWS[:2], {"id": "new", "text": "New."}, *ROWS[3:8]]
    run_all(tmp_path / "out", 2, rows, settings=settings)
    list(Batch(rows, tmp_path / "new", settings).run(StubSpeaker()))
    assert shards_in(tmp_path / "out") == shards_in(tmp_path / "new")


def shards_in(folder):
    return {name: content for name, content in contents(folder).items() if name.startswith("shard-")}


def test_a_process_that_is_killed_while_it_writes_shards_loses_no_row(tmp_path, sharded, monkeypatch):
    settings, whole = sharded
    kind, written = type(settings.shard_format()), []
    write = kind.write

    def write_one(self, path, rows):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write(self, path, rows)

    monkeypatch.setattr(kind, "write", write_one)
    with pytest.raises(KeyboardInterrupt):
        run_all(tmp_path / "out", 2, settings=settings)
    monkeypatch.undo()
    speaker = StubSpeaker()
    list(Batch(ROWS, tmp_path / "out", settings).run(speaker))
    assert set(speaker.spoken) == {"bad"}
    assert contents(tmp_path / "out") == whole
