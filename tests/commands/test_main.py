"""How a command ends: its exit code, one line about an error, signals, and streams that cannot take every letter."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dia import cli
from dia.commands.parser import Parser


@pytest.fixture
def dia(monkeypatch):
    """The command with one subcommand, `do`, which runs a function of no arguments."""

    def command(work, *arguments):
        parser = Parser(prog="dia")
        commands = parser.add_subparsers(metavar="command", required=True)
        commands.add_parser("do").set_defaults(run=lambda given: work())
        monkeypatch.setattr(cli, "build_parser", lambda: parser)
        return cli.main(arguments or ["do"])

    return command


def raising(error):
    def work():
        raise error

    return work


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("seed is wrong."), "dia: seed is wrong."),
        (ValueError("one line\n  and another\n"), "dia: one line and another"),
        (TypeError("text is int."), "dia: text is int."),
        (ImportError("playing needs x: pip install x"), "dia: playing needs x: pip install x"),
        (MemoryError(), "dia: MemoryError"),
        (OSError("there is no voice."), "dia: there is no voice."),
        (FileNotFoundError(2, "No such file or directory", "a.wav"), "dia: a.wav: No such file or directory"),
        (OutOfMemoryError("CUDA out of memory."), "dia: CUDA out of memory."),
    ],
)
def test_what_is_wrong_with_the_input_is_one_line_and_2(dia, capsys, error, line):
    assert dia(raising(error)) == 2
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("no\nmore"), AssertionError(), ZeroDivisionError("0")])
def test_what_nobody_expected_is_one_line_that_asks_for_a_report_and_1(dia, capsys, error):
    assert dia(raising(error)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dia: internal error: {type(error).__name__}: ")
    assert "`dia env`" in line
    assert "--debug" in line


@pytest.mark.parametrize("arguments", [("--debug", "do"), ("do", "--debug")])
def test_debug_shows_the_traceback_before_the_command_and_after_it(dia, capsys, arguments):
    for error, code in ((ValueError("wrong"), 2), (KeyError("x"), 1)):
        assert dia(raising(error), *arguments) == code
        told = capsys.readouterr().err
        assert told.startswith("Traceback (most recent call last):")
        assert "in work" in told
        assert told.splitlines()[-1].startswith("dia: ")


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by SIGTERM")],
)
def test_signals_end_the_command_with_their_code_and_one_line(dia, capsys, number, code, told):
    before = signal.getsignal(number)

    def work():
        os.kill(os.getpid(), number)
        time.sleep(10)

    assert dia(work) == code
    assert capsys.readouterr().err == f"dia: {told}\n"
    assert signal.getsignal(number) == before


def ran(arguments, redirected="", **environment) -> subprocess.CompletedProcess:
    """`dia` in a process of its own, started by a shell that may close its streams."""
    line = f'exec "$0" -m dia "$@" {redirected}'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run(["sh", "-c", line, sys.executable, *arguments], capture_output=True, env=environment)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "ascii:strict"])
def test_letters_that_a_stream_cannot_take_are_spelt_out(tmp_path, encoding):
    voices = tmp_path / "voices"
    voices.mkdir()
    (voices / "ярослав.safetensors").write_bytes(b"")
    environment = {"PYTHONIOENCODING": encoding, "DIA_VOICES": str(voices)}
    listed = ran(["voice", "list"], **environment)
    assert listed.returncode == 0
    assert rb"\u044f\u0440" in listed.stdout
    refused = ran(["voice", "remove", "жук"], **environment)
    assert refused.returncode == 2
    assert rb"there is no voice '\u0436\u0443\u043a'" in refused.stderr


@pytest.mark.parametrize(
    ("redirected", "arguments", "code"),
    [
        (">&-", ["say", "--help"], 0),
        (">&-", ["voice", "list"], 0),
        (">&- 2>&-", ["voice", "remove", "nobody"], 2),
        ("<&- >&- 2>&-", ["voice", "list"], 0),
        (">&-", ["say", "Good morning.", "-o", "-"], 2),
        ("| true", ["voice", "list"], 0),  # of `true`
    ],
)
def test_closed_streams_crash_nothing(redirected, arguments, code):
    done = ran(arguments, redirected)
    assert done.returncode == code
    for sign in (b"Traceback", b"Exception ignored", b"rror:"):
        assert sign not in done.stderr


def test_a_pipe_that_nobody_reads_ends_the_command_quietly_with_141(dia, capsys):
    assert dia(raising(BrokenPipeError(32, "Broken pipe"))) == 141
    assert capsys.readouterr().err == ""


def test_a_full_disk_behind_standard_output_is_told():
    done = ran(["voice", "list"], "> /dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith(b"dia: ")
    assert b"No space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_python_runs_the_package_as_the_command():
    done = ran(["--version"])
    assert (done.returncode, done.stdout[:4]) == (0, b"dia ")
