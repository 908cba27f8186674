"""Workers of a job and where they put files, in this process: neither Ray nor a network is needed."""

import pickle
import sys
from functools import partial
from pathlib import Path

import pytest
from job_speakers import StubSpeaker

from dia.distributed.ray_data import RemoteModel, Worker
from dia.distributed.storage import ObjectStore, SharedFolder, storage_at
from dia.jobs.batch import Batch, Made
from dia.jobs.manifest import MANIFEST, PLAN
from dia.jobs.settings import BatchSettings
from dia.jobs.speaking import FolderFull

ROWS = [
    *({"id": f"r{number}", "text": f"Hello number {number}."} for number in range(10)),
    {"id": "bad", "text": "Please fail."},
    {"id": "a/b", "text": "Hi."},
]
SETTINGS = BatchSettings(subtitles=("srt",))


def speak(pending, storage, load=StubSpeaker, at_once=3):
    """As `run_on_ray`, with one worker in this process."""
    worker = Worker(load, RemoteModel.of(StubSpeaker()), storage, SETTINGS.seed)
    rows = list(pending)
    yield None
    for start in range(0, len(rows), at_once):
        block = worker({"row": [pickle.dumps(row) for row in rows[start : start + at_once]]})
        for number, result in zip(block["number"], map(pickle.loads, block["result"]), strict=True):
            if isinstance(result, Exception):
                raise result
            yield Made(number, result)


def run(folder, storage, load=StubSpeaker):
    batch = Batch(ROWS, folder, SETTINGS)
    found = batch.run_elsewhere(StubSpeaker(), partial(speak, storage=storage, load=load), storage.files())
    results = list(found)
    for name in (PLAN, MANIFEST):
        storage.publish(folder / name)
    return results


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    list(Batch(ROWS, folder, SETTINGS).run(StubSpeaker()))
    return contents(folder)


def test_files_in_a_shared_folder_are_those_of_one_process_and_are_kept(tmp_path, whole):
    storage = SharedFolder(tmp_path / "out")
    assert len(run(tmp_path / "out", storage)) == len(ROWS)
    assert contents(tmp_path / "out") == whole
    assert {result.id for result in run(tmp_path / "out", storage) if result.made and result.id} == {"bad"}
    assert contents(tmp_path / "out") == whole


def test_files_in_a_store_are_those_of_one_process_and_only_missing_ones_are_made_again(tmp_path, whole):
    store = tmp_path / "store"
    run(tmp_path / "out", ObjectStore(f"file://{store}"))
    assert contents(store) == whole
    (store / "r3.wav").unlink()
    (store / "r5.srt").unlink()
    again = run(tmp_path / "out", ObjectStore(f"file://{store}"))
    assert {result.id for result in again if result.made and not result.error} == {"r3", "r5"}
    assert contents(store) == whole


def test_a_store_that_breaks_ends_the_job_and_keeps_finished_rows(tmp_path, whole, monkeypatch):
    url, uploaded = f"file://{tmp_path / 'store'}", []
    put = ObjectStore._put

    def full(self, system, source, target):
        uploaded.append(target)
        if len(uploaded) > 9:
            raise RuntimeError("quota exceeded")  # stores have exceptions of their own
        put(self, system, source, target)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "_put", full)
        with pytest.raises(FolderFull, match="RuntimeError: quota exceeded"):
            run(tmp_path / "out", ObjectStore(url))
    again = run(tmp_path / "out", ObjectStore(url))
    assert 0 < sum(not result.made for result in again) < 10
    assert contents(tmp_path / "store") == whole


def test_a_worker_with_another_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="another model or version"):
        Worker(partial(StubSpeaker, name="two"), RemoteModel.of(StubSpeaker()), SharedFolder(tmp_path), 0)


def test_a_worker_that_does_not_see_the_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="Use a folder that all machines share, or --storage"):
        Worker(StubSpeaker, RemoteModel.of(StubSpeaker()), SharedFolder(tmp_path / "none"), 0)


@pytest.mark.parametrize(
    ("change", "fault"),
    [(lambda voice: voice.write_bytes(b"two"), "another one on this worker"), (Path.unlink, "FileNotFoundError: ")],
)
def test_a_row_whose_voice_differs_on_the_worker_or_is_missing_fails(tmp_path, monkeypatch, change, fault):
    voice = tmp_path / "mine.safetensors"
    voice.write_bytes(b"one")
    monkeypatch.setattr("dia.jobs.rows._checksum", lambda path, version: path.read_bytes().hex())
    rows = [{"id": "a", "text": "Hello.", "voice": str(voice)}]

    def speak_after_a_change(pending):
        waiting = list(pending)
        change(voice)
        yield from speak(waiting, storage)

    storage = SharedFolder(tmp_path / "out")
    (result,) = Batch(rows, tmp_path / "out").run_elsewhere(StubSpeaker(), speak_after_a_change, storage.files())
    assert fault in result.error


@pytest.mark.parametrize(
    ("url", "kind", "fault"),
    [
        ("speech", ValueError, "expected a URL with a path"),
        ("s3:///", ValueError, "expected a URL with a path"),
        ("nothing://bucket/speech", ValueError, "nothing"),
    ],
)
def test_a_storage_that_is_no_url_is_refused(url, kind, fault):
    with pytest.raises(kind, match=fault):
        storage_at(Path(), url)


def test_without_the_package_of_a_store_a_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ImportError, match=r"pip install 'dia-tts\[s3\]'"):
        storage_at(Path(), "s3://bucket/speech")


def test_a_store_that_cannot_be_listed_is_an_error_before_work(tmp_path, monkeypatch):
    store = storage_at(tmp_path, f"file://{tmp_path}/store")
    monkeypatch.setattr(type(store._connect()[0]), "find", lambda *_, **__: 1 / 0)
    with pytest.raises(ConnectionError, match="cannot be listed: ZeroDivisionError"):
        store.files()


SHARDS = BatchSettings(layout="webdataset", shard_rows=4)


def test_shards_in_a_shared_folder_are_those_of_one_process(tmp_path):
    list(Batch(ROWS, tmp_path / "whole", SHARDS).run(StubSpeaker()))
    storage = SharedFolder(tmp_path / "out", SHARDS.layout)
    for expected in ({f"r{number}" for number in range(10)} | {"bad"}, {"bad"}):
        results = Batch(ROWS, tmp_path / "out", SHARDS).run_elsewhere(StubSpeaker(), partial(speak, storage=storage))
        assert {result.id for result in results if result.made and result.id} == expected
        assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_shards_in_an_object_store_are_refused(tmp_path):
    store = ObjectStore(f"file://{tmp_path}/store")
    with pytest.raises(ValueError, match="omit the storage"):
        next(Batch(ROWS, tmp_path / "out", SHARDS).run_elsewhere(StubSpeaker(), speak, store.files()))
    assert not (tmp_path / "out").exists()
