"""Measure the speed of `dia say`: the generation alone, and the whole command."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile
import torch
from evaluation.intervals import Figure, certain

from dia.model import Dia

REPEATS = 3


def speed(folder: Path, script: str, seed: int) -> dict[str, Figure]:
    """The best of three: seconds of speech per second, including the codec, and the seconds the command takes."""
    return {**_generating(folder, script, seed), **_commanding(folder, script, seed)}


def _generating(folder: Path, script: str, seed: int) -> dict[str, Figure]:
    dia = Dia.from_pretrained(folder, device="cpu")
    dia.generate("[S1] Hello.", seed=seed)  # the first call allocates memory and compiles kernels
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        audio = dia.generate(script, seed=seed)
        taken.append(time.perf_counter() - began)
    return {"realtime": certain(len(audio) / dia.sample_rate / min(taken))}


def _commanding(folder: Path, script: str, seed: int) -> dict[str, Figure]:
    taken = []
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "said.wav"
        said = [sys.executable, "-m", "dia.cli", "say", script, "-o", str(file), "--model", str(folder)]
        threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
        for _ in range(REPEATS):
            began = time.perf_counter()
            command = [*said, "--seed", str(seed), "--device", "cpu"]
            subprocess.run(command, check=True, capture_output=True, env={**os.environ, **threads})
            taken.append(time.perf_counter() - began)
        seconds = soundfile.info(file).duration
    return {"command": certain(min(taken)), "command_speech": certain(seconds)}
