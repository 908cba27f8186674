"""The manifest of a job that several processes work on: a part for each, merged into one manifest at the end.

Parts are files in a hidden subfolder. A line of a part says what became of a row: a new record, or that the record in
the manifest still holds. The last line says that the process has finished its share. The process that finishes last
merges all parts. Parts of killed processes are merged when the next run begins.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from dia.jobs.manifest import Manifest, parsed_line
from dia.runtime.files.locks import exclusive_writer

PARTS = ".parts"
_END = b'{"end": true}\n'
_WAIT_SECONDS = 0.1


@dataclass(frozen=True)
class Totals:
    """What a merged manifest says of the rows of the input.

    Attributes:
        made: number of rows that have files, of this run or earlier ones.
        failed: number of rows that have errors.
        seconds: length of the speech of all rows.
    """

    made: int
    failed: int
    seconds: float


class Part:
    """The part of one process, used like a `Manifest`: in a `with` block, and by any thread.

    Args:
        folder: the folder of the job, which is reserved for this job, see `reserved`.
        plan: what all rows of the folder have in common.
        number: the number of the process, from 0.
        count: the number of processes.

    Raises:
        BlockingIOError: another process writes the same part.
        OSError: the folder cannot be written.
        ValueError: the folder belongs to another job.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any], number: int, count: int) -> None:
        self.folder, self.number, self.count, self._lock = folder, number, count, Lock()
        self._plan, self._open = dict(plan), ExitStack()
        path = folder / PARTS / f"{number:05d}-of-{count:05d}.jsonl"
        with ExitStack() as stack:
            stack.enter_context(exclusive_writer(path, parents=True))
            self._base = stack.enter_context(Manifest(folder, plan, writable=False))
            self._file = stack.enter_context(open(path, "wb"))
            self._open = stack.pop_all()

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files and let other processes write them."""
        self._open.close()

    def is_made(self, key: str) -> bool:
        """Whether the row of a key has files since before this run."""
        return self._base.is_made(key)

    def get(self, key: str, row: int) -> dict[str, Any] | None:
        """The record of a key before this run, which is that of row number `row`; None if there is none."""
        record = self._base.get(key, row)
        if record is not None:
            self._write({"key": key, "row": row}, durable=False)
        return record

    def add(self, key: str, row: int, record: Mapping[str, Any], durable: bool = True) -> None:
        """Append a record and, if `durable`, wait until it is on the disk. Raises OSError."""
        self._write({"key": key, "row": row, "record": dict(record)}, durable)

    def finish(self, complete: Callable[[Manifest], None] | None = None) -> Totals | None:
        """Note that the share is finished. If it is the last one, merge all parts and return the totals.

        Args:
            complete: called with the merged manifest, while the folder is reserved.

        Raises:
            OSError: the folder cannot be written; the next run merges the parts.
        """
        self._write({"end": True}, durable=True)
        with _patient_writer(self.folder):
            paths = _paths(self.folder)
            if len(paths) < self.count or not all(map(_has_ended, paths)):
                return None
            self.close()  # open files could not be removed everywhere
            with Manifest(self.folder, self._plan) as manifest:
                absorb(manifest, final=True)
                if complete is not None:
                    complete(manifest)
                return Totals(*manifest.totals())

    def _write(self, line: Mapping[str, Any], durable: bool) -> None:
        with self._lock:
            self._file.write((json.dumps(line) + "\n").encode())
            if durable:
                self._file.flush()
                os.fsync(self._file.fileno())


@contextmanager
def reserved(folder: Path, plan: Mapping[str, Any]) -> Iterator[None]:
    """Reserve a folder for the job and merge what killed processes have left. One process does so, before any `Part`.

    Raises:
        BlockingIOError: another job runs in the folder.
        ValueError: the folder belongs to another job.
        OSError: the folder cannot be written.
    """
    with exclusive_writer(folder, parents=True):
        folder.mkdir(exist_ok=True)
        with Manifest(folder, plan) as manifest:
            absorb(manifest)
        yield


def absorb(manifest: Manifest, final: bool = False) -> None:
    """Merge all parts of the manifest's folder into it, and remove them. Repeating it after a kill changes nothing.

    Args:
        manifest: the manifest, whose folder is reserved.
        final: sort it in the order of the input, because the parts are those of all rows. False for parts of killed
            processes, whose input may have been another one.

    Raises:
        BlockingIOError: a process is still writing a part.
        OSError: the manifest cannot be written; the parts are kept.
    """
    if not (manifest.folder / PARTS).is_dir():
        return
    for path in _paths(manifest.folder):
        with ExitStack() as stack:
            if not final:
                stack.enter_context(exclusive_writer(path))
            _absorb_part(manifest, path, final)
    manifest.flush()
    if final:
        manifest.sort()
    for path in _paths(manifest.folder):
        path.unlink(missing_ok=True)
    shutil.rmtree(manifest.folder / PARTS, ignore_errors=True)  # NFS keeps files that another process has open


def _absorb_part(manifest: Manifest, path: Path, final: bool) -> None:
    with open(path, "rb") as lines:
        for line in lines:
            entry = parsed_line(line)
            if entry is None or not line.endswith(b"\n") or not isinstance(key := entry.get("key"), str):
                continue
            if isinstance(record := entry.get("record"), dict):
                manifest.add(key, entry["row"] if final else None, record, durable=False)
            elif final:
                manifest.get(key, entry["row"])


def _paths(folder: Path) -> list[Path]:
    return sorted((folder / PARTS).glob("*.jsonl"))


def _has_ended(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - len(_END)))
        return file.read() == _END


@contextmanager
def _patient_writer(folder: Path) -> Iterator[None]:
    """Reserve the folder, and wait while another process of the job looks whether it is the last one."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(exclusive_writer(folder))
            except BlockingIOError:
                time.sleep(_WAIT_SECONDS)
            else:
                break
        yield


__all__ = ["PARTS", "Part", "Totals", "absorb", "reserved"]
