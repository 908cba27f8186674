"""The training log: lines in `log.jsonl`, and TensorBoard curves if TensorBoard is installed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dia.runtime.files.atomic import atomic_file
from dia.training.data.lines import lines_of

Line = Mapping[str, Any]


class Journal:
    """`log.jsonl` in `folder`, with one line per report.

    A saved state contains `count`. When it is resumed, `replace` removes later lines, so that no step is logged twice.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.jsonl"
        self.count = len(self.lines())
        self._curves: Any = None

    def write(self, line: Line) -> str:
        """Append `line`, with numbers rounded to five digits, and return the text.

        Numbers are also written as curves over the line's "step", with its "stage" as a prefix of their names.
        """
        written = json.dumps({key: _rounded(value) for key, value in line.items()})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(written + "\n")
        self.count += 1
        self._draw(line)
        return written

    def lines(self) -> list[dict[str, Any]]:
        """The lines of the file, without a last line whose writing was interrupted."""
        if not self.path.exists():
            return []
        whole, _, _ = self.path.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in lines_of(whole)]

    def replace(self, lines: Sequence[Line]) -> None:
        """Replace the content of the file with `lines`."""
        with atomic_file(self.path) as path:
            path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        self.count = len(lines)

    def _draw(self, line: Line) -> None:
        if self._curves is None:
            self._curves = _tensorboard(self.path.parent / "tensorboard")
        if self._curves is False:
            return
        prefix, step = line.get("stage", "run"), int(line.get("step", self.count))
        for key, value in line.items():
            if isinstance(value, int | float) and key != "step":
                self._curves.add_scalar(f"{prefix}/{key}", value, step)
        self._curves.flush()


class Means:
    """Means of named figures since the last `take`."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, figures: Mapping[str, float]) -> None:
        """Add one value of each figure; names may be missing."""
        for name, value in figures.items():
            self._values.setdefault(name, []).append(value)

    def take(self) -> dict[str, float]:
        """Return the mean of each figure and start again."""
        means = {name: sum(values) / len(values) for name, values in self._values.items()}
        self._values = {}
        return means


def _tensorboard(folder: Path) -> Any:
    """A TensorBoard writer; False if TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return False
    return SummaryWriter(str(folder))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_rounded(item) for item in value]
    return value
