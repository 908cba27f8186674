"""The table of texts with markup, sounds and pauses: each is read as it expects."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks" / "quality"))

from tables.markup import Case, cases, is_right, read


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.kind}: {case.input[:40]!r}")
def test_a_text_is_read_as_expected(case: Case) -> None:
    assert is_right(case), f"{read(case)}, not {case.expected!r}"
