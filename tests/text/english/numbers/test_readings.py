"""Texts with figures and their readings, by topic, and texts that look alike and are read otherwise."""

import json
from pathlib import Path

import pytest

from dia.text.english.normalization import spoken_form

READINGS = json.loads((Path(__file__).parent / "readings.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("written", "said"),
    [pytest.param(*pair, id=f"{topic}: {pair[0]}") for topic, pairs in READINGS.items() for pair in pairs.items()],
)
def test_figures_are_read_by_what_is_beside_them(written, said):
    assert spoken_form(written) == said
    assert spoken_form(said) == said
