"""Input and surroundings that go wrong: reported before work starts, or a failed row; nothing finished is lost."""

import json
import os
import shutil
import time

import pytest
from job_speakers import StubSpeaker

from dia.jobs.batch import Batch
from dia.jobs.manifest import MANIFEST
from dia.jobs.rows import Row
from dia.jobs.settings import BatchSettings
from dia.text.prompt_format import PromptFormat
from dia.text.script import parse
from dia.voices.library import voice_file

ROWS = [{"id": f"r{number}", "text": f"Hello number {number}."} for number in range(6)]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_rows_of_several_schemas_are_checked_each_for_itself(tmp_path):
    rows = [
        {"id": "text", "text": "Hello."},
        {"id": "turns", "turns": [{"speaker": "S1", "text": "Hi."}], "temperature": 0.5},
        {"id": 3, "text": "A number as id.", "seed": 4},
        {"id": "both", "text": "Hi.", "turns": []},
        {"name": "none", "text": "Hi."},
        {"id": "typed", "text": ["Hi."]},
        None,
        [["id", "a"]],
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = Batch(path, tmp_path / "out").check(PromptFormat())
    assert (report.good, report.bad) == (3, 5)
    speaker = StubSpeaker()
    assert sum(not result.error for result in Batch(path, tmp_path / "out").run(speaker)) == 3
    assert sorted(speaker.spoken) == ["3", "text", "turns"]


def test_a_voice_that_is_missing_in_a_late_row_is_reported_before_the_first_is_spoken(tmp_path, monkeypatch):
    script = parse("[S1] Hello.")
    monkeypatch.setattr("dia.jobs.rows.parse", lambda text, **options: script)
    rows = [{"id": f"r{number}", "text": "Hello."} for number in range(7000)]
    rows[-1]["voice"] = "nobody-of-that-name"
    batch, speaker = Batch(rows, tmp_path / "out"), StubSpeaker()
    report = batch.check(PromptFormat())
    assert (report.good, report.bad) == (6999, 1)
    assert report.first_bad[0].startswith("row 7000: there is no voice")
    with pytest.raises(ValueError, match="1 rows cannot be spoken"):
        next(batch.run(speaker, strict=True))
    assert speaker.spoken == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("layout", ["files", "webdataset"])
def test_a_manifest_that_cannot_be_written_ends_the_job_and_loses_no_finished_row(tmp_path, monkeypatch, layout):
    settings = BatchSettings(layout=layout, shard_rows=2)
    list(Batch(ROWS, tmp_path / "whole", settings).run(StubSpeaker()))
    flush, manifests = os.fsync, []

    def full(descriptor):
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(MANIFEST):
            manifests.append(descriptor)
            if len(manifests) == 4:
                raise OSError(28, "No space left on device")
        flush(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            list(Batch(ROWS, tmp_path / "out", settings).run(StubSpeaker(at_once=1)))
    lines = (tmp_path / "out" / MANIFEST).read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == 3
    speaker = StubSpeaker()
    list(Batch(ROWS, tmp_path / "out", settings).run(speaker))
    assert len(speaker.spoken) == 3
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_clocks_that_jump_change_nothing(tmp_path, monkeypatch):
    list(Batch(ROWS, tmp_path / "whole").run(StubSpeaker()))
    running = Batch(ROWS, tmp_path / "out").run(StubSpeaker(at_once=1))
    next(running)
    running.close()
    for path in (tmp_path / "out").iterdir():
        os.utime(path, (4e9, 4e9))  # in 2096
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    speaker = StubSpeaker()
    list(Batch(ROWS, tmp_path / "out").run(speaker))
    assert len(speaker.spoken) < 6
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_voice_that_was_made_anew_counts_as_another_also_at_the_same_time_of_the_clock(tmp_path):
    path = tmp_path / "mine.safetensors"
    row = Row("a", "Hello.", voice=str(path))
    shutil.copyfile(voice_file("bruno"), path)
    os.utime(path, (1e9, 1e9))
    before = row.settings_sha256(0)
    shutil.copyfile(voice_file("clara"), tmp_path / "new")
    os.replace(tmp_path / "new", path)
    os.utime(path, (1e9, 1e9))
    assert row.settings_sha256(0) != before
