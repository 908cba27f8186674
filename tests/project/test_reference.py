"""docs/reference: what it documents is there, every public name is on it, and the site's menu has every page."""

import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.project.test_public_api import BY_STAGE

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
ENTRY = re.compile(r"^::: ([\w.]+)(?:\n    options: \{(?:.*, )?members: \[(.*?)\])?", re.MULTILINE)


def documented() -> list[str]:
    """The dotted names that the pages show."""
    found = [entry for page in PAGES for entry in ENTRY.findall(page.read_text(encoding="utf-8"))]
    return [f"{name}.{member}" for name, members in found for member in members.split(", ") if member] + [
        name for name, members in found if not members
    ]


@pytest.mark.parametrize("name", documented())
def test_what_is_documented_is_there(name):
    assert pkgutil.resolve_name(name).__doc__


def shown() -> list[object]:
    """The classes, functions and constants that the pages show; a module shows what its `__all__` names."""
    values = [pkgutil.resolve_name(name) for name in documented()]
    modules = [value for value in values if isinstance(value, ModuleType)]
    members = [getattr(module, name) for module in modules for name in getattr(module, "__all__", [])]
    return [value for value in [*values, *members] if callable(value)]


@pytest.mark.parametrize("package", ["dia", *(f"dia.{stage}" for stage in BY_STAGE)])
def test_every_public_name_is_documented(package):
    ids = {id(value) for value in shown()}
    values = {name: pkgutil.resolve_name(f"{package}.{name}") for name in pkgutil.resolve_name(package).__all__}
    assert {name for name, value in values.items() if callable(value) and id(value) not in ids} == set()


def test_nothing_is_documented_twice():
    values = shown()
    assert [value for value in values if sum(other is value for other in values) > 1] == []


def test_the_menu_has_every_page():
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    _, menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")
    assert set(re.findall(r"[\w/]+\.md", menu)) == pages
