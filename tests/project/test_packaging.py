"""What pyproject.toml promises: every bound is run at both ends, every import is declared, every file is shipped."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from setuptools import Distribution

from dia.training.mini.teacher.natural.packages import PYTHON_PACKAGES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "dia"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHONS = ("3.11", "3.12", "3.13")
# Not for every user: what a check compares with if it is there, and what torch for CUDA brings.
UNDECLARED = {"dac", "pyarrow", "triton"}
# What the embedded model is made with once, in exact versions; constraints do not name it.
EXACT = "teacher"


def requirements() -> list[Requirement]:
    """Those of the package and of its extras except `EXACT`, but not the extras that name one another."""
    lines = [*PROJECT["dependencies"], *(line for name, extra in EXTRAS.items() if name != EXACT for line in extra)]
    return [found for found in map(Requirement, lines) if found.name != PROJECT["name"]]


def pinned(name: str, python: str) -> dict[str, Version]:
    """The versions that a file of constraints sets for a version of Python."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    found = [Requirement(line) for line in lines if line]
    found = [one for one in found if one.marker is None or one.marker.evaluate({"python_version": python})]
    assert len({one.name for one in found}) == len(found), f"{name} sets a package twice"
    return {one.name: Version(str(one.specifier).removeprefix("==")) for one in found}


def floor(requirement: Requirement) -> Version:
    (lowest,) = (Version(one.version) for one in requirement.specifier if one.operator == ">=")
    return lowest


def shown(requirement: Requirement) -> str:
    return str(requirement).replace(" ", "")


# Bounds


@pytest.mark.parametrize("requirement", requirements(), ids=shown)
def test_every_bound_is_run_at_both_ends(requirement):
    oldest = pinned("constraints-oldest.txt", PYTHONS[0])
    assert oldest[requirement.name] == floor(requirement), "constraints-oldest.txt holds the lowest version allowed"
    for python in PYTHONS:
        newest = pinned("constraints-newest.txt", python)[requirement.name]
        daily = pinned("constraints.txt", python)[requirement.name]
        assert floor(requirement) <= daily <= newest
        assert requirement.specifier.contains(daily)
        assert requirement.specifier.contains(newest)


def test_constraints_name_nothing_that_is_not_required():
    names = {requirement.name for requirement in requirements()}
    for file in ROOT.glob("constraints*.txt"):
        assert {name for python in PYTHONS for name in pinned(file.name, python)} == names, file.name


def test_the_daily_versions_are_the_newest_but_for_torch():
    """So that `make test` is the newest end; the newest torch is gigabytes, see scripts/check-range."""
    daily, newest = pinned("constraints.txt", PYTHONS[0]), pinned("constraints-newest.txt", PYTHONS[0])
    assert {name for name in daily if daily[name] != newest[name]} == {"torch", "torchcodec"}


@pytest.mark.parametrize("bad", ["5.16.1", "5.20.0", "5.20.1", "5.20.2", "6.0.0"])
def test_versions_of_transformers_that_do_not_work_are_excluded(bad):
    (transformers,) = (one for one in requirements() if one.name == "transformers")
    assert not transformers.specifier.contains(bad)


def test_the_teachers_have_the_versions_that_the_code_checks():
    assert {tuple(line.split("==")) for line in EXTRAS[EXACT]} == set(PYTHON_PACKAGES.items())


def test_a_package_has_one_bound_wherever_it_is_named():
    bounds: dict[str, set[str]] = {}
    for requirement in requirements():
        bounds.setdefault(requirement.name, set()).add(str(requirement.specifier))
    assert {name: found for name, found in bounds.items() if len(found) > 1} == {}


def test_the_pythons_that_are_promised_are_those_that_are_listed():
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [minor for minor in range(8, 20) if allowed.contains(f"3.{minor}.0")] == [11, 12, 13]
    listed = {name.rpartition(" :: ")[2] for name in PROJECT["classifiers"] if "Python :: 3." in name}
    assert listed == set(PYTHONS)


# Imports


def imported(file: Path) -> Iterator[str]:
    """The first part of every name that a file imports from elsewhere."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_every_package_that_is_imported_is_declared():
    used = {name for file in SOURCE.rglob("*.py") for name in imported(file)} - {"dia"} - sys.stdlib_module_names
    declared = {requirement.name.replace("-", "_").removesuffix("_py") for requirement in requirements()}
    exact = {
        "hibari",
        "onnx",
        "onnxruntime",
        "faster_whisper",
        "pyworld",
    }  # imported under these names, declared in the extra `EXACT`
    assert used - declared - exact == UNDECLARED


# Files


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> set[str]:
    """What a source distribution is made of, as setuptools lists it."""
    folder = tmp_path_factory.mktemp("egg-info")
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "egg_info", "--egg-base", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return set((folder / "dia_tts.egg-info" / "SOURCES.txt").read_text(encoding="utf-8").splitlines())


def files(folder: str) -> set[str]:
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_a_wheel_holds_every_file_of_the_package(monkeypatch):
    monkeypatch.chdir(ROOT)
    distribution = Distribution({"script_name": "setup.py"})
    distribution.parse_config_files()
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    data = {f"{folder}/{name}" for _, folder, _, names in command.data_files for name in names}
    assert {*command.get_source_files(), *data} == files("src/dia")


def test_a_source_distribution_holds_documents_tests_and_benchmarks(sources):
    folders = ("src/dia", "docs", "tests", "benchmarks", "examples", "integrations", "scripts", "conversion_scripts")
    assert {name for folder in folders for name in files(folder)} - sources == set()
    single = {"LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "constraints.txt"}
    assert single | {"CONTRIBUTING.md", "mkdocs.yml", "constraints-oldest.txt", "constraints-newest.txt"} <= sources


def test_licenses_travel_with_every_distribution():
    assert PROJECT["license-files"] == ["LICENSE", "NOTICE"]


def test_the_notice_names_the_origin_of_every_file_of_the_embedded_model():
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    data = {name for name in files("src/dia/mini") if name.endswith((".safetensors", ".txt", ".gz"))}
    data |= {"src/dia/training/mini/teacher/english.txt"}
    assert {name for name in data if name not in notice} == set()
