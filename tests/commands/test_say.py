"""`dia say` with playback and pipes: what is played, and what goes to standard output and standard error."""

import io
import sys
from typing import ClassVar

import numpy as np
import pytest
import soundfile
from tiny_checkpoint import RATE, write_tiny_checkpoint

from dia.audio import playback as playing
from dia.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def say(folder):
    return lambda *arguments: main(["say", "[S1] Hi.", "--model", folder, "--seed", "1", *arguments])


@pytest.fixture
def whole(say, tmp_path):
    """The audio file written with the same seed."""
    assert say("-o", str(tmp_path / "whole.wav")) == 0
    return soundfile.read(tmp_path / "whole.wav", dtype="float32")[0]


class Heard:
    """Replaces the sound device."""

    pieces: ClassVar[list] = []

    def __init__(self, rate):
        self.pieces.clear()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.pieces.append(error[0])

    def write(self, samples):
        self.pieces.append(samples)


@pytest.fixture
def device(monkeypatch):
    monkeypatch.setattr(playing, "Player", Heard)
    monkeypatch.setattr(playing, "check_device", lambda: None)
    return Heard.pieces


def test_stream_plays_while_generating(say, device, whole, capsys):
    assert say("--stream") == 0
    *pieces, error = device
    assert error is None
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-4)
    printed = capsys.readouterr()
    assert "played: " in printed.out
    assert "seed 1" in printed.out


def test_speech_can_be_played_and_written(say, device, whole, tmp_path):
    assert say("--stream", "-o", str(tmp_path / "a.wav")) == 0
    samples, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(samples, whole, atol=1e-4)
    np.testing.assert_allclose(np.concatenate(device[:-1]), whole, atol=1e-4)


def test_only_the_wav_is_written_to_a_pipe(say, whole, capsysbinary):
    capsysbinary.readouterr()
    assert say("-o", "-") == 0
    printed = capsysbinary.readouterr()
    samples, rate = soundfile.read(io.BytesIO(printed.out), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(samples, whole, atol=1e-4)
    assert "seed=1" in soundfile.SoundFile(io.BytesIO(printed.out)).comment
    assert b"s of speech in" in printed.err


def test_raw_samples_are_written_to_a_pipe(say, whole, capsysbinary):
    capsysbinary.readouterr()
    assert say("-o", "-", "--format", "raw") == 0
    samples = np.frombuffer(capsysbinary.readouterr().out, "<i2") / 32767
    np.testing.assert_allclose(samples, whole, atol=1e-4)


class Pipe:
    """Standard output whose reader is closed."""

    buffer = property(lambda self: self)
    closed = False

    def flush(self):
        raise BrokenPipeError(32, "Broken pipe")

    def seekable(self):
        return False

    def isatty(self):
        return False

    def fileno(self):
        return 1

    def write(self, data):
        raise BrokenPipeError(32, "Broken pipe")


def test_a_broken_pipe_ends_quietly(say, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Pipe())
    monkeypatch.setattr("os.dup2", lambda *files: None)
    assert say("-o", "-") == 141
    assert "roken" not in capsys.readouterr().err


def test_an_interrupt_stops_playback(say, device, monkeypatch, capsys):
    def interrupted(self, samples):
        raise KeyboardInterrupt

    monkeypatch.setattr(Heard, "write", interrupted)
    assert say("--stream") == 130
    assert device == [KeyboardInterrupt]
    assert capsys.readouterr().err.endswith("dia: interrupted\n")


def test_problems_with_a_script_are_printed(folder, tmp_path, capsys):
    assert main(["say", "[S1] Hi. (cries)", "--model", folder, "-o", str(tmp_path / "a.wav")]) == 0
    assert "(cries) is not a sound that Dia knows" in capsys.readouterr().err


def test_names_of_speakers_are_not_in_the_subtitles(folder, tmp_path):
    script, subtitles = "ANN: Is it late?\nBOB: Yes, Ann.", tmp_path / "a.srt"
    options = ["--model", folder, "-o", str(tmp_path / "a.wav"), "--srt", str(subtitles), "--speakers", "BOB=S2"]
    assert main(["say", script, *options]) == 0
    shown = subtitles.read_text(encoding="utf-8")
    assert "Is it late?" in shown
    assert "ANN" not in shown
    assert "BOB" not in shown


def test_a_random_seed_is_printed_and_reproduces_the_speech(folder, tmp_path, capsys):
    assert main(["say", "[S1] Hi.", "--model", folder, "-o", str(tmp_path / "a.wav")]) == 0
    seed = capsys.readouterr().out.rpartition("seed ")[2].strip(")\n")
    assert main(["say", "[S1] Hi.", "--model", folder, "-o", str(tmp_path / "b.wav"), "--seed", seed]) == 0
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "pass an audio file with -o, or play the speech with --stream"),
        (["--stream", "--format", "raw"], "--format is only allowed with -o -"),
        (["-o", "{tmp}/a.wav", "--format", "wav"], "--format is only allowed with -o -"),
        (["--stream"], "pip install sounddevice"),
        (["-o", "{tmp}/a.wav", "--voice", "nobody"], "nobody"),
        (["-o", "{tmp}/a.wav", "--voice", "BOB=clara"], "--voice names 'BOB', which is neither S1, S2 nor a name"),
        (["-o", "{tmp}/a.wav", "--voice", "ann", "--voice", "bruno"], "pass one voice for all"),
    ],
)
def test_errors_are_one_line_and_leave_no_file(say, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert say(*[argument.replace("{tmp}", str(tmp_path)) for argument in arguments]) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_speakers_without_a_speaker_are_rejected(say, capsys):
    with pytest.raises(SystemExit, match="2"):
        say("--speakers", "BOB")
    assert "'BOB' is not NAME=S1 or NAME=S2" in capsys.readouterr().err


def test_a_terminal_is_rejected_as_output(say, monkeypatch, capsys):
    monkeypatch.setattr(Pipe, "isatty", lambda self: True)
    monkeypatch.setattr(sys, "stdout", Pipe())
    assert say("-o", "-") == 2
    assert "standard output is a terminal" in capsys.readouterr().err
