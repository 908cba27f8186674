"""Only one process writes an output; its lock ends with the process and leaves no file."""

import errno
import os
import signal
import socket
import sys
import time
from contextlib import suppress

import pytest
from forks import ended, forked
from waiting import wait_until

from dia.runtime.files import locks
from dia.runtime.files.locks import exclusive_writer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks, and locks of POSIX")


@pytest.fixture
def other(tmp_path):
    """A process that holds the lock of a.wav until the test ends."""

    def write():
        with exclusive_writer(tmp_path / "a.wav"):
            (tmp_path / "ready").touch()
            time.sleep(60)

    process = forked(write)
    wait_until((tmp_path / "ready").exists)
    (tmp_path / "ready").unlink()
    yield process
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(process, signal.SIGKILL)
        ended(process)


def test_the_lock_file_exists_only_while_the_block_runs(tmp_path):
    with exclusive_writer(tmp_path / "a.wav"):
        assert [path.name for path in tmp_path.iterdir()] == [".a.wav.dia-lock"]
    with pytest.raises(KeyboardInterrupt), exclusive_writer(tmp_path / "a.wav"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_gets_an_error_that_names_the_first(tmp_path, other):
    wanted = f"a.wav is being written by process {other} on {socket.gethostname()}. Wait until it ends, or choose"
    with pytest.raises(BlockingIOError, match=wanted), exclusive_writer(tmp_path / "a.wav"):
        pass
    with exclusive_writer(tmp_path / "b.wav"):
        pass


def test_a_link_to_the_same_file_is_locked_too(tmp_path, other):
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    with pytest.raises(BlockingIOError, match=r"link\.wav is being written"), exclusive_writer(tmp_path / "link.wav"):
        pass


def test_a_second_writer_in_the_same_process_is_rejected(tmp_path):
    with exclusive_writer(tmp_path / "a.wav"), pytest.raises(BlockingIOError), exclusive_writer(tmp_path / "a.wav"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_process_is_released(tmp_path, other):
    os.kill(other, signal.SIGKILL)
    ended(other)
    assert [path.name for path in tmp_path.iterdir()] == [".a.wav.dia-lock"]
    with exclusive_writer(tmp_path / "a.wav"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("holder", "refused"), [("living", True), ("dead", False), ("elsewhere", False)])
def test_without_file_locks_the_process_named_in_the_file_decides(tmp_path, monkeypatch, holder, refused):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    process = 2**22 + 1 if holder == "dead" else os.getppid()
    host = "another" if holder == "elsewhere" else socket.gethostname()
    (tmp_path / ".a.wav.dia-lock").write_text(f"process {process} on {host}")
    if refused:
        with pytest.raises(BlockingIOError, match=f"process {process}"), exclusive_writer(tmp_path / "a.wav"):
            pass
    else:
        with exclusive_writer(tmp_path / "a.wav"):
            pass
        assert list(tmp_path.iterdir()) == []


def test_the_error_names_a_missing_or_read_only_folder(tmp_path, monkeypatch):
    missing = exclusive_writer(tmp_path / "nowhere" / "a.wav")
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist\. Create it first"), missing:
        pass

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(locks.os, "open", refuse)
    forbidden = exclusive_writer(tmp_path / "a.wav")
    with pytest.raises(PermissionError, match=r"a\.wav cannot be written: Permission denied in "), forbidden:
        pass


@pytest.fixture
def interrupted(monkeypatch):
    """Interrupts the next writer when it has opened its lock file, before it holds the lock."""
    original = locks._locked

    def once(opened):
        monkeypatch.setattr(locks, "_locked", original)
        raise KeyboardInterrupt

    return lambda: monkeypatch.setattr(locks, "_locked", once)


def test_an_interrupt_while_the_lock_is_taken_leaves_no_file(tmp_path, interrupted):
    interrupted()
    with pytest.raises(KeyboardInterrupt), locks.exclusive_writer(tmp_path / "a.wav"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_the_lock_file_of_another_writer(tmp_path, interrupted):
    with locks.exclusive_writer(tmp_path / "a.wav"):
        interrupted()
        with pytest.raises(KeyboardInterrupt), locks.exclusive_writer(tmp_path / "a.wav"):
            pass
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_the_lock_is_released_leaves_no_file(tmp_path, monkeypatch):
    original = locks._LockFile.release

    def interrupted(self):
        monkeypatch.setattr(locks._LockFile, "release", original)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), locks.exclusive_writer(tmp_path / "a.wav"):
        monkeypatch.setattr(locks._LockFile, "release", interrupted)
    assert list(tmp_path.iterdir()) == []
