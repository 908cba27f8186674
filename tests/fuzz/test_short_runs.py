"""Short, reproducible runs of the fuzz scripts. Long runs are started by hand."""

import warnings

import pytest
from huggingface_hub import constants
from tiny_checkpoint import write_tiny_checkpoint

from tests.fuzz import arguments, conversions, folders, mutations
from tests.fuzz.entry_points import entry_points_of
from tests.fuzz.run import GOOD
from tests.fuzz.sandbox import REFUSALS, judged


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def outcomes(calls, refusals):
    with warnings.catch_warnings(action="ignore"):
        return {name: judged(call, refusals) for name, call in calls}


def bad(found):
    return {name: outcome for name, outcome in found.items() if outcome.kind not in GOOD}


def test_mutated_folders_load_or_are_refused_by_file(tmp_path):
    source = write_tiny_checkpoint(tmp_path / "tiny")
    inputs = [one for one in mutations.drawn(30, 0) if one[0] != "pronunciations"]  # the tiny checkpoint has none
    found = outcomes(folders.calls(source, tmp_path, inputs), folders.REFUSALS)
    assert bad(found) == {}
    assert {outcome.kind for outcome in found.values()} == set(GOOD)


def test_hostile_arguments_are_refused_by_name(tmp_path):
    entry_points = entry_points_of(tmp_path)
    found = outcomes(arguments.calls(entry_points, arguments.drawn(entry_points, 120, 0)), REFUSALS)
    assert bad(found) == {}
    assert {outcome.kind for outcome in found.values()} == set(GOOD)


def test_mutated_native_checkpoints_are_read_or_refused_by_file(tmp_path):
    (tmp_path / "sources").mkdir()
    conversions.write_sources(tmp_path / "sources")
    found = outcomes(conversions.calls(tmp_path / "sources", tmp_path, conversions.drawn(40, 0)), conversions.REFUSALS)
    assert bad(found) == {}
    assert {outcome.kind for outcome in found.values()} == set(GOOD)


@pytest.mark.parametrize("name", [name for name in mutations.MUTATIONS if name != "pronunciations"])
def test_every_mutation_is_reproducible(tmp_path, name):
    source = write_tiny_checkpoint(tmp_path / "tiny")
    descriptions = [mutations.mutate(source, tmp_path / place, name, 7) for place in ("one", "other")]
    assert descriptions[0] == descriptions[1]
