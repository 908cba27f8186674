"""A job on Ray, with a stub in place of the model: files of one process, resuming, dead workers, object stores.

Skipped without Ray, whose start takes seconds.
"""

import gc
import os
import signal
from functools import partial
from pathlib import Path

import pytest
from job_speakers import StubSpeaker

from dia.distributed.ray_data import Workers, connect, run_on_ray
from dia.distributed.storage import ObjectStore, SharedFolder
from dia.jobs.batch import Batch
from dia.jobs.manifest import MANIFEST
from dia.jobs.settings import BatchSettings
from dia.jobs.speaking import FolderFull

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own
ROWS = [
    *({"id": f"r{number}", "text": f"Hello number {number}."} for number in range(40)),
    {"id": "bad", "text": "Please fail."},
    {"id": "a/b", "text": "Hi."},
]


SETTINGS = BatchSettings()


class Dying(StubSpeaker):
    """Kills its process at row 20, the first time."""

    def __init__(self, flag):
        super().__init__()
        self.flag = Path(flag)

    def speak(self, row, *arguments, **options):
        if row.id == "r20" and not self.flag.exists():
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().speak(row, *arguments, **options)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    paths = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))  # workers find the speakers of this file
        connect(num_cpus=2, _node_ip_address="127.0.0.1", object_store_memory=80 * 2**20)
        yield
        ray.shutdown()
        gc.collect()  # Ray leaves processes that it has killed to the garbage collector, which warns


def speak(folder, storage=None, load=StubSpeaker, rows=ROWS, workers=2, settings=SETTINGS):
    batch = Batch(rows, folder, settings)
    return list(run_on_ray(batch, load, storage or SharedFolder(folder, settings.layout), Workers(workers)))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    list(Batch(ROWS, folder).run(StubSpeaker()))
    return contents(folder)


def test_two_workers_write_the_files_of_one_process_and_a_second_run_makes_none(tmp_path, whole):
    results = speak(tmp_path / "out")
    assert len(results) == len(ROWS)
    assert contents(tmp_path / "out") == whole
    assert not any(result.made and not result.error for result in speak(tmp_path / "out"))
    assert contents(tmp_path / "out") == whole


def test_two_workers_write_the_shards_of_one_process(tmp_path):
    settings = BatchSettings(layout="webdataset", shard_rows=15)
    list(Batch(ROWS, tmp_path / "whole", settings).run(StubSpeaker()))
    speak(tmp_path / "out", settings=settings)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_rows_of_a_dead_worker_are_spoken_by_others(tmp_path, whole):
    results = speak(tmp_path / "out", load=partial(Dying, tmp_path / "flag"))
    assert (tmp_path / "flag").exists()
    assert len(results) == len(ROWS)
    assert contents(tmp_path / "out") == whole


def test_a_job_that_one_process_began_is_finished_on_ray(tmp_path, whole):
    running = Batch(ROWS, tmp_path / "out").run(StubSpeaker())
    next(running)
    running.close()
    speak(tmp_path / "out", workers=1)
    assert contents(tmp_path / "out") == whole


def test_files_in_a_store_are_resumed_by_what_is_there(tmp_path, whole):
    store = tmp_path / "store"
    speak(tmp_path / "out", ObjectStore(f"file://{store}"))
    assert contents(store) == whole
    (store / "r3.wav").unlink()
    results = speak(tmp_path / "out", ObjectStore(f"file://{store}"))
    assert [result.id for result in results if result.made and not result.error] == ["r3"]
    assert contents(store) == whole


class Full(StubSpeaker):
    """Finds the disk full at row 20."""

    def speak(self, row, *arguments, **options):
        if row.id == "r20":
            raise FolderFull("no space is left")
        return super().speak(row, *arguments, **options)


def test_a_full_disk_of_a_worker_ends_the_job(tmp_path):
    with pytest.raises(FolderFull, match="no space is left"):
        speak(tmp_path / "out", load=Full)


def missing_model():
    raise ValueError("there is no such model")


def test_what_a_worker_cannot_load_is_said_as_it_is_said_here(tmp_path):
    with pytest.raises(ValueError, match="there is no such model"):
        speak(tmp_path / "out", load=missing_model)


def other_model(flag):
    """Another model in each process that loads it."""
    Path(flag).write_text(Path(flag).read_text() + "+")
    return StubSpeaker(name=Path(flag).read_text())


def test_a_worker_with_another_model_ends_the_job(tmp_path):
    (tmp_path / "flag").write_text("")
    with pytest.raises((ValueError, RuntimeError), match="another model or version"):
        speak(tmp_path / "out", load=partial(other_model, tmp_path / "flag"), workers=1)


def test_files_can_be_in_a_bucket(tmp_path, whole):
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        settings = {"endpoint_url": f"http://{host}:{port}", "key": "a", "secret": "b"}
        import s3fs

        system = s3fs.S3FileSystem(**settings)
        system.mkdir("bucket")
        speak(tmp_path / "out", ConfiguredStore("s3://bucket/speech", settings))
        found = {Path(name).name: system.cat(name) for name in system.ls("bucket/speech")}
        assert found == whole
        speak(tmp_path / "out", ConfiguredStore("s3://bucket/speech", settings))
        assert (tmp_path / "out" / MANIFEST).read_bytes() == whole[MANIFEST]
    finally:
        server.stop()


class ConfiguredStore(ObjectStore):
    """A store that needs no environment variables in the workers."""

    def __init__(self, url, settings):
        self._settings = settings
        super().__init__(url)

    def _connect(self):
        from fsspec.core import url_to_fs

        return url_to_fs(self._url, **self._settings)
