"""Imports point one way, and nothing but the parity tests and the benchmarks knows the stock Dia."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "dia"
# A folder, or a file on top, imports from its own line and those above, never from below.
LAYERS = [
    {"version"},
    {"runtime", "configuration_dia"},
    {"text", "audio", "kernels"},
    {"codec", "quantization"},
    {"decoding"},
    {"__init__", "tokenization_dia", "feature_extraction_dia", "modeling_dia", "generation_dia", "processing_dia"}
    | {"attention_dia", "rope_dia", "registration", "streaming", "checkpoints"},
    {"voices"},
    {"synthesis", "training"},
    {"model"},
    {"serving", "jobs"},
    {"distributed"},
    {"commands"},
    {"cli", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
APART = [("modeling_dia", "processing_dia"), ("processing_dia", "modeling_dia"), ("training", "synthesis")]


def imported(file: Path) -> set[str]:
    """Dotted names a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [(node.module, alias.name) for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    return plain | {f"{module}.{name}" for module, name in froms}


def own(name: str) -> str | None:
    """Which file of ours a dotted name stands in; None if it is not ours."""
    package, _, rest = name.partition(".")
    first = rest.partition(".")[0]
    return None if package != "dia" else first if first in LEVEL else "__init__"


# The package itself hands on names of any layer, when they are first asked for.
FILES = sorted(file for file in SOURCE.rglob("*.py") if file != SOURCE / "__init__.py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_point_one_way(file):
    part = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    assert part in LEVEL, f"{part} is new: give it a place in LAYERS"
    used = {own(name) for name in imported(file)} - {None}
    assert {name for name in used if LEVEL[name] > LEVEL[part] or (part, name) in APART} == set()


def test_what_users_train_with_knows_nothing_of_how_the_embedded_model_is_made():
    files = [file for file in (SOURCE / "training").rglob("*.py") if "mini" not in file.relative_to(SOURCE).parts]
    assert [file for file in files if any("dia.training.mini" in name for name in imported(file))] == []


def test_the_stock_dia_is_imported_by_parity_tests_and_benchmarks_alone():
    places = (ROOT / name for name in ("src", "tests", "conversion_scripts"))
    files = [file for place in places for file in place.rglob("*.py") if "parity" not in file.parts]
    assert [file for file in files if any(name.startswith("transformers.models.dia") for name in imported(file))] == []
