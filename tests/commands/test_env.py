"""`dia env`: one line per fact, no folder names, and a fact that fails does not affect the others."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import dia
from dia.cli import main
from dia.commands import env
from dia.kernels import compile as compiling
from dia.kernels import decoder
from dia.kernels.sources import AMX_FLAGS, AVX512_FLAGS


@pytest.fixture
def facts(capsys):
    """What the command prints, by name."""

    def read():
        assert main(["env"]) == 0
        lines = capsys.readouterr().out.splitlines()
        return {name: printed.strip() for name, _, printed in (line.partition(":") for line in lines)}

    return read


def test_it_prints_what_a_report_needs(facts):
    printed = facts()
    assert list(printed) == list(env._FACTS)
    assert printed["dia"] == dia.__version__
    assert printed["Python"].startswith(sys.version.split()[0])
    assert f"torch {torch.__version__}" in printed["packages"]
    assert "torch uses 1 threads" in printed["cores"]
    assert re.fullmatch(r"\w+ for Dia-1.6B( with matrices in bfloat16)?", printed["dtype"])
    for name in ("decoder.c", "snake.c", "quantized.c", "network.c", "row.c"):
        assert name in printed["kernels"]
    assert not [name for name, fact in printed.items() if "unknown (" in fact]


def test_it_prints_no_folder_names(facts, monkeypatch, tmp_path):
    monkeypatch.setenv("DIA_VOICES", str(tmp_path / "voices"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("DIA_NO_KERNEL", "1")
    everything = " ".join(facts().values())
    for folder in (Path.home(), tmp_path, Path(dia.__file__).parent, Path(sys.prefix)):
        assert str(folder) not in everything
    assert "DIA_VOICES is set" in everything
    assert "DIA_NO_KERNEL=1" in everything


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("cannot open /home/ann/x.so: no", "cannot open x.so: no"),
        ("~/.cache/dia/a.so", "a.so"),
        (r"C:\Users\ann\a.dll is bad", "a.dll is bad"),
        ("AVX2/AVX512, 3/4", "AVX2/AVX512, 3/4"),
        ("a\n  b", "a b"),
    ],
)
def test_folders_are_removed_from_paths(text, left):
    assert env._described(lambda: iter([text])) == left


def test_a_fact_that_fails_is_printed_as_unknown(facts, monkeypatch):
    def broken():
        yield "so far"
        raise RuntimeError("no driver")

    monkeypatch.setitem(env._FACTS, "devices", broken)
    printed = facts()
    assert printed["devices"] == "so far, unknown (RuntimeError: no driver)"
    assert printed["memory"]


@pytest.mark.parametrize(("folder", "state"), [(Path(decoder.__file__).parent, "built in"), (Path("x"), "compiled")])
def test_a_kernel_is_built_in_or_compiled(facts, monkeypatch, folder, state):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setattr(compiling, "compiled", lambda *_: SimpleNamespace(_name=str(folder / "library.so")))
    assert f"decoder.c {state}," in facts()["kernels"]


def test_a_kernel_that_fails_to_compile_shows_the_reason(facts, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setenv("DIA_NO_KERNEL", "1")
    assert "decoder.c not compiled (DIA_NO_KERNEL is set)" in facts()["kernels"]


def test_the_first_kind_of_instructions_that_compiles_is_named(monkeypatch):
    def compiled(source, *flags):
        if flags == AMX_FLAGS:
            raise OSError("unknown option -mamx-tile")
        return SimpleNamespace(_name="x/library.so")

    monkeypatch.setattr(compiling, "compiled", compiled)
    source = Path("codec.c")
    assert env._state_of(source, (AMX_FLAGS, AVX512_FLAGS)) == "compiled for AVX-512"
    assert env._state_of(source, (AMX_FLAGS,)) == "not compiled (unknown option -mamx-tile)"
    assert env._state_of(source, ()) == "not for this CPU"
