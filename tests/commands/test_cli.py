"""The command: what it reads, writes and prints, and how it reports errors."""

import io
import json
import shutil
import signal

import pytest
import soundfile
from talking import talking
from tiny_checkpoint import RATE, write_tiny_checkpoint

from dia.cli import main
from dia.runtime.interruption import Terminated, exit_code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("tiny")))


def test_say_writes_a_file_and_prints_its_figures(folder, tmp_path, capsys):
    output = tmp_path / "hi.wav"
    assert main(["say", "[S1] Hi.", "-o", str(output), "--model", folder, "--seed", "1"]) == 0
    samples, rate = soundfile.read(output)
    assert rate == RATE
    printed = capsys.readouterr().out
    assert f"{output}: {len(samples) / RATE:.2f} s of speech in " in printed
    assert "x realtime" in printed
    assert "loading took" in printed


def test_the_script_may_be_a_file_or_standard_input(folder, tmp_path, monkeypatch):
    script = tmp_path / "script.txt"
    script.write_text("[S1] Hi.\n", encoding="utf-8")
    options = ["--model", folder, "--seed", "1", "-o"]
    assert main(["say", str(script), *options, str(tmp_path / "a.wav")]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("[S1] Hi."))
    assert main(["say", "-", *options, str(tmp_path / "b.wav")]) == 0
    assert main(["say", "[S1] Hi.", *options, str(tmp_path / "c.wav")]) == 0
    sounds = [soundfile.read(tmp_path / f"{name}.wav")[0].tolist() for name in "abc"]
    assert sounds[0] == sounds[1] == sounds[2]


@pytest.mark.parametrize("options", [["--no-normalize"], []])
def test_another_language_is_spoken_if_the_text_frontend_is_none(folder, tmp_path, options, capsys):
    model = tmp_path / "model"
    shutil.copytree(folder, model)
    if not options:
        settings = json.loads((model / "generation_config.json").read_text())
        (model / "generation_config.json").write_text(json.dumps({**settings, "text_frontend": "none"}))
    output = tmp_path / "a.wav"
    assert main(["say", "[S1] Привет 5", "-o", str(output), "--model", str(model), "--seed", "1", *options]) == 0
    assert output.is_file()
    assert ("normalize=False" in capsys.readouterr().err) == bool(options)


def test_a_recording_may_be_continued(folder, tmp_path):
    soundfile.write(tmp_path / "a.wav", talking(1.2, rate=RATE), RATE)
    cloning = ["--audio-prompt", str(tmp_path / "a.wav"), "--audio-prompt-text", "[S1] Hi."]
    output = tmp_path / "b.flac"
    assert main(["say", "[S1] So.", "--model", folder, "--max-tokens", "300", *cloning, "-o", str(output)]) == 0
    assert output.is_file()


def test_help_shows_examples_and_the_notice(capsys):
    with pytest.raises(SystemExit) as exit_code:
        main(["say", "--help"])
    assert exit_code.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in ("examples:", "dia say script.txt", "[S1]", "without consent", "synthetic"):
        assert part in text


def test_help_counts_the_limit_in_rows_as_the_option_does(capsys):
    with pytest.raises(SystemExit):
        main(["say", "--help"])
    assert "--max-tokens ROWS maximum number of rows" in " ".join(capsys.readouterr().out.split())


def test_help_lists_the_exit_code_of_every_signal_that_ends_a_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    (listed,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("exit codes:"))
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        assert str(exit_code(Terminated(number))) in listed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["  ", "-o", "{tmp}/a.wav"], "text is empty"),
        (["scirpt.txt", "-o", "{tmp}/a.wav"], "the file scirpt.txt does not exist"),
        (["no_such_script", "-o", "{tmp}/a.wav"], "the file no_such_script does not exist"),
        (["{tmp}", "-o", "{tmp}/a.wav"], "is a folder"),
        (["[S1] Привет", "-o", "{tmp}/a.wav"], "CYRILLIC"),
        (["[S1] Hi.", "-o", "{tmp}/missing/a.wav"], "missing does not exist. Create it first"),
        (["[S1] Hi.", "-o", "{tmp}/a.xyz"], "xyz"),
        (["[S1] Hi.", "-o", "{tmp}/a.wav", "--device", "quantum"], "quantum"),
        (["[S1] Hi.", "-o", "{tmp}/a.wav", "--audio-prompt", "{tmp}/none.wav"], "none.wav"),
    ],
)
def test_errors_are_one_line_and_leave_no_file(folder, tmp_path, capsys, arguments, message):
    filled = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    assert main(["say", *filled, "--model", folder]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("dia: ")
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_writes_nothing(folder, tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("dia.model.Dia.pieces", interrupted)
    assert main(["say", "[S1] Hi.", "-o", str(tmp_path / "a.wav"), "--model", folder]) == 130
    assert "dia: interrupted; nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
