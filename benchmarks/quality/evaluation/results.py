"""The file of figures that several benchmarks write together, for the model card."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from evaluation.intervals import Figure


def report(figures: Mapping[str, Figure], path: Path | None) -> None:
    """Print figures, one in a line, and add them to a file."""
    for name, figure in figures.items():
        print(f"{name:28} {figure.shown(1, 3)} of {figure.of}")
    if path is not None:
        add_figures(path, figures)


def add_figures(path: Path, figures: Mapping[str, Figure]) -> None:
    """Add figures to a JSON file, which is made if necessary; those with the same name are replaced.

    Raises:
        ValueError: the file exists and holds something else.
    """
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"figures": {}}
    if not isinstance(found, dict) or not isinstance(found.get("figures"), dict):
        raise ValueError(f"{path} is not a file of figures. Choose another.")
    known = {
        name: {key: one for key, one in f._asdict().items() if not math.isnan(one)} for name, f in figures.items()
    }
    found["figures"] |= known
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
