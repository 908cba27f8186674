"""What messages and documents tell to install can be installed: the package itself is not on PyPI."""

import re
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "src" / "dia").rglob("*.py")]
ADVICE = re.compile(r"pip install '?(-e|\{|[\w-]+)")
OTHERS = {"-e", "{", "descript-audio-codec"}  # a clone, names filled in, and what one check compares with


def test_advice_to_install_names_packages_that_exist():
    named = {re.match(r"[\w-]+", line)[0] for line in requires("dia-tts") or ()}
    advised = {package: file.name for file in FILES for package in ADVICE.findall(file.read_text(encoding="utf-8"))}
    assert len(advised) > 5
    assert {package: file for package, file in advised.items() if package not in named - {"dia-tts"} | OTHERS} == {}
