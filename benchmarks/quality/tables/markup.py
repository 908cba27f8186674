"""Measure how many texts of tests/text/markup_cases.json are read correctly.

They have markup, citation marks, sounds, asides and pauses.

A reading is right if the turns, with their sounds and pauses, are those of the case; a full stop at the end of a turn
does not count. A case with a warning is right only if there is one that contains it; an empty warning means none.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from evaluation.intervals import share

from dia.text import parse

TABLE = Path(__file__).parents[3] / "tests" / "text" / "markup_cases.json"


@dataclass(frozen=True)
class Case:
    """A text in a format, how it is read, and part of the warning that it causes; None if that is not checked."""

    kind: str
    input: str
    expected: str
    format: str = "plain"
    warning: str | None = None


def cases(table: Path = TABLE) -> list[Case]:
    """The cases of the table, in order."""
    return [Case(**case) for case in json.loads(table.read_text(encoding="utf-8"))]


def read(case: Case) -> tuple[str, tuple[str, ...]]:
    """What is spoken, with the pauses, and the warnings."""
    try:
        script = parse(case.input, text_format=case.format)
    except ValueError as error:
        return f"refused: {error}", ()
    return " ".join(map(str, script.turns)).replace("[S1] ", ""), script.warnings


def is_right(case: Case) -> bool:
    """Whether a text is read as the case expects."""
    said, warnings = read(case)
    if case.warning is None:
        warned = True
    else:
        warned = any(case.warning in warning for warning in warnings) if case.warning else not warnings
    return warned and _ended(said) == _ended(case.expected)


def _ended(said: str) -> str:
    return re.sub(r"(?<!\.)\.(?= \[|$)", "", said)


def measure(show_wrong: bool = False) -> None:
    """Print the share of cases that are read rightly, and the wrong ones by kind."""
    table = cases()
    right = {case: is_right(case) for case in table}
    figure = share(sum(right.values()), len(table))
    print(f"{figure.shown(unit=' %')} of {figure.of} cases")
    for kind, count in Counter(case.kind for case in table).items():
        print(f"    {kind}: {sum(right[case] for case in table if case.kind == kind)} of {count}")
    for case in table if show_wrong else ():
        if not right[case]:
            said, warnings = read(case)
            print(f"\n{case.kind}: {case.input!r}\n    read:     {said}\n    expected: {case.expected}")
            print("".join(f"    warning: {warning}\n" for warning in warnings), end="")


__all__ = ["Case", "cases", "is_right", "measure", "read"]
