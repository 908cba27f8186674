"""Every limit states its reason."""

from itertools import pairwise
from pathlib import Path

from dia.runtime import limits


def test_every_limit_has_a_sentence_above_it():
    lines = Path(limits.__file__).read_text(encoding="utf-8").splitlines()
    groups = [line for line in lines if line.startswith("# ") and not line.rstrip().endswith((".", ":", ";"))]
    named = {name for name in vars(limits) if name.isupper()}
    explained = set()
    for before, line in pairwise(lines):
        name = line.partition(" = ")[0]
        if name in named and (
            (before.startswith("# ") and before not in groups) or before.partition(" = ")[0] in explained
        ):
            explained.add(name)
    assert named - explained == set()
