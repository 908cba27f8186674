"""Dockerfile, compose files, the systemd unit and the Space: they agree with one another and with the command."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from dia import cli

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICE = COMPOSE["services"]["dia"]
CUDA = yaml.safe_load((ROOT / "deploy" / "compose.cuda.yaml").read_text(encoding="utf-8"))["services"]["dia"]
UNIT = (ROOT / "deploy" / "dia.service").read_text(encoding="utf-8")
SPACE = (ROOT / "deploy" / "space" / "Dockerfile").read_text(encoding="utf-8")


def instructions(text: str) -> list[tuple[str, str]]:
    """Name and value of each instruction of a Dockerfile, without comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1].strip()) for line in joined.splitlines()]


DOCKERFILE = instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))


def values(name: str, of: list[tuple[str, str]] = DOCKERFILE) -> list[str]:
    return [value for kind, value in of if kind == name]


def served(words: list[str]):
    """The options of a command that starts a server."""
    return cli.build_parser().parse_args(words[words.index("serve") :])


def test_the_image_serves_on_all_addresses_and_does_not_start_without_a_key(capsys, monkeypatch):
    monkeypatch.delenv("DIA_API_KEY", raising=False)
    (command,) = (json.loads(value) for value in values("CMD"))
    options = served(command)
    assert (options.host, options.port, str(options.voices)) == ("0.0.0.0", 8000, "/voices")
    assert str(options.port) in " ".join(values("EXPOSE"))
    assert cli.main(command) == 2
    assert "--api-key" in capsys.readouterr().err


def test_the_image_does_not_run_as_root_and_its_folders_are_volumes():
    assert values("USER") == ["dia"]
    assert json.loads(values("VOLUME")[0]) == ["/voices", "/models"]
    assert "HF_HOME=/models" in values("ENV")[-1]
    (made,) = (value for value in values("RUN") if "useradd" in value)
    assert "--owner=dia" in made
    assert {"/voices", "/models"} <= set(made.split())


@pytest.mark.parametrize(
    "check", [values("HEALTHCHECK")[0].partition("CMD ")[2], json.dumps(SERVICE["healthcheck"]["test"][1:])]
)
def test_the_health_check_asks_the_port_of_the_server(check):
    program, option, code = json.loads(check)
    assert (program, option) == ("python3", "-c")
    assert "http://127.0.0.1:8000/ready" in code
    ended = subprocess.run([sys.executable, "-c", code.replace("8000", "9")], capture_output=True, check=False)
    assert ended.returncode == 1


def test_the_extra_is_installed_with_the_versions_that_are_tested():
    steps = " ".join(values("RUN"))
    assert "--constraint /src/constraints.txt '/src[serve]'" in steps
    assert "constraints.txt" in SPACE
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)


def test_what_an_installation_is_made_of_reaches_the_builder_and_nothing_else():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert {"src", "pyproject.toml", "setup.py", "constraints.txt", "README.md", "LICENSE", "NOTICE"} <= allowed
    assert all((ROOT / name).exists() for name in allowed)
    assert not any(fnmatch(name, pattern) for name in (".git", ".venv", "tests") for pattern in allowed)


def test_compose_keeps_voices_and_asks_for_a_key():
    assert {volume.partition(":")[2] for volume in SERVICE["volumes"]} == {"/voices", "/models"}
    assert {volume.partition(":")[0] for volume in SERVICE["volumes"]} == set(COMPOSE["volumes"])
    assert SERVICE["environment"]["DIA_API_KEY"].startswith("${DIA_API_KEY:?")
    assert SERVICE["ports"] == ["127.0.0.1:8000:8000"]
    assert SERVICE["read_only"]


def test_the_gpu_variant_changes_the_build_and_the_command():
    assert set(CUDA["build"]["args"]) <= {value.partition("=")[0] for value in values("ARG")}
    assert served(CUDA["command"]).voices == served(json.loads(values("CMD")[0])).voices


def test_the_space_serves_on_the_port_of_its_card():
    (command,) = (json.loads(value) for value in values("CMD", instructions(SPACE)))
    card = (ROOT / "deploy" / "space" / "README.md").read_text(encoding="utf-8")
    options = yaml.safe_load(card.split("---")[1])
    assert options["sdk"] == "docker"
    assert served(command).port == options["app_port"]
    assert served(command).allow_public
    assert f"EXPOSE {options['app_port']}" in SPACE


def test_the_unit_starts_a_command_that_exists():
    (line,) = re.findall(r"^ExecStart=(.+)$", UNIT, re.MULTILINE)
    assert str(served(shlex.split(line)).voices) == "/var/lib/dia/voices"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_is_valid(tmp_path):
    unit = tmp_path / "dia.service"
    unit.write_text(UNIT.replace("/opt/dia/bin/dia", sys.executable), encoding="utf-8")
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
