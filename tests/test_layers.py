"""Imports point one way, and nothing but the parity tests and the benchmarks knows the stock Dia."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "dia"
# A file imports from the lines above its own: neither from below nor from beside it.
LAYERS = [
    {"version", "atomic", "handover", "playing", "progress", "pitch", "checksum", "silence", "manners"}
    | {"room", "own_memory", "thread_pools", "characters", "tags", "spoken_units", "chunking", "subtitles"},
    {"compiling", "pronunciation", "ahead"},
    {"skinny", "snake"},
    {"fast_codec"},
    {"configuration_dia", "delay", "audio_file", "codec", "tokenization_dia", "native_dac", "hearing"},
    {"quantized_linear", "tempo", "spoken_numbers"},
    {"quantization", "guidance", "sampling", "generation_inputs", "grid"}
    | {"native_layout", "feature_extraction_dia", "processor_folder"},
    {"choice", "fast_layer", "spoken_form", "recording"},
    {"fast_decode", "script"},
    {"native", "generation_dia"},
    {"modeling_dia", "processing_dia"},
    {"registration", "quantized_loading", "placement", "passes", "codec_record", "timing", "take_checks"},
    {"streaming", "voices"},
    {"takes"},
    {"joining", "kept_parts"},
    {"long_form"},
    {"__init__"},
    {"voice_folder"},
    {"request", "loading"},
    {"speaking", "pacing"},
    {"model", "training", "voice_command"},
    {"say_command"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


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


def test_every_file_is_on_the_map():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = page[page.index("## The package") : page.index("## Where this differs")]
    assert [name for name in sorted(LEVEL) if not re.search(rf"\b{name}\b", shown) and name != "__init__"] == []


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_point_one_way(file):
    part = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    assert part in LEVEL, f"{part} is new: give it a place in LAYERS"
    used = {own(name) for name in imported(file)} - {None} - ({"training"} if part == "training" else set())
    assert {name for name in used if LEVEL[name] >= LEVEL[part]} == set()


def test_every_layer_is_there():
    there = {path.stem for path in SOURCE.glob("*.py")} | {path.name for path in SOURCE.iterdir() if path.is_dir()}
    assert set(LEVEL) <= there


def test_the_stock_dia_is_imported_by_parity_tests_and_benchmarks_alone():
    places = (ROOT / name for name in ("src", "tests", "conversion_scripts"))
    files = [file for place in places for file in place.rglob("*.py") if "parity" not in file.parts]
    assert [file for file in files if any(name.startswith("transformers.models.dia") for name in imported(file))] == []
