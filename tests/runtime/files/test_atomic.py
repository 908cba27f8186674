"""Files and folders appear completely or not at all; only leftovers of killed processes are removed."""

import os
import signal
import stat
import sys
from pathlib import Path

import pytest
from forks import die, ended, forked
from safetensors import SafetensorError

from dia.runtime.files import atomic
from dia.runtime.files.atomic import (
    Partial,
    atomic_entries,
    atomic_file,
    atomic_folder,
    check_file,
    check_vacant,
    destination,
    sweep,
)
from dia.runtime.files.locks import LOCK_SUFFIX

posix = pytest.mark.skipif(sys.platform == "win32", reason="locks and links of POSIX")


@pytest.fixture(autouse=True)
def first_look(monkeypatch):
    """Act as a process that has not yet removed leftovers."""
    monkeypatch.setattr(atomic, "_swept", set())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def killed_while(writing, folder):
    """Write in a process that is killed before it ends."""
    assert ended(forked(writing)) == -signal.SIGKILL
    return names(folder)


def test_a_file_appears_at_the_end(tmp_path):
    with atomic_file(tmp_path / "a.txt") as partial:
        partial.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    def write():
        with atomic_file(tmp_path / "a.txt") as partial:
            partial.write_text("new")
            raise error

    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(error):
        write()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@posix
@pytest.mark.parametrize("target", ["there", "not yet"])
def test_a_link_is_written_through(tmp_path, target):
    place = tmp_path / "elsewhere" / "real.txt"
    place.parent.mkdir()
    if target == "there":
        place.write_text("old")
    (tmp_path / "a.txt").symlink_to(place)
    with atomic_file(tmp_path / "a.txt") as partial:
        partial.write_text("new")
    assert (tmp_path / "a.txt").is_symlink()
    assert place.read_text() == "new"
    assert names(place.parent) == ["real.txt"]


@posix
def test_permissions_are_kept(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "a.txt").chmod(0o600)
    with atomic_file(tmp_path / "a.txt") as partial:
        partial.write_text("new")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o600


@posix
def test_a_path_that_is_not_a_file_is_rejected(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(ValueError, match=r"is a folder\. Pass the path of a file"):
        check_file(tmp_path)
    with pytest.raises(ValueError, match="pipe is a device or a pipe"):
        check_file(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist\. Create it first"):
        check_file(tmp_path / "nowhere" / "a.txt")
    with pytest.raises(OSError, match="circle"):
        check_file(tmp_path / "circle")


def test_the_longest_name_can_be_written(tmp_path):
    for name in ("n" * 255, "ü" * 127):
        with atomic_file(tmp_path / name) as partial:
            partial.write_text("new")
        assert (tmp_path / name).read_text() == "new"


@posix
def test_leftovers_of_a_killed_process_are_removed_by_the_next_writer(tmp_path):
    def writing():
        with atomic_file(tmp_path / "a.txt") as partial, atomic_folder(tmp_path / "b") as folder:
            partial.write_text("half")
            (folder / "half").write_text("half")
            die()

    left = killed_while(writing, tmp_path)
    assert len(left) == 2
    assert all(name.endswith(".partial") for name in left)
    with atomic_file(tmp_path / "c.txt") as partial:
        partial.write_text("new")
    assert names(tmp_path) == ["c.txt"]


@posix
@pytest.mark.parametrize("name", ["b", "out", "a longer name"])
def test_the_lock_of_a_killed_process_does_not_hinder_the_next_writer(tmp_path, name):
    (tmp_path / f".{name}{LOCK_SUFFIX}").write_text("4194304")
    with atomic_folder(tmp_path / "c") as folder:
        (folder / "new").write_text("new")
    assert names(tmp_path) == ["c"]


@posix
def test_unfinished_output_of_a_running_process_is_kept(tmp_path):
    held = Partial(tmp_path / "a.txt")
    sweep(tmp_path)
    assert held.path.exists()
    held.release()
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that accepts no files, even from root")
@pytest.mark.parametrize("path", ["/proc/x.txt", "/proc/self/x.txt"])
def test_a_folder_that_accepts_no_files_is_an_error(path):
    with pytest.raises(OSError, match=r"/proc.* does not accept new files\. Choose another folder"), atomic_file(path):
        pass


@posix
@pytest.mark.parametrize("error", [FileNotFoundError, BlockingIOError])
def test_a_file_that_is_swept_before_it_is_locked_is_made_again(tmp_path, monkeypatch, error):
    def swept(path):
        path.unlink()
        removed.append(path)
        if len(removed) < 3:
            raise error
        return real(path)

    real, removed = atomic.lock, []
    monkeypatch.setattr(atomic, "lock", swept)
    with pytest.raises(OSError, match="another program removes new files"), atomic_file(tmp_path / "a.txt"):
        pass
    assert names(tmp_path) == []
    monkeypatch.setattr(atomic, "lock", lambda path: swept(path) if len(removed) < 3 else real(path))
    removed.clear()
    with atomic_file(tmp_path / "a.txt") as partial:
        partial.write_text("new")
    assert names(tmp_path) == ["a.txt"]


def test_unrelated_files_are_kept(tmp_path):
    kept = ["a.partial", ".b.partial", ".c.1234.partial", "d.12345678.partial", ".lock"]
    for name in kept:
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert names(tmp_path) == sorted(kept)


def test_without_locks_only_old_leftovers_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "lock", lambda path: None)
    for name, age in ((".new.01234567.partial", 60), (".old.01234567.partial", 2 * 24 * 3600)):
        (tmp_path / name).touch()
        when = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (when, when))
    sweep(tmp_path)
    assert names(tmp_path) == [".new.01234567.partial"]


def test_leftovers_of_an_interrupt_are_removed_at_exit(tmp_path):
    held = Partial(tmp_path / "a.txt")
    atomic._remove_unfinished()
    assert names(tmp_path) == []
    held.release()


@pytest.mark.parametrize("exchanged", [True, False])
def test_a_folder_is_replaced_completely(tmp_path, monkeypatch, exchanged):
    if not exchanged:
        monkeypatch.setattr(atomic, "_exchanged", lambda one, other: False)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    with atomic_folder(tmp_path / "a", overwrite=True) as folder:
        (folder / "new").touch()
        assert names(tmp_path / "a") == ["old"]
    assert names(tmp_path / "a") == ["new"]
    assert names(tmp_path) == ["a"]


@posix
def test_a_folder_that_was_being_replaced_is_restored(tmp_path, monkeypatch):
    """If the system cannot swap two folders, a process may be killed while neither has the final name."""
    monkeypatch.setattr(atomic, "_exchanged", lambda one, other: False)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    rename = Path.rename

    def renamed_and_killed(path, place):
        rename(path, place)
        die()

    def writing():
        monkeypatch.setattr(Path, "rename", renamed_and_killed)
        with atomic_folder(tmp_path / "a", overwrite=True) as folder:
            (folder / "new").touch()

    assert "a" not in killed_while(writing, tmp_path)
    with pytest.raises(ValueError, match="a exists and is not empty"), atomic_folder(tmp_path / "a"):
        pass
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["old"]


def test_entries_are_added_to_others_with_the_last_ones_last(tmp_path, monkeypatch):
    moved, move = [], atomic._move
    monkeypatch.setattr(atomic, "_move", lambda new, place: moved.append(place.name) or move(new, place))
    for name in ("kept", "sub"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").touch()
    with atomic_entries(tmp_path, last=["config"]) as folder:
        (folder / "config").touch()
        (folder / "sub").mkdir()
        (folder / "zebra").touch()
    assert moved[-1] == "config"
    assert names(tmp_path) == ["config", "kept", "sub", "zebra"]
    assert names(tmp_path / "sub") == []


@pytest.mark.parametrize(
    "error", [SafetensorError("I/O error: No space left on device (os error 28)"), RuntimeError("File too large")]
)
def test_a_full_disk_is_an_os_error_whatever_a_library_raises(tmp_path, error):
    with pytest.raises(OSError, match=r"a cannot be written: .*Free some disk space"), atomic_folder(tmp_path / "a"):
        raise error
    with pytest.raises(ValueError, match="another"), atomic_folder(tmp_path / "a"):
        raise ValueError("another")
    assert names(tmp_path) == []


def test_a_path_inside_unfinished_output_has_a_destination(tmp_path):
    with atomic_folder(tmp_path / "out") as folder, atomic_entries(folder / "sub") as entries:
        with atomic_file(entries / "a.json") as file:
            assert destination(file) == tmp_path / "out" / "sub" / "a.json"
            file.touch()
        assert destination(entries) == tmp_path / "out" / "sub"
        assert destination(folder) == tmp_path / "out"
    assert destination(tmp_path / "out") == tmp_path / "out"


def test_a_relative_path_has_an_absolute_destination(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_entries("out") as entries:
        assert destination(entries / "a") == tmp_path / "out" / "a"


def test_a_folder_may_be_replaced_from_anywhere_but_from_inside(tmp_path, monkeypatch):
    for here, replaced in (("", "a"), ("b", "../a"), ("b", "../a/new"), ("ab", tmp_path / "a")):
        (tmp_path / here).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / here)
        check_vacant(Path(replaced), overwrite=True)
        with atomic_folder(replaced, overwrite=True) as folder:
            (folder / "new").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for here in ("a", "a/new"):
        monkeypatch.chdir(tmp_path / here)
        for replaced in (tmp_path / "a", tmp_path / "link"):
            with pytest.raises(ValueError, match="working directory"), atomic_folder(replaced, overwrite=True):
                pass
    assert names(tmp_path / "a") == ["new"]


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("kind", ["file", "link", "broken link"])
def test_a_folder_replaces_a_file_or_a_link_but_not_what_it_points_to(tmp_path, monkeypatch, kind, exchange):
    if not exchange:
        monkeypatch.setattr(atomic, "_exchanged", lambda one, other: False)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "old").touch()
    (tmp_path / "out").mkdir()
    place = tmp_path / "out" / "codec"
    place.touch() if kind == "file" else place.symlink_to(tmp_path / ("shared" if kind == "link" else "none"))
    with atomic_entries(tmp_path / "out") as folder:
        (folder / "codec").mkdir()
        (folder / "codec" / "new").touch()
    assert not place.is_symlink()
    assert names(place) == ["new"]
    assert names(tmp_path / "out") == ["codec"]
    assert names(tmp_path / "shared") == ["old"]
