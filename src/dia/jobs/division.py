"""Divide rows among processes by expected work. Each process computes the same division on its own.

Scripts are not parsed: their length is enough to divide them, and parsing all rows in every process would take longer
than speaking them in many processes. Memory is constant in the number of rows.
"""

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from dia.jobs.rows import folded_id
from dia.jobs.sources import SourceRow

_FIXED = 20.0  # characters that take as long as what every row costs: its prompt and its file
_FINISHED = 1e-3  # the work of a finished row, relative to speaking it; it may turn out to be changed


class Share:
    """The rows of one process; an iterable that is read anew by each iteration.

    Each row goes to the process with the least work so far. Rows with the same id go to the same process, so that
    which of them owns the id is decided as in a single process.

    Args:
        rows: all rows.
        number: the number of the process, from 0.
        count: the number of processes.
        is_finished: whether a row has files already, by its id. The answers must be the same in all processes.

    Raises:
        ValueError: `number` is not below `count`.
    """

    def __init__(
        self, rows: Iterable[SourceRow], number: int, count: int, is_finished: Callable[[str], bool] = lambda id: False
    ) -> None:
        if not 0 <= number < count:
            raise ValueError(f"number is {number}; expected 0 to {count - 1} for {count} processes.")
        self._rows, self._number, self._count, self._is_finished = rows, number, count, is_finished

    def __iter__(self) -> Iterator[SourceRow]:
        return (row for owner, row in self._owned() if owner == self._number)

    def _owned(self) -> Iterator[tuple[int, SourceRow]]:
        """Each row with the number of its process."""
        loads = [(0.0, number) for number in range(self._count)]  # a heap: the least loaded process is first
        with closing(_Owners()) as owners:
            for row in self._rows:
                id = _id(row)
                lightest = loads[0][1]
                owner = owners.claim(folded_id(id), lightest) if id else lightest
                if owner == lightest:
                    work = expected_work(row) * (_FINISHED if id and self._is_finished(id) else 1.0)
                    heapq.heapreplace(loads, (loads[0][0] + work, lightest))
                yield owner, row


class _Owners:
    """Which process owns an id. On disk if it is large."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)  # a temporary file
        self._base.execute("BEGIN")
        self._base.execute("CREATE TABLE owners (id TEXT PRIMARY KEY, owner INTEGER) WITHOUT ROWID")

    def claim(self, id: str, owner: int) -> int:
        """Give an id to a process unless it has one; returns the owner."""
        found = self._base.execute("SELECT owner FROM owners WHERE id = ?", (id,)).fetchone()
        if found is not None:
            return int(found[0])
        self._base.execute("INSERT INTO owners VALUES (?, ?)", (id, owner))
        return owner

    def close(self) -> None:
        self._base.close()


def expected_work(row: SourceRow) -> float:
    """The work of speaking a row as it was read, in characters. A row that cannot be read counts as an empty one."""
    if not isinstance(row.content, Mapping):
        return _FIXED
    takes = row.content.get("best_of")
    takes = takes if isinstance(takes, int) and takes > 0 else 1
    return (_FIXED + _characters(row.content)) * takes


def _characters(content: Mapping[str, Any]) -> int:
    text, turns = content.get("text"), content.get("turns")
    if isinstance(text, str):
        return len(text)
    if isinstance(turns, list | tuple):
        return sum(len(str(turn.get("text", ""))) for turn in turns if isinstance(turn, Mapping))
    return len(turns) if isinstance(turns, str) else 0  # a cell of a CSV file


def _id(row: SourceRow) -> str:
    id = row.content.get("id") if isinstance(row.content, Mapping) else None
    if not isinstance(id, str | int):
        return ""
    return str(id).encode("utf-8", "replace").decode()  # lone surrogates, which are refused later, fit no database


__all__ = ["Share", "expected_work"]
