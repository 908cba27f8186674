"""Standard streams that are closed, full or broken, tested in separate processes that do not import torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from dia.runtime.standard_streams import is_closed, print_lines, standard_streams

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="runs a shell, and needs /dev/full")

_VERSION = "from dia.cli import main; raise SystemExit(main(['--version']))"
_WRITES = """
import os, sys
from dia.runtime.standard_streams import standard_streams
with standard_streams():
    with open(sys.argv[1], "w") as file:
        print("an answer")
        print("a message", file=sys.stderr)
        os.write(1, b"from C")
        os.write(2, b"from C")
        file.write("the file's own")
"""


def run(code, redirected, *arguments):
    """Run a program with redirections of a shell; return its exit code and output."""
    line = f'"$0" -c "$1" "${{@:2}}" {redirected}'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PATH": "/usr/bin:/bin"},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_neither_stop_the_work_nor_write_into_the_first_file(tmp_path, closed):
    assert run(_WRITES, closed, tmp_path / "a")[0] == 0
    assert (tmp_path / "a").read_text() == "the file's own"


def test_a_message_is_never_written_to_standard_output(tmp_path):
    """With standard error closed, `print(…, file=sys.stderr)` would write into the audio of `-o -`."""
    code, printed, _ = run(_WRITES, "2>&-", tmp_path / "a")
    assert (code, printed) == (0, "from Can answer\n")


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2> >(exit 0)"])
def test_messages_that_cannot_be_written_do_not_stop_the_work(tmp_path, redirected):
    code, printed, _ = run(_WRITES.replace("os.write(2", "(lambda *_: 0)(2"), redirected, tmp_path / "a")
    assert (code, printed) == (0, "from Can answer\n")


@pytest.mark.parametrize(
    ("redirected", "code", "message"),
    [
        ("", 0, ""),
        ("<&-", 0, ""),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">/dev/full", 2, "dia: standard output cannot be written: No space left on device.\n"),
    ],
)
def test_the_command_returns_the_right_exit_code(redirected, code, message):
    found = run(_VERSION, redirected)
    assert (found[0], found[2]) == (code, message)


def test_a_broken_pipe_gives_an_exit_code_without_a_message():
    late = "import time; from dia.cli import main; time.sleep(0.3); raise SystemExit(main(['say', '--help']))"
    code, printed, errors = run(late, "| true; exit ${PIPESTATUS[0]}")
    assert (code, printed, errors) == (141, "", "")


def test_closed_streams_are_recognized(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with standard_streams():
        assert is_closed(sys.stdout)
        print("nowhere")
        sys.stdout.close()
    assert not is_closed(sys.__stdout__)


def test_messages_start_with_the_name_of_the_command(capsys):
    print_lines("one", ValueError("two"))
    assert capsys.readouterr().err == "dia: one\ndia: two\n"
