"""Measure how many rows of a table Dia, wetext and NeMo's text processing read correctly.

The table is tests/text/english/numbers/numbers.tsv.

A reading is correct if it has the words of one of the row's readings. For all programs, case, punctuation, hyphens,
"and" and spaces between single letters are ignored. The rules were written with odd rows; even rows are held out.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from evaluation.intervals import share

from dia.text import spoken_form

TABLE = Path(__file__).parents[3] / "tests" / "text" / "english" / "numbers" / "numbers.tsv"
Reader = Callable[[str], str]


class Row(NamedTuple):
    """A written text, every right way to read it, and whether it is held out."""

    kind: str
    written: str
    readings: tuple[str, ...]
    held_out: bool


def rows(table: Path = TABLE) -> list[Row]:
    """The rows of the table, in order."""
    found = []
    for number, line in enumerate(table.read_text(encoding="utf-8").splitlines()[1:], 1):
        kind, written, spoken, *others = line.split("\t")
        also = others[0].split(" | ") if others else ()
        found.append(Row(kind, written, (spoken, *also), number % 2 == 0))
    return found


def words(spoken: str) -> str:
    """The words of a reading, without what does not count."""
    plain = re.sub(r"[^a-z0-9 ]+", " ", spoken.casefold().replace("'", ""))
    joined = " ".join(word for word in plain.split() if word != "and")
    return re.sub(r"(?<=\b[a-z]) (?=[a-z]\b)", "", joined)


def is_right(row: Row, said: str) -> bool:
    """Whether a reading is among those of the row."""
    return words(said) in {words(reading) for reading in row.readings}


def measure(show_wrong: bool = False) -> None:
    """Print the share of rows that each installed program reads rightly, for both halves, and by kind."""
    table = rows()
    for name, reader in _readers():
        said = {row: _read(reader, row.written) for row in table}
        right = {row: is_right(row, text) for row, text in said.items()}
        print(f"{name}: {_share(right, table)} of all rows")
        for title, held_out in (("rows for writing the rules", False), ("held out", True)):
            print(f"    {title}: {_share(right, [row for row in table if row.held_out is held_out])}")
        wrong = Counter(row.kind for row in table if not right[row])
        print("    wrong by kind: " + ", ".join(f"{kind} {count}" for kind, count in wrong.most_common()))
        if show_wrong:
            print("".join(f"    {row.written!r} → {said[row]!r}\n" for row in table if not right[row]))


def _share(right: dict[Row, bool], table: list[Row]) -> str:
    figure = share(sum(right[row] for row in table), len(table))
    return f"{figure.shown(unit=' %')} of {figure.of}"


def _read(reader: Reader, written: str) -> str:
    try:
        return reader(written)
    except (ValueError, AssertionError) as error:
        return f"failed: {error}"


def _readers() -> Iterable[tuple[str, Reader]]:
    yield f"dia-tts {_version('dia-tts')}", spoken_form
    if find_spec("wetext"):
        from wetext import Normalizer as Wetext

        yield f"wetext {_version('wetext')}", Wetext(lang="en").normalize
    else:
        print("wetext is not installed; `pip install wetext` to compare.")
    if find_spec("nemo_text_processing"):
        from nemo_text_processing.text_normalization.normalize import Normalizer as Nemo

        nemo = Nemo(input_case="cased", lang="en")
        yield f"nemo_text_processing {_version('nemo_text_processing')}", nemo.normalize
    else:
        print("nemo_text_processing is not installed; `pip install nemo_text_processing` to compare.")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed as a package)"
