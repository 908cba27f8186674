"""How many texts of tests/text/fresh.json are read rightly: what people paste, of all kinds and formats.

A reading is right if it has the speakers, words, sounds, pauses and ends of sentences of one of the readings of its
row; case, commas, hyphens and "and" do not count, nor a full stop at the end of a turn. Where a row has a warning, one
that contains it must be there; a row without readings needs only the warning. A row with an error must be refused.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from evaluation.intervals import share

from dia.text import parse

TABLE = Path(__file__).parents[3] / "tests" / "text" / "fresh.json"


@dataclass(frozen=True)
class Case:
    """A text and its right readings.

    Attributes:
        part: "first" or "second": the table was written in two parts.
        kind: what it is an example of.
        written: the text.
        spoken: all right readings.
        format: the text format.
        warning: part of a warning that it must cause; None if that is not checked.
        error: words that the error must contain; the text is then refused.
        wrong: whether it is known to be read wrongly still.
    """

    part: str
    kind: str
    written: str
    spoken: tuple[str, ...] = ()
    format: str = "plain"
    warning: str | None = None
    error: tuple[str, ...] = ()
    wrong: bool = False


def cases(table: Path = TABLE) -> list[Case]:
    """The cases of the table, in order."""
    rows = json.loads(table.read_text(encoding="utf-8"))
    return [
        Case(**{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}) for row in rows
    ]


def read(case: Case) -> tuple[str, tuple[str, ...]]:
    """What is spoken, with speakers and pauses, or the error; and the warnings."""
    try:
        script = parse(case.written, text_format=case.format)
    except ValueError as error:
        return f"refused: {error}", ()
    return " ".join(map(str, script.turns)), script.warnings


def is_right(case: Case) -> bool:
    """Whether a text is read as the case expects."""
    said, warnings = read(case)
    if case.error:
        return said.startswith("refused") and all(word in said for word in case.error)
    warned = case.warning is None or any(case.warning in warning for warning in warnings)
    if said.startswith("refused") or not warned:
        return False
    return not case.spoken or comparable(said) in {comparable(reading) for reading in case.spoken}


def comparable(said: str) -> str:
    """A reading without what does not count."""
    said = re.sub(r"\[pause:(\d+)ms\]", lambda pause: f"[pause:{int(pause[1]) / 1000:g}s]", _turns(said))
    said = re.sub(r"\[pause:([\d.]+)s\]", lambda pause: f" pause_{pause[1].replace('.', '_')} ", said)
    said = re.sub(r"\[(S[12])\]", r" <\1> ", said).casefold().replace("'", "").replace("...", "…")
    said = re.sub(r"[^\w<>.?!()…]+", " ", re.sub(r"[?!]{2,}", "?", said))
    words = [word for word in re.sub(r"([.?!…])", r" \1 ", said).split() if word != "and"]
    said = re.sub(r"(?<=\b[a-z]) (?=[a-z]\b)", "", " ".join(words))
    return re.sub(r" \.(?= <|$| pause)", "", said)


def _turns(said: str) -> str:
    """The tags of speakers only where the speaker changes."""
    last, parts = "", list[str]()
    for part in re.split(r"(\[S[12]\])", said):
        if part in ("[S1]", "[S2]"):
            part, last = ("" if part == last else part), part
        parts.append(part)
    return "".join(parts)


def measure(show_wrong: bool = False) -> None:
    """Print the share of texts that are read rightly, for both parts and by kind, and on request the wrong ones."""
    table = cases()
    right = {case: is_right(case) for case in table}
    for part in ("first", "second"):
        of_part = [case for case in table if case.part == part]
        figure = share(sum(right[case] for case in of_part), len(of_part))
        print(f"{part}: {figure.shown(unit=' %')} of {figure.of}")
        for kind, count in Counter(case.kind for case in of_part).items():
            print(f"    {kind}: {sum(right[case] for case in of_part if case.kind == kind)} of {count}")
    for case in table if show_wrong else ():
        if not right[case]:
            said, warnings = read(case)
            expected = case.spoken[0] if case.spoken else "a warning"
            print(f"\n{case.kind}: {case.written!r}\n    read:     {said}\n    expected: {expected}")
            print("".join(f"    warning: {warning}\n" for warning in warnings), end="")


__all__ = ["Case", "cases", "comparable", "is_right", "measure", "read"]
