"""One process writes an output; the lock ends with the process, and leaves nothing."""

import errno
import os
import signal
import socket
import sys
import time
from contextlib import suppress

import pytest
from forks import ended, forked

from dia.runtime import locks
from dia.runtime.locks import only_writer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks, and locks of POSIX")


@pytest.fixture
def other(tmp_path):
    """A process that writes a.wav until the test ends."""

    def write():
        with only_writer(tmp_path / "a.wav"):
            (tmp_path / "ready").touch()
            time.sleep(60)

    process = forked(write)
    while not (tmp_path / "ready").exists():
        time.sleep(0.001)
    (tmp_path / "ready").unlink()
    yield process
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(process, signal.SIGKILL)
        ended(process)


def test_it_is_there_while_the_block_runs_and_then_gone(tmp_path):
    with only_writer(tmp_path / "a.wav"):
        assert [path.name for path in tmp_path.iterdir()] == [".a.wav.dia-lock"]
    with pytest.raises(KeyboardInterrupt), only_writer(tmp_path / "a.wav"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_is_refused_and_told_of_the_first(tmp_path, other):
    wanted = f"a.wav is being written by process {other} on {socket.gethostname()}. Wait for its end, or choose"
    with pytest.raises(BlockingIOError, match=wanted), only_writer(tmp_path / "a.wav"):
        pass
    with only_writer(tmp_path / "b.wav"):
        pass


def test_a_link_to_the_same_file_is_refused_too(tmp_path, other):
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    with pytest.raises(BlockingIOError, match=r"link\.wav is being written"), only_writer(tmp_path / "link.wav"):
        pass


def test_within_a_process_there_is_one_writer_too(tmp_path):
    with only_writer(tmp_path / "a.wav"), pytest.raises(BlockingIOError), only_writer(tmp_path / "a.wav"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path, other):
    os.kill(other, signal.SIGKILL)
    ended(other)
    assert [path.name for path in tmp_path.iterdir()] == [".a.wav.dia-lock"]
    with only_writer(tmp_path / "a.wav"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("holder", "refused"), [("living", True), ("dead", False), ("elsewhere", False)])
def test_where_there_are_no_locks_the_process_that_is_named_counts(tmp_path, monkeypatch, holder, refused):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    process = 2**22 + 1 if holder == "dead" else os.getppid()
    host = "another" if holder == "elsewhere" else socket.gethostname()
    (tmp_path / ".a.wav.dia-lock").write_text(f"process {process} on {host}")
    if refused:
        with pytest.raises(BlockingIOError, match=f"process {process}"), only_writer(tmp_path / "a.wav"):
            pass
    else:
        with only_writer(tmp_path / "a.wav"):
            pass
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_or_may_not_be_written_to_is_named(tmp_path, monkeypatch):
    missing = only_writer(tmp_path / "nowhere" / "a.wav")
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist\. Make it first"), missing:
        pass

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(locks.os, "open", refuse)
    forbidden = only_writer(tmp_path / "a.wav")
    with pytest.raises(PermissionError, match=r"a\.wav cannot be written: Permission denied in "), forbidden:
        pass
