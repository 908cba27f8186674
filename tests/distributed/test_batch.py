"""`dia batch` in two processes of each launcher: the files of one process, also after a kill. Slow to start."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from job_speakers import ROWS

from dia.jobs.batch import Batch
from dia.jobs.parts import PARTS
from dia.model import Dia

pytest.importorskip("torch.distributed")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ACCELERATE = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
ACCELERATE += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]


def launch(launcher, rows, folder):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, "-m", "dia.distributed.batch", str(rows), "-o", str(folder)]
    options = ["--device", "cpu", "--dtype", "float32"]
    return subprocess.Popen(
        [*command, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.fixture(scope="module")
def model():
    return Dia.from_pretrained("mini", device="cpu", compute_dtype="float32")


@pytest.fixture(scope="module")
def whole(rows, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    list(Batch(rows, folder).run(model))
    return contents(folder)


def test_accelerate_launch_writes_the_files_of_one_process(rows, whole, tmp_path):
    process = launch(ACCELERATE, rows, tmp_path / "out")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "6 rows have files" in output
    assert contents(tmp_path / "out") == whole


def test_rows_of_a_process_killed_under_torchrun_are_finished_by_one(rows, whole, model, tmp_path):
    process = launch(TORCHRUN, rows, tmp_path / "out")
    try:
        while not (made := list((tmp_path / "out").glob("*.wav"))) and process.poll() is None:
            time.sleep(0.02)
        os.kill(holder(tmp_path / "out"), signal.SIGKILL)
        output, _ = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert made, output
    assert process.returncode != 0
    assert (tmp_path / "out" / PARTS).is_dir()
    list(Batch(rows, tmp_path / "out").run(model))
    assert contents(tmp_path / "out") == whole


def holder(folder):
    """The process that writes part 0, which its lock file names."""
    (lock,) = (folder / PARTS).glob(".00000*")
    return int(lock.read_text().split()[1])
