"""Jobs with the embedded model: what is written, and that a killed job ends with the same bytes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from job_speakers import ROWS, StubSpeaker

from dia.jobs.batch import Batch
from dia.jobs.manifest import MANIFEST
from dia.jobs.output.formats import read_codes
from dia.jobs.rows import Row
from dia.jobs.settings import BatchSettings
from dia.model import Dia

PROGRAM = """
import sys, time, torch
torch.set_num_threads(1)
from dia.jobs import Batch, BatchSettings
from dia.jobs.speaking import DiaSpeaker
from dia.model import Dia
batch = Batch(sys.argv[1], sys.argv[2], BatchSettings(subtitles=("srt",)))
speaker = DiaSpeaker(Dia.from_pretrained("mini", device="cpu", compute_dtype="float32"))
speaker.at_once = 2
for result in batch.run(speaker):
    print(result.id, flush=True)
    time.sleep(60)  # a second row is being spoken, and the others wait, when the job is killed
"""
SHARDS = """
import sys, time
sys.path.insert(0, sys.argv[3])
from job_speakers import StubSpeaker
from dia.jobs import Batch, BatchSettings
from dia.jobs.output.tar import TarFormat
write = TarFormat.write
def half(self, path, rows):
    write(self, path, rows)
    if "shard-000001" in path.name:
        path.write_bytes(path.read_bytes()[:700])
        print("half", flush=True)
        time.sleep(60)
TarFormat.write = half
list(Batch(sys.argv[1], sys.argv[2], BatchSettings(layout="webdataset", shard_rows=2)).run(StubSpeaker(at_once=1)))
"""
SUPPORT = str(Path(__file__).parents[1] / "support")


@pytest.fixture(scope="module")
def model():
    return Dia.from_pretrained("mini", device="cpu", compute_dtype="float32")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def batch(rows, folder):
    return Batch(rows, folder, BatchSettings(subtitles=("srt",)))


@pytest.fixture(scope="module")
def finished(rows, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "out"
    results = list(batch(rows, folder).run(model))
    assert [result.error for result in results] == [""] * 6
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_have_the_length_that_the_manifest_says(finished):
    for line in (finished / MANIFEST).read_text().splitlines():
        record = json.loads(line)
        samples, rate = soundfile.read(finished / record["path"])
        assert len(samples) / rate == pytest.approx(record["seconds"])
        assert record["seconds"] > 0.2
        assert record["versions"].keys() == {"dia", "torch", "transformers"}


def test_a_row_sounds_as_the_facade_speaks_it(finished, model):
    samples, _ = soundfile.read(finished / "four.wav", dtype="int16")
    take = model.speak("[S1] No.", seed=7, temperature=0.8)
    assert samples == pytest.approx((take.audio * 32768).round(), abs=1)


def test_a_row_that_only_the_model_refuses_is_a_failed_row(tmp_path, model):
    """A limit that leaves no room for a frame depends on the delay pattern of the model."""
    (result,) = Batch([{"id": "a", "text": "[S1] Hi.", "max_tokens": 1}], tmp_path / "out").run(model)
    assert "max_tokens" in result.error
    assert not (tmp_path / "out" / "a.wav").exists()


def interrupted(folder, model, **settings):
    """A job of two rows that is stopped after the first one and resumed."""
    running = Batch(ROWS[:2], folder, BatchSettings(**settings)).run(model)
    next(running)
    running.close()
    return contents_of_a_job(folder, model, **settings)


def contents_of_a_job(folder, model, **settings):
    assert not any(result.error for result in Batch(ROWS[:2], folder, BatchSettings(**settings)).run(model))
    return contents(folder)


@pytest.mark.parametrize("settings", [{"format": "flac"}, {"format": "mp3", "layout": "webdataset", "codes": True}])
def test_compressed_files_have_the_same_bytes_after_an_interruption(tmp_path, model, settings):
    whole = contents_of_a_job(tmp_path / "whole", model, **settings)
    assert interrupted(tmp_path / "out", model, **settings) == whole


def test_ogg_files_have_the_same_sound_after_an_interruption(tmp_path, model):
    """Their encoder draws a serial number for each file."""
    contents_of_a_job(tmp_path / "whole", model, format="ogg")
    interrupted(tmp_path / "out", model, format="ogg")
    for name in ("one.ogg", "two.ogg"):
        sounds = [soundfile.read(tmp_path / folder / name)[0] for folder in ("whole", "out")]
        assert (sounds[0] == sounds[1]).all()


def test_codes_are_those_that_the_facade_returns(tmp_path, model):
    contents_of_a_job(tmp_path / "out", model, codes=True)
    arrays = read_codes((tmp_path / "out" / "one.npz").read_bytes())
    take = model.speak(ROWS[0]["text"], seed=Row("one", "").seed_in(0))
    assert (arrays["codes"] == take.codes.numpy()).all()
    assert arrays["frames"].tolist() == [len(take.codes)]


def test_a_job_that_is_killed_while_it_writes_a_shard_leaves_no_half_of_one(tmp_path):
    """Takes as long as starting a process with torch."""
    settings = BatchSettings(layout="webdataset", shard_rows=2)
    rows = [{"id": f"r{number}", "text": f"Hello number {number}."} for number in range(5)]
    assert len(list(Batch(rows, tmp_path / "whole", settings).run(StubSpeaker()))) == 5
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    process = subprocess.Popen(
        [sys.executable, "-c", SHARDS, str(tmp_path / "rows.jsonl"), str(tmp_path / "out"), SUPPORT],
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
    finally:
        process.kill()
        process.communicate()
    assert [path.name for path in (tmp_path / "out").glob("shard-*")] == ["shard-000000.tar"]
    results = list(Batch(rows, tmp_path / "out", settings).run(StubSpeaker()))
    assert len(results) == 5
    assert sum(not result.made for result in results) >= 4
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_killed_job_ends_with_the_bytes_of_one_that_was_not(rows, model, finished, tmp_path):
    """Takes as long as starting a process with torch."""
    folder = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(rows), str(folder)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
    finally:
        process.kill()
        process.communicate()
    kept = (folder / MANIFEST).read_bytes()
    assert kept.count(b"\n") in (1, 2)
    (folder / MANIFEST).write_bytes(kept + b'{"id": "si')  # killed while a line was written
    results = list(batch(rows, folder).run(model))
    assert sum(not result.made for result in results) == kept.count(b"\n")
    assert contents(folder) == contents(finished)
