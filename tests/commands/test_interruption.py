"""`dia say` that is killed or finds the disk full: the old file survives, finished parts are resumed, and nothing
else remains. `tests/fuzz/interrupt.py` does the same at hundreds of random moments.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from forks import ended, forked
from tiny_speech import saved_tiny_speech
from waiting import wait_until

from dia.cli import main
from dia.runtime.files.locks import exclusive_writer
from dia.synthesis.takes import analysis
from tests.fuzz import interrupt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks, signals and limits of POSIX")

SCRIPT = "[S1] These are words. [pause:200ms] [S2] These are words. [pause:200ms] [S1] The end."


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return saved_tiny_speech(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def never_wrong(monkeypatch):
    monkeypatch.setattr(analysis, "faults", lambda check_input: ())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "output").mkdir()
    return tmp_path / "output"


@pytest.fixture
def say(model, folder):
    rest = ["--model", model, "--seed", "7"]
    return lambda output="a.wav", *more: main(["say", SCRIPT, "-o", str(folder / output), *rest, *more])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_kill_at_any_call_leaves_only_resumable_parts(model, folder):
    """Takes seconds, as it loads a model and speaks five times."""
    command = interrupt.Command(folder, model, SCRIPT)
    command.run_uninterrupted()
    for number, share in ((signal.SIGTERM, 0.8), (signal.SIGKILL, 0.7), (signal.SIGINT, 0.85)):
        command.kill_at(round(share * command.calls), number)
    command.finish()
    assert set(command.kills) == {("SIGTERM", 143), ("SIGKILL", -9), ("SIGINT", 130)}


@pytest.mark.parametrize("limit", [0, 300, 1500, 4000])
def test_a_full_disk_preserves_the_old_file_and_finished_parts(say, folder, capsys, limit):
    """Simulated by a limit on file size."""
    resource = pytest.importorskip("resource")
    assert say() == 0
    whole = soundfile.read(folder / "a.wav")[0]
    (folder / "a.wav").write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    capsys.readouterr()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        assert say() == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (folder / "a.wav").read_text() == "old"
    printed = capsys.readouterr().err.splitlines()
    error, *left = [line for line in printed if "unnatural" not in line]  # that the script is short
    assert "disk is full" in error or "File too large" in error
    parts = len(list(folder.glob(".a.wav.parts/part-*")))
    assert names(folder) == [*[".a.wav.parts"] * (parts > 0), "a.wav"]
    assert len(left) == (parts > 0)
    assert all(f"{parts} finished part" in line and "the same command continues from there" in line for line in left)
    assert say() == 0
    assert names(folder) == ["a.wav"]
    np.testing.assert_allclose(soundfile.read(folder / "a.wav")[0], whole, atol=1e-3)


def test_a_second_command_for_the_same_output_is_rejected_before_loading(say, folder, monkeypatch, capsys):
    monkeypatch.setattr("dia.model.Dia.from_pretrained", None)
    process = forked(lambda: held(folder))
    wait_until((folder / "ready").exists)
    (folder / "ready").unlink()
    assert say() == 2
    assert f"a.wav is being written by process {process} on " in capsys.readouterr().err
    (folder / "go").touch()
    assert ended(process) == 0


def held(folder: Path) -> None:
    with exclusive_writer(folder / "a.wav"):
        (folder / "ready").touch()
        wait_until((folder / "go").exists)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("folder.wav", "folder.wav is a folder. Pass the path of a file."),
        ("pipe.wav", "pipe.wav is a device or a pipe, which a file cannot replace. Choose another path."),
        ("circle.wav", "circle.wav: Too many levels of symbolic links"),
        ("nowhere/a.wav", "nowhere does not exist. Create it first."),
    ],
)
def test_an_impossible_output_is_rejected_before_loading(say, folder, monkeypatch, capsys, output, message):
    monkeypatch.setattr("dia.model.Dia.from_pretrained", None)
    (folder / "folder.wav").mkdir()
    (folder / "circle.wav").symlink_to(folder / "circle.wav")
    os.mkfifo(folder / "pipe.wav")
    before = names(folder)
    assert say(output) == 2
    assert message in capsys.readouterr().err
    assert names(folder) == before


def test_two_outputs_need_two_files(say, folder, capsys):
    (folder / "link.srt").symlink_to(folder / "a.srt")
    assert say("a.wav", "--srt", str(folder / "a.srt"), "--vtt", str(folder / "link.srt")) == 2
    assert "--srt and --vtt are the same file" in capsys.readouterr().err


def test_a_linked_output_is_written_to_its_target_and_resumed_by_either_name(say, folder, tmp_path, monkeypatch):
    from dia.synthesis.takes import generation

    (tmp_path / "elsewhere").mkdir()
    (folder / "a.wav").symlink_to(tmp_path / "elsewhere" / "real.wav")
    making, made = generation._run_batch, []

    def interrupted(*rest):
        made.append(1)
        if len(made) == 3:
            raise KeyboardInterrupt
        return making(*rest)

    monkeypatch.setattr(generation, "_run_batch", interrupted)
    assert say() == 130
    assert names(folder) == ["a.wav"]
    assert names(tmp_path / "elsewhere") == [".real.wav.parts"]
    assert say("../elsewhere/real.wav") == 0
    assert len(made) == 3 + 1  # two of three parts were kept
    assert (folder / "a.wav").is_symlink()
    assert names(tmp_path / "elsewhere") == ["real.wav"]
