"""Measure how well names of speakers are found: precision and recall on tests/text/speaker_labels.json.

A script with names counts as found if every turn has its speaker and its words without the name, or, if it has more
than two names, if the error lists them all. A second measure composes dialogues from unrelated sentences of
everyday.txt.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from dia.text import parse

TABLE = Path(__file__).parents[3] / "tests" / "text" / "speaker_labels.json"
EVERYDAY = Path(__file__).parents[1] / "everyday.txt"
PARTS = ("tuning", "held out", "fresh", "last", "final")
NAMES = ("John", "Mary", "Priya", "Tom", "Alice", "Bob", "Sofia", "Karim", "Grace", "Wei", "Fatima", "Olga", "Chidi")
# How a name and the sentence after it are written, by what it looks like.
FORMS: dict[str, Callable[[str], str]] = {
    "NAME:": lambda name: f"{name.upper()}: ",
    "Name:": lambda name: f"{name}: ",
    "**Name:**": lambda name: f"**{name}:** ",
    "[00:12] Name:": lambda name: f"[00:12] {name}: ",
    "Name —": lambda name: f"{name} — ",
    "NAME above": lambda name: f"{name.upper()}\n",
    "### Name": lambda name: f"### {name}\n",
}
COMPOSED = 100  # dialogues of each form and length


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


class Composed(NamedTuple):
    """Of dialogues of one form and length: the share whose names are found, and the share with only a warning."""

    found: float
    warned: float


def rows(part: str | None = None) -> list[dict[str, Any]]:
    """The rows of the table, or of one part of it."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    return [row for sort in table.values() for row in sort if part in (None, row["part"])]


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


def composed(form: str, lines: int) -> Composed:
    """Read dialogues of sentences that have nothing to do with each other."""
    drawn, write = random.Random(f"{form} {lines}"), FORMS[form]
    listed = EVERYDAY.read_text(encoding="utf-8").splitlines()
    sentences = [line for line in listed if line and not line.startswith("#")]
    found = warned = 0
    for _ in range(COMPOSED):
        speakers, said = drawn.sample(NAMES, 2), drawn.sample(sentences, lines)
        text = "\n\n".join(f"{write(speakers[index % 2])}{sentence}" for index, sentence in enumerate(said))
        script = parse(text, frontend="none")
        right = [turn.speaker for turn in script.turns] == [f"S{1 + index % 2}" for index in range(lines)]
        found += right
        warned += not right and any("--speakers" in warning for warning in script.warnings)
    return Composed(found / COMPOSED, warned / COMPOSED)


def measure(wrong: bool) -> None:
    """Print the figures of each part and of the whole table, and on request what is read wrongly."""
    for part in (*PARTS, None):
        tried = rows(part)
        found = score(tried)
        print(
            f"{part or 'all'}: {sum(map(has_names, tried))} scripts with names, {len(tried)} texts; "
            f"precision {found.precision:.1%}, recall {found.recall:.1%}, other texts warned about {found.warned:.1%}"
        )
    for form in FORMS:
        shares = {lines: composed(form, lines) for lines in (2, 3, 4)}
        print(
            f"{form}: "
            + ", ".join(f"{lines} lines {one.found:.0%} + {one.warned:.0%}" for lines, one in shares.items())
        )
    for row in rows() if wrong else ():
        if not outcome(row).right:
            print(f"\n{row['kind']} ({row['part']}):\n{row['text']}")


def _turns(script: Any) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.shown) for turn in script.turns]
