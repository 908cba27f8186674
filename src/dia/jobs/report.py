"""Check all rows of a job before the first one is spoken, in constant memory. Needs no model and no torch."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from dia.jobs.output.layouts import check_id
from dia.jobs.rows import Row, folded_id, read_row
from dia.jobs.settings import BatchSettings
from dia.jobs.sources import SourceRow
from dia.text.prompt_format import PromptFormat
from dia.text.script import Script

_SHOWN = 10  # bad rows, and kinds of warnings, in a report
_KINDS = 1000  # kinds of warnings that are counted apart


@dataclass(frozen=True)
class Report:
    """What a job consists of.

    Attributes:
        good: number of rows that can be spoken.
        bad: number of rows that cannot.
        first_bad: why the first bad rows cannot be spoken.
        warnings: what is doubtful about scripts, with the number of rows.
        seconds: estimated length of the speech.
    """

    good: int
    bad: int
    first_bad: tuple[str, ...]
    warnings: tuple[tuple[str, int], ...]
    seconds: float

    def lines(self) -> Iterator[str]:
        """The report as lines of text."""
        hours = f"about {self.seconds / 3600:.2f} hours of speech"
        yield f"{self.good} rows can be spoken, {self.bad} cannot; {hours}"
        yield from (f"bad: {fault}" for fault in self.first_bad)
        if self.bad > len(self.first_bad):
            yield f"bad: and {self.bad - len(self.first_bad)} more"
        for warning, count in self.warnings:
            yield f"warning: {warning} ({count} row{'s' if count > 1 else ''})"


class RowIndex:
    """The ids of a job and the rows that own them. On disk if it is large, so that memory is constant."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)  # a temporary file
        self._base.execute("BEGIN")
        self._base.execute("CREATE TABLE ids (folded TEXT PRIMARY KEY, id TEXT, number INTEGER) WITHOUT ROWID")

    def claim(self, id: str, number: int) -> None:
        """Give an id to a row. A row that has it already keeps it.

        Raises:
            ValueError: another row has it, or one that differs only in case.
        """
        found = self._base.execute("SELECT id, number FROM ids WHERE folded = ?", (folded_id(id),)).fetchone()
        if found is None:
            self._base.execute("INSERT INTO ids VALUES (?, ?, ?)", (folded_id(id), id, number))
        elif found[1] != number:
            same = "is also that" if found[0] == id else f"differs only in case or accents' encoding from {found[0]!r}"
            raise ValueError(f"the id {id!r} {same} of row {found[1]}. Give each row an id of its own.")

    def close(self) -> None:
        """Remove the index."""
        self._base.close()


def good_rows(
    rows: Iterable[SourceRow], settings: BatchSettings, format: PromptFormat, index: RowIndex
) -> Iterator[tuple[SourceRow, tuple[Row, Script] | ValueError]]:
    """Each row as it was read, and either checked or the error that says why it cannot be spoken."""
    for source in rows:
        try:
            row, script = read_row(source, settings.defaults, format)
            _claim(index, source, row, settings.layout)
        except ValueError as error:
            yield source, error
        else:
            yield source, (row, script)


def _claim(index: RowIndex, source: SourceRow, row: Row, layout: str) -> None:
    try:
        check_id(layout, row.id)
        index.claim(row.id, source.number)
    except ValueError as error:
        raise ValueError(f"{source.place}: {error}") from None


def check_rows(rows: Iterable[SourceRow], settings: BatchSettings, format: PromptFormat) -> Report:
    """Check all rows.

    Args:
        rows: the rows, see `dia.jobs.sources.open_rows`.
        settings: the settings of the job.
        format: the prompt conventions of the model.

    Raises:
        OSError: the rows cannot be read.
    """
    good, bad, first_bad, warnings, seconds = 0, 0, list[str](), Counter[str](), 0.0
    with closing(RowIndex()) as index:
        for _, checked in good_rows(rows, settings, format, index):
            if isinstance(checked, ValueError):
                bad += 1
                first_bad += [str(checked)] if len(first_bad) < _SHOWN else []
                continue
            row, script = checked
            good += 1
            seconds += expected_seconds(row, script)
            for warning in script.warnings_for(format):
                if warning in warnings or len(warnings) < _KINDS:
                    warnings[warning] += 1
    return Report(good, bad, tuple(first_bad), tuple(warnings.most_common(_SHOWN)), seconds)


def expected_seconds(row: Row, script: Script) -> float:
    """The estimated length of a row's speech, with its pauses."""
    if script.is_timed:
        return max(turn.cue.end for turn in script.turns if turn.cue)
    seconds = script.seconds + sum(turn.pause for turn in script.turns)
    rate: Any = row.options.get("speaking_rate", 1.0)
    return seconds / float(rate)


__all__ = ["Report", "RowIndex", "check_rows", "expected_seconds", "good_rows"]
