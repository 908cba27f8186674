"""C files are compiled once, and libraries are loaded only from a safe cache."""

import ctypes
import os
import shutil
import stat
import subprocess
from types import SimpleNamespace

import pytest

from dia.kernels import compile as compiling
from dia.kernels import decoder as skinny
from dia.kernels import sources

SOURCE = skinny._SOURCE


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and a fake compiler that writes an empty file and counts its calls."""
    runs = []

    def run(command, **_):
        runs.append(command)
        open(command[-1], "w").close()

    monkeypatch.delenv("DIA_NO_KERNEL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sources.shutil, "which", lambda name: name)
    monkeypatch.setattr(sources.subprocess, "run", run)
    monkeypatch.setattr(compiling.ctypes, "CDLL", lambda path: path)
    return tmp_path / "dia", runs


def test_a_library_is_compiled_once_and_cached_where_only_the_user_can_write(cache):
    folder, runs = cache
    path = compiling.compiled(SOURCE)
    assert compiling.compiled(SOURCE) == path
    assert len(runs) == 1
    assert os.listdir(folder) == [os.path.basename(path)]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def writable_by_others(folder):
    folder.mkdir()
    folder.chmod(0o777)


def a_file(folder):
    folder.touch()


@pytest.mark.skipif(os.name != "posix", reason="there are no owners to ask for")
@pytest.mark.parametrize("make", [writable_by_others, a_file])
def test_nothing_is_loaded_from_an_unsafe_cache(cache, make):
    folder, runs = cache
    make(folder)
    for _ in range(2):
        path = compiling.compiled(SOURCE)
        assert not path.startswith(str(folder))
        assert not os.path.exists(path), "a library for one process alone is removed once it is loaded"
    assert len(runs) == 2


@pytest.mark.skipif(os.name != "posix", reason="there are no owners to ask for")
@pytest.mark.parametrize(("owner", "user", "used"), [(1000, 1000, True), (0, 1000, True), (1001, 1000, False)])
def test_nothing_is_loaded_from_the_cache_of_another_user_but_root(cache, monkeypatch, owner, user, used):
    folder, _ = cache
    mode = SimpleNamespace(st_uid=owner, st_mode=stat.S_IFDIR | 0o700)
    monkeypatch.setattr(type(folder), "stat", lambda path, **_: mode)
    monkeypatch.setattr(compiling.os, "getuid", lambda: user)
    assert compiling._cache_folder() == (folder if used else None)


def test_a_library_works_without_a_home_directory(cache, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(compiling.os.path, "expanduser", lambda path: path)
    assert compiling._cache_folder() is None


ANSWER = "int answer(void) { return 42; }"
compiles = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


@pytest.fixture
def answer(monkeypatch, tmp_path):
    """A function that compiles or loads a small C file and returns its result, and the folder of the cache."""
    source = tmp_path / "answer.c"
    source.write_text(ANSWER)
    monkeypatch.delenv("DIA_NO_KERNEL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def ask():
        library = compiling.load_functions(source, (), {"answer": []}, ctypes.c_int)
        return library and library.answer()

    return ask, tmp_path / "dia"


def truncated(library):
    library.write_bytes(library.read_bytes()[:5000])  # enough of it to be mapped: loading it would end the process


def text(library):
    library.write_text("no library")


def of_another_program(library):
    other = library.with_name("other.c")
    other.write_text("int question(void) { return 6 * 9; }")
    sources.compile_library(other, (), library)


@compiles
@pytest.mark.parametrize("damage", [truncated, text, of_another_program])
def test_a_damaged_library_in_the_cache_is_compiled_again(answer, damage):
    ask, folder = answer
    assert ask() == 42
    (library,) = folder.glob("*.so")
    content = library.read_bytes()
    library.unlink()  # this process goes on with the file it has loaded
    library.write_bytes(content)
    damage(library)
    assert ask() == 42
    (again,) = folder.glob("*.so")
    assert sources.is_whole(again)


@compiles
def test_a_library_that_cannot_be_loaded_is_compiled_again_only_once(answer, monkeypatch):
    ask, _ = answer
    loads = []

    def foreign(path):
        loads.append(path)
        raise OSError("wrong ELF class")

    assert ask() == 42
    monkeypatch.setattr(compiling.ctypes, "CDLL", foreign)
    assert ask() is None
    assert len(loads) == 2, "what was kept, and what was made in its place"


@compiles
def test_a_library_without_the_functions_is_not_used(tmp_path, monkeypatch):
    source = tmp_path / "answer.c"
    source.write_text(ANSWER)
    monkeypatch.delenv("DIA_NO_KERNEL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compiling.load_functions(source, (), {"question": []}) is None


@pytest.mark.parametrize(("disabled", "count"), [("", 1), ("1", 0)])
def test_one_warning_says_that_there_are_no_kernels(monkeypatch, tmp_path, disabled, count):
    monkeypatch.setenv("DIA_NO_KERNEL", disabled)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sources.shutil, "which", lambda name: None)
    warnings = []
    monkeypatch.setattr(compiling.logger, "warning_once", warnings.append)
    for file, flags in sources.LIBRARIES:
        assert compiling.load_functions(SOURCE.with_name(file), flags, {}) is None
    assert len(set(warnings)) == count, "the same text for all, which is logged once"


@compiles
@pytest.mark.parametrize("refused", [False, True], ids=["not compiled", "refused"])
def test_where_tiles_cannot_be_used_vectors_are(refused, monkeypatch):
    loaded, warnings = compiling.load_functions, []
    tiles = SimpleNamespace(permit=lambda: -1, tiled=lambda: 1) if refused else None

    def load(source, flags, arguments, **options):
        assert options == {"optional": flags == sources.AMX_FLAGS}
        return tiles if flags == sources.AMX_FLAGS else loaded(source, flags, arguments, **options)

    monkeypatch.setattr(compiling, "has_amx", lambda: True)
    monkeypatch.setattr(compiling, "load_functions", load)
    monkeypatch.setattr(compiling.logger, "warning_once", warnings.append)
    assert compiling.load_with_tiles(SOURCE.with_name("network.c"), {}).tiled() == 0
    assert not warnings


@compiles
def test_without_a_writable_cache_the_library_is_compiled_for_this_process(answer, monkeypatch):
    ask, folder = answer

    def full(library, folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiling, "_store", full)
    assert ask() == 42
    assert list(folder.glob("*.so")) == []


def test_a_compiler_that_hangs_is_stopped(monkeypatch, tmp_path):
    slow = tmp_path / "cc"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.delenv("DIA_NO_KERNEL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sources.shutil, "which", lambda name: str(slow))
    monkeypatch.setattr(sources, "_TIMEOUT", 0.2)
    with pytest.raises(subprocess.TimeoutExpired):
        compiling.compiled(SOURCE)
    assert list((tmp_path / "dia").iterdir()) == []
