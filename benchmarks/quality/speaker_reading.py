"""How well the names of speakers are found: precision and recall on tests/text/speaker_labels.json.

A script with names counts as found if every turn has its speaker and its words without the name, or, if it has more
than two names, if the error lists them all. Knows nothing of speech.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from dia.text import parse

TABLE = Path(__file__).parents[2] / "tests" / "text" / "speaker_labels.json"
HALVES = ("tuning", "held out")


class Outcome(NamedTuple):
    """What happens to one row: whether it is read correctly, whether names are found in it, and the warnings."""

    right: bool
    taken: bool
    warnings: tuple[str, ...]


class Score(NamedTuple):
    """Figures of some rows.

    precision: the share that is read correctly, of the scripts in which names are found.
    recall: the share that is read correctly, of the scripts that have names.
    warned: the share of the other texts about which there is a warning that they may have names.
    """

    precision: float
    recall: float
    warned: float


def rows(half: str | None = None) -> list[dict[str, Any]]:
    """The rows of the table, or of one half."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    return [row for sort in table.values() for row in sort if half in (None, row["half"])]


def outcome(row: dict[str, Any]) -> Outcome:
    """Read one row as a script of any language, so that only the speakers count."""
    names = row.get("names")
    try:
        script = parse(row["text"], frontend="none")
    except ValueError as error:
        return Outcome(names is not None and all(name in str(error) for name in names), True, ())
    expected = parse(row.get("expected", row["text"]), frontend="none", speakers={})
    right = names is None and _turns(script) == _turns(expected) and (not row.get("warns") or bool(script.warnings))
    return Outcome(right, bool(script.names), script.warnings)


def score(tried: list[dict[str, Any]]) -> Score:
    """Precision and recall of some rows."""
    with_names = [outcome(row) for row in tried if has_names(row)]
    others = [outcome(row) for row in tried if not has_names(row)]
    right, taken = sum(one.right for one in with_names), sum(one.taken for one in (*with_names, *others))
    warned = sum(any("--speakers" in warning for warning in one.warnings) for one in others)
    return Score(right / taken, right / len(with_names), warned / len(others))


def has_names(row: dict[str, Any]) -> bool:
    """Whether the text of a row names its speakers."""
    return "names" in row or "expected" in row


def measure(wrong: bool) -> None:
    """Print the figures of each half and of the whole table, and on request what is read wrongly."""
    for half in (*HALVES, None):
        tried = rows(half)
        found = score(tried)
        print(
            f"{half or 'all'}: {sum(map(has_names, tried))} scripts with names, {len(tried)} texts; "
            f"precision {found.precision:.1%}, recall {found.recall:.1%}, other texts warned about {found.warned:.1%}"
        )
    for row in rows() if wrong else ():
        if not outcome(row).right:
            print(f"\n{row['kind']} ({row['half']}):\n{row['text']}")


def _turns(script: Any) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.shown) for turn in script.turns]
