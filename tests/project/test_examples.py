"""examples/: every script runs as it stands, writes what the list says, and is short."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

FOLDER = Path(__file__).parents[2] / "examples"
ROW = re.compile(r"^\| \[(\w+\.py)\]\(\1\) \| .+ \| (.+) \|$", re.MULTILINE)
LISTED = {name: re.findall(r"`([^`]+)`", files) for name, files in ROW.findall((FOLDER / "README.md").read_text())}


@pytest.mark.parametrize("script", LISTED)
def test_an_example_writes_what_the_list_says(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    runpy.run_path(str(FOLDER / script), run_name="__main__")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(LISTED[script])
    for path in [*tmp_path.glob("*.wav"), *tmp_path.glob("*.flac")]:
        samples, rate = soundfile.read(path)
        assert len(samples) > rate / 2, path.name
        assert np.ptp(samples) > 0.05, path.name


def test_every_example_is_in_the_list():
    assert sorted(LISTED) == sorted(path.name for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("script", LISTED)
def test_an_example_is_short(script):
    assert len((FOLDER / script).read_text(encoding="utf-8").splitlines()) <= 40
