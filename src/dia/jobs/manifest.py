"""The folder of a job: its plan in batch.json, and a line for each row in manifest.jsonl.

A line is written whole, after the files of its row. The last line of a row counts. Independent of how rows are spoken.
"""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from dia.runtime.files.atomic import atomic_file
from dia.runtime.files.reading import read_json
from dia.runtime.ranges import shown

MANIFEST, PLAN = "manifest.jsonl", "batch.json"


class Manifest:
    """The manifest of a folder, open for one process. Use it in a `with` block; its methods from any thread.

    A last line without an end, which a killed process has left, is removed. Damaged lines are ignored, so that their
    rows are made again.

    Args:
        folder: the folder of the job, which exists.
        plan: what all rows of the folder have in common.
        writable: false to read alone, beside other processes; `add` and `sort` are not allowed then.

    Raises:
        ValueError: the folder has rows of another plan, or files of something else; the message gives the remedy.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any], writable: bool = True) -> None:
        self.folder, self._lock, self._writable = folder, Lock(), writable
        _check_folder(folder)
        # A temporary file, so that memory is constant in the number of rows.
        self._index = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._index.execute("BEGIN")
        self._index.execute("CREATE TABLE lines (key TEXT PRIMARY KEY, start INT, length INT, row INT) WITHOUT ROWID")
        self._file = open(folder / MANIFEST, "a+b" if writable else "rb")  # noqa: SIM115 - closed by `close`
        try:
            if self._read() > 0:
                _check_plan(folder, plan)
            if writable:
                with atomic_file(folder / PLAN) as path:
                    path.write_text(json.dumps(plan, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._index.close()

    def get(self, key: str, row: int) -> dict[str, Any] | None:
        """The last line of a key, which is that of the input's row number `row`; None if there is none."""
        with self._lock:
            found = self._index.execute("SELECT start, length FROM lines WHERE key = ?", (key,)).fetchone()
            if found is None:
                return None
            self._index.execute("UPDATE lines SET row = ? WHERE key = ?", (row, key))
            return parsed_line(_part(self._file, *found))

    def is_made(self, key: str) -> bool:
        """Whether the last line of a key says that the row has files."""
        with self._lock:
            found = self._index.execute("SELECT start, length FROM lines WHERE key = ?", (key,)).fetchone()
            record = parsed_line(_part(self._file, *found)) if found else None
        return record is not None and "error" not in record

    def add(self, key: str, row: int | None, record: Mapping[str, Any], durable: bool = True) -> None:
        """Append a line and wait until it is on the disk.

        Args:
            key: what the line is about, see `key_of`.
            row: the number of the row in the input; None if it is unknown.
            record: the line.
            durable: false not to wait; `flush` waits for many lines at once.

        Raises:
            OSError: it cannot be written.
        """
        line = (json.dumps(record) + "\n").encode()
        with self._lock:
            start = self._file.seek(0, os.SEEK_END)
            try:
                self._file.write(line)
                self._file.flush()
                if durable:
                    os.fsync(self._file.fileno())
            except OSError:
                with suppress(OSError):
                    self._file.truncate(start)
                raise
            self._note(key, start, len(line), row)

    def totals(self) -> tuple[int, int, float]:
        """The number of rows of the input with files and with errors, and the seconds of speech."""
        made, failed, seconds = 0, 0, 0.0
        with self._lock:
            for start, length in self._index.execute("SELECT start, length FROM lines WHERE row IS NOT NULL"):
                record = parsed_line(_part(self._file, start, length)) or {}
                failed += "error" in record
                made += "error" not in record
                seconds += record.get("seconds", 0.0)
        return made, failed, seconds

    def flush(self) -> None:
        """Wait until all lines are on the disk. Raises OSError if they cannot be written."""
        os.fsync(self._file.fileno())

    def sort(self) -> None:
        """Write the manifest anew: a line for each id, in the order of the input; ids that it lacks come last.

        Lines of rows that could not be read are kept if they are still in the input. Call it once, at the end.

        Raises:
            OSError: it cannot be written; the old one is kept.
        """
        with self._lock, atomic_file(self.folder / MANIFEST) as path, open(path, "wb") as sorted_file:
            lines = self._index.execute(
                "SELECT start, length FROM lines WHERE row IS NOT NULL OR key LIKE 'id %' "
                "ORDER BY row IS NULL, row, key"
            )
            for start, length in lines:
                sorted_file.write(_part(self._file, start, length))

    def _read(self) -> int:
        """Index the lines; return how many rows have files."""
        start, made = 0, 0
        self._file.seek(0)
        for line in self._file:
            record = parsed_line(line)
            if not line.endswith(b"\n"):
                if self._writable:
                    self._file.truncate(start)
                break
            if record is not None and (key := key_of(record)):
                made += "error" not in record
                self._note(key, start, len(line), None)
            start += len(line)
        return made

    def _note(self, key: str, start: int, length: int, row: int | None) -> None:
        self._index.execute("INSERT OR REPLACE INTO lines VALUES (?, ?, ?, ?)", (key, start, length, row))


def key_of(record: Mapping[str, Any]) -> str:
    """What a line is about: an id, or the number of a row that cannot be read; empty if neither is there."""
    if isinstance(id := record.get("id"), str):
        return f"id {id}"
    return f"row {record['row']}" if isinstance(record.get("row"), int) else ""


def _part(file: BinaryIO, start: int, length: int) -> bytes:
    return os.pread(file.fileno(), length, start) if hasattr(os, "pread") else _sought(file, start, length)


def _sought(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def parsed_line(line: bytes) -> dict[str, Any] | None:
    """The object that a line consists of; None if it is damaged."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _check_folder(folder: Path) -> None:
    """Refuse a folder that has files but no plan."""
    if not (folder / PLAN).exists() and any(not name.startswith(".") for name in os.listdir(folder)):
        raise ValueError(f"{folder} is not empty and holds no job. Choose an empty or new folder.")


def _check_plan(folder: Path, plan: Mapping[str, Any]) -> None:
    stored = read_json(folder / PLAN)
    names = sorted(name for name in {*stored, *plan} if stored.get(name) != plan.get(name))
    if names:
        changes = "; ".join(f"{name} was {shown(stored.get(name))}, now {shown(plan.get(name))}" for name in names)
        raise ValueError(
            f"{folder} holds rows of another job: {changes}. Repeat the job with the earlier settings to resume it, "
            f"or choose another folder."
        )


__all__ = ["MANIFEST", "PLAN", "Manifest", "key_of", "parsed_line"]
