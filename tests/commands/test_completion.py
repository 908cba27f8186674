"""Completion scripts: each shell accepts its script, which completes commands, options, values and voices."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest

from dia.cli import main

WORDS = {
    "commands": ("dia", "sa"),
    "actions": ("dia", "voice", "r"),
    "options": ("dia", "say", "hello", "--quant"),
    "values": ("dia", "say", "hello", "--quantization", "int"),
    "voices": ("dia", "say", "hello", "--voice", "cl"),
    "voices as arguments": ("dia", "voice", "play", "cl"),
    "after an option": ("dia", "--debug", "convert", "m"),
}
FOUND = {
    "commands": {"say"},
    "actions": {"remove"},
    "options": {"--quantization"},
    "values": {"int8", "int4"},
    "voices": {"clara"},
    "voices as arguments": {"clara"},
    "after an option": {"model"},
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment where `dia` is this package, with the example voices only."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "dia").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dia "$@"\n')
    (folder / "dia").chmod(0o755)
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path), "DIA_VOICES": str(folder)}


def script(shell, tmp_path, capsys):
    """The script that `dia completion` prints; skips the test if the shell is not installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert main(["completion", shell]) == 0
    (tmp_path / shell).write_text(capsys.readouterr().out)
    return tmp_path / shell


def printed(command, environment) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def in_bash(file, words, environment) -> set[str]:
    line = f"source {file}; COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _dia"
    return set(printed(["bash", "-c", f'{line}; printf "%s\\n" "${{COMPREPLY[@]}}"'], environment)) - {""}


@pytest.mark.parametrize("what", WORDS)
def test_bash_completes(what, tmp_path, capsys, environment):
    assert in_bash(script("bash", tmp_path, capsys), WORDS[what], environment) == FOUND[what]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--voice", "S1", "=", "cl"), {"clara"}),
        (("--voice", "S2", "="), {"bruno", "clara"}),
        (("--voice", "=", "b"), {"bruno"}),
        (("-o", "a"), set()),  # bash completes files by itself
        (("--seed", "1"), set()),
    ],
)
def test_bash_splits_words_at_an_equals_sign(words, found, tmp_path, capsys, environment):
    assert in_bash(script("bash", tmp_path, capsys), ("dia", "say", "hello", *words), environment) == found


@pytest.mark.parametrize("what", WORDS)
def test_fish_completes(what, tmp_path, capsys, environment):
    line = f"source {script('fish', tmp_path, capsys)}; complete -C {shlex.quote(' '.join(WORDS[what]))}"
    found = printed(["fish", "--no-config", "-c", line], {**environment, "HOME": str(tmp_path)})
    assert {one.partition("\t")[0] for one in found} == FOUND[what]


def test_zsh_accepts_its_script(tmp_path, capsys, environment):
    file = script("zsh", tmp_path, capsys)
    line = f"autoload -U compinit; compinit -D -u; source {file}; print $_comps[dia]"
    assert printed(["zsh", "-f", "-c", line], environment) == ["_dia"]
    assert "'*--quantization=[quantize the weights\\: less memory, faster on CPUs]: :(int8 int4)'" in file.read_text()
    assert (
        "'*--voice=[name or file of a voice; S1=VOICE or NAME=VOICE for one speaker]: :_dia_voices'"
        in file.read_text()
    )
