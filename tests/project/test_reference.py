"""docs/reference: what it documents is there, every public name is on it, and the site's menu has every page."""

import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

import dia

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
ENTRY = re.compile(r"^::: ([\w.]+)(?:\n    options: \{.*?members: \[(.*?)\])?", re.MULTILINE)


def documented() -> list[str]:
    """The dotted names that the pages show."""
    found = [entry for page in PAGES for entry in ENTRY.findall(page.read_text(encoding="utf-8"))]
    return [f"{name}.{member}" for name, members in found for member in members.split(", ") if member] + [
        name for name, members in found if not members
    ]


@pytest.mark.parametrize("name", documented())
def test_what_is_documented_is_there(name):
    assert pkgutil.resolve_name(name).__doc__


def test_every_public_name_is_documented():
    values = [pkgutil.resolve_name(name) for name in documented()]
    members = [
        getattr(value, name)
        for value in values
        if isinstance(value, ModuleType)
        for name in getattr(value, "__all__", [])
    ]
    shown = {id(value) for value in [*values, *members]}
    names = set(dia.__all__) - {"MINI", "__version__"}
    assert {name for name in names if id(getattr(dia, name)) not in shown} == set()


def test_no_name_is_documented_twice():
    assert sorted(set(documented())) == sorted(documented())


def test_the_menu_has_every_page():
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    _, menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")
    assert set(re.findall(r"[\w/]+\.md", menu)) == pages
