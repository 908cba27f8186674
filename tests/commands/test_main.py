"""How a command ends: its exit code, its error message, signals, and streams that cannot encode every character."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dia import cli
from dia.commands.options.parser import Parser


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
    """Has the name of torch's exception."""


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
def test_invalid_input_gives_one_line_and_code_2(dia, capsys, error, line):
    assert dia(raising(error)) == 2
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("no\nmore"), AssertionError(), ZeroDivisionError("0")])
def test_an_unexpected_error_gives_one_line_that_asks_for_a_report_and_code_1(dia, capsys, error):
    assert dia(raising(error)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dia: internal error: {type(error).__name__}: ")
    assert "`dia env`" in line
    assert "--debug" in line


@pytest.mark.parametrize("arguments", [("--debug", "do"), ("do", "--debug")])
def test_debug_shows_the_traceback_before_or_after_the_subcommand(dia, capsys, arguments):
    for error, code in ((ValueError("wrong"), 2), (KeyError("x"), 1)):
        assert dia(raising(error), *arguments) == code
        printed = capsys.readouterr().err
        assert printed.startswith("Traceback (most recent call last):")
        assert "in work" in printed
        assert printed.splitlines()[-1].startswith("dia: ")


@pytest.mark.parametrize(
    ("number", "code", "printed"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by SIGTERM")],
)
def test_signals_end_the_command_with_their_code_and_one_line(dia, capsys, number, code, printed):
    before = signal.getsignal(number)

    def work():
        os.kill(os.getpid(), number)
        time.sleep(10)

    assert dia(work) == code
    assert capsys.readouterr().err == f"dia: {printed}\n"
    assert signal.getsignal(number) == before


def ran(arguments, redirected="", **environment) -> subprocess.CompletedProcess:
    """`dia` in a separate process, started by a shell that may close its streams."""
    line = f'exec "$0" -m dia "$@" {redirected}'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run(["sh", "-c", line, sys.executable, *arguments], capture_output=True, env=environment)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "ascii:strict"])
def test_characters_that_a_stream_cannot_encode_are_escaped(tmp_path, encoding):
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
def test_closed_streams_cause_no_crash(redirected, arguments, code):
    done = ran(arguments, redirected)
    assert done.returncode == code
    for sign in (b"Traceback", b"Exception ignored", b"rror:"):
        assert sign not in done.stderr


def test_a_closed_pipe_ends_the_command_silently_with_code_141(dia, capsys):
    assert dia(raising(BrokenPipeError(32, "Broken pipe"))) == 141
    assert capsys.readouterr().err == ""


def test_a_full_disk_for_standard_output_is_reported():
    done = ran(["voice", "list"], "> /dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith(b"dia: ")
    assert b"No space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_python_runs_the_package_as_the_command():
    done = ran(["--version"])
    assert (done.returncode, done.stdout[:4]) == (0, b"dia ")
