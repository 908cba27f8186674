"""`dia train` under `accelerate launch`: two processes train one model, and one resumes it. Starting takes long."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from tiny_checkpoint import RATE, write_tiny_checkpoint

from tests.commands.training.train_command import SECONDS, train

LAUNCH = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
LAUNCH += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "-m", "dia.cli", "train"]


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    time = np.arange(int(SECONDS * RATE)) / RATE
    for number in range(4):
        soundfile.write(folder / f"{number}.wav", 0.3 * np.sin(2 * np.pi * (200 + 40 * number) * time), RATE)
        (folder / f"{number}.txt").write_text(f"Tone {number}.", encoding="utf-8")
    return folder


def test_two_processes_train_one_model_that_one_process_resumes(recordings, tmp_path):
    pytest.importorskip("peft")
    model, output = str(write_tiny_checkpoint(tmp_path / "tiny")), tmp_path / "out"
    options = ["--data", str(recordings), "--model", model, "--output", str(output), "--cpu", "--batch-size", "1"]
    options += ["--shifts", "1", "--held-out", "0", "--steps", "2"]
    done = subprocess.run(
        [sys.executable, *LAUNCH, *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("clips to train on") == 1
    assert state(output)["epoch"] == 1.0  # 2 steps of 2 processes are all 4 clips
    assert train(str(recordings), model, output, "--held-out", "0", "--steps", "3", "--resume") == 0
    assert state(output)["global_step"] == 3


def state(output):
    last = max(output.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return json.loads((last / "trainer_state.json").read_text())
