"""What messages and documents tell to install can be installed: the package itself is not on PyPI."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
FILES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "src" / "dia").rglob("*.py")]
ADVICE = re.compile(r"pip install '?(-e|\{|[\w-]+(?:\[\w+\])?)")
OTHERS = {"-e", "{", "descript-audio-codec"}  # a clone, names filled in, and what one check compares with


def test_advice_to_install_names_packages_that_exist():
    named = {re.match(r"[\w-]+", line)[0] for line in requires("dia-tts") or ()}
    # pip adds the packages of an extra to the installed dia-tts without looking for it elsewhere.
    named |= {f"dia-tts[{extra}]" for extra in EXTRAS}
    advised = {package: file.name for file in FILES for package in ADVICE.findall(file.read_text(encoding="utf-8"))}
    assert len(advised) > 5
    assert {package: file for package, file in advised.items() if package not in named - {"dia-tts"} | OTHERS} == {}
