"""Measure sentence splitting on tests/text/english/sentences.json, by Dia and by other programs.

A `|` in a row marks the end of a sentence. The even rows of each kind were held out while Dia's rules were written. A
row is correct if all its sentences have the expected letters and digits; white space and punctuation are ignored. The
golden rules are the 48 cases that come with pysbd.
"""

import json
import runpy
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from dia.text.english.normalization import spoken_form
from dia.text.english.sentences import sentences

TABLE = Path(__file__).parents[3] / "tests" / "text" / "english" / "sentences.json"
LINE_KINDS = ("lists", "headings", "verse", "wrapped prose")  # their line ends count

Splitter = Callable[[str], Sequence[str]]


class Row(NamedTuple):
    """A text and its sentences."""

    kind: str
    held_out: bool
    text: str
    expected: tuple[str, ...]


def rows() -> Iterator[Row]:
    """All rows of the table."""
    for kind, texts in json.loads(TABLE.read_text(encoding="utf-8")).items():
        for number, text in enumerate(texts):
            yield Row(kind, number % 2 == 1, text.replace("|", ""), tuple(text.split("|")))


def is_right(row: Row, split: Splitter) -> bool:
    """Whether the splitter finds exactly the expected sentences."""
    return _letters(split(row.text)) == _letters(row.expected)


def is_right_as_read(row: Row) -> bool:
    """Whether the spoken form has the expected sentences; words before a colon belong to the next sentence."""
    expected: list[str] = []
    for sentence in row.expected:
        if expected and expected[-1].rstrip().endswith(":"):
            sentence = expected.pop() + sentence
        expected.append(sentence)
    return _letters(sentences(spoken_form(row.text))) == _letters([spoken_form(one) for one in expected])


def _letters(texts: Sequence[str]) -> list[str]:
    letters = ("".join(character for character in text.lower() if character.isalnum()) for text in texts)
    return [text for text in letters if text]


def _splitters() -> dict[str, Splitter]:
    """Ours, and those of other programs that are installed, with their versions."""
    found: dict[str, Splitter] = {"dia": sentences}
    if find_spec("pysbd"):
        import pysbd

        found[f"pysbd {version('pysbd')}"] = pysbd.Segmenter(language="en", clean=False).segment
    if find_spec("sentencex"):
        import sentencex

        found[f"sentencex {version('sentencex')}"] = lambda text: list(sentencex.segment("en", text))
    if find_spec("blingfire"):
        import blingfire

        found[f"blingfire {version('blingfire')}"] = lambda text: blingfire.text_to_sentences(text).split("\n")
    if find_spec("syntok"):
        from syntok import segmenter

        found[f"syntok {version('syntok')}"] = lambda text: [
            "".join(token.spacing + token.value for token in sentence)
            for paragraph in segmenter.process(text)
            for sentence in paragraph
        ]
    return found


def golden_rules() -> list[Row]:
    """The cases that pysbd installs beside itself; none without it."""
    found = find_spec("pysbd")
    file = Path(found.origin or "").parents[1] / "benchmarks" / "english_golden_rules.py" if found else None
    if file is None or not file.is_file():
        return []
    cases = runpy.run_path(str(file))["GOLDEN_EN_RULES"]
    return [Row("golden rules", False, text, tuple(expected)) for text, expected in cases]


def measure(wrong: bool) -> None:
    """Print how many rows of each sort every program splits as expected, and the time for a megabyte of prose."""
    table, golden = list(rows()), golden_rules()
    heads = ("in a line", "held out", "with lines", "held out", "golden rules", "s per MB")
    print(" " * 18 + "".join(f"{head:>13}" for head in heads))
    for name, split in _splitters().items():
        right = [row for row in table if is_right(row, split)]
        passed = sum(is_right(row, split) for row in golden)
        _report(name, right, table, f"{passed:>3} of {len(golden):>3}", _seconds(split))
        for row in (row for row in [*table, *golden] if wrong and not is_right(row, split)):
            print("   ", repr(row.text), "→", split(row.text))
    _report("dia, as read", [row for row in table if is_right_as_read(row)], table, "", _seconds(spoken_form))


def _report(name: str, right: Sequence[Row], table: Sequence[Row], golden: str, seconds: float) -> None:
    cells = []
    for lines in (False, True):
        for held_out in (False, True):
            count, all_rows = (
                sum((row.kind in LINE_KINDS) == lines and row.held_out == held_out for row in some)
                for some in (right, table)
            )
            cells.append(f"{count:>3} of {all_rows:>3}")
    print(f"{name:18}" + "".join(f"{cell:>13}" for cell in [*cells, golden, f"{seconds:.1f}"]))


def _seconds(split: Callable[[str], object]) -> float:
    """The time for a megabyte: the prose of the table, over and over."""
    prose = " ".join(row.text for row in rows() if row.kind in ("plain prose", "titles", "quotes"))
    text = "\n\n".join([prose] * (100_000 // len(prose)))
    start = time.process_time()
    split(text)
    return (time.process_time() - start) * 1_000_000 / len(text)
