"""docs/structure.md: what it names is there, and every folder of the package has a line."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

from dia import cli
from tests.project.test_layers import LAYERS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "dia"
PAGE = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
NAMES = sorted(set(re.findall(r"`([^`\n]+)`", PROSE)))
PATHS = [name for name in NAMES if name.endswith(("/", ".py", ".c", ".md"))]
DOTTED = [name for name in NAMES if re.fullmatch(r"\w+(\.\w+)+", name) and name not in PATHS]
# Shown as written: marks of a script, an option, what files' names end in, a call on a model.
OTHERS = {"(laughs)", "[pause:…]", "speaking_rate", "_dia", "model.generate"}


def resolved(dotted: str) -> object:
    """What `Dia.generate` or `text.script.parse` is in the package, or `transformers.pipeline` in transformers."""
    return pkgutil.resolve_name(dotted if dotted.startswith("transformers.") else f"dia.{dotted}")


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path):
    found = SOURCE / path if (SOURCE / path).exists() else ROOT / path
    assert found.exists()
    assert found.is_dir() == path.endswith("/")


@pytest.mark.parametrize("name", [name for name in DOTTED if name not in OTHERS])
def test_every_function_exists(name):
    assert callable(resolved(name))


def test_every_other_name_is_a_command_or_a_public_name_or_a_path_from_the_root():
    package = importlib.import_module("dia")
    rest = set(NAMES) - set(PATHS) - set(DOTTED) - OTHERS
    commands = {name for name in rest if name.split()[0] == "dia"}
    parser = cli.build_parser()
    for command in commands - {"dia"}:
        assert parser.subparser_for(command.split()[1:2]) is not parser, command
    assert [name for name in rest - commands if not hasattr(package, name)] == []


def test_every_folder_of_the_package_has_a_line():
    folders = {f"{file.parent.relative_to(SOURCE)}/" for file in SOURCE.rglob("__init__.py")} | {"mini/"}
    listed = re.findall(r"^\| `([^`]+/)` \|", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(folders)


def test_the_layers_in_contributing_are_those_of_the_test():
    (block,) = re.findall(
        r"^```text\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    lines = [set(re.findall(r"\w+", line)) for line in block.splitlines()]
    folders = [{name for name in layer if (SOURCE / name).is_dir()} for layer in LAYERS]
    assert [named & set.union(*folders) for named in lines if named & set.union(*folders)] == [
        layer for layer in folders if layer
    ]


def test_the_page_is_short():
    assert len(PAGE.splitlines()) <= 175
