"""Read the rows of a job from a file, a folder of scripts or Python objects, one at a time.

Knows formats of files. Independent of what the columns mean: `dia.jobs.rows` checks them.
"""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

from dia.jobs.columns import COLUMNS
from dia.jobs.data_sets import is_data_set, open_data_set
from dia.runtime.files.json_lines import json_object
from dia.text.books import book
from dia.text.files.cells import csv_fault, csv_reader
from dia.text.files.source import LARGEST_BYTES, read_script
from dia.text.files.suffixes import SUFFIXES

TABLES = (".jsonl", ".csv", ".parquet")
SCRIPTS = tuple(dict.fromkeys((*SUFFIXES, *book.SUFFIXES)))
_EXAMPLE = '{"id": "hello", "text": "[S1] Hello."}'
_BATCH_ROWS = 256  # rows of a Parquet file in memory at a time
_EXTRA = "pip install 'dia-tts[train]'"

Source: TypeAlias = str | Path | Iterable[Any]
"""A path, `dataset:NAME`, or an object that can be iterated several times: a list of dicts, a `datasets.Dataset`."""


@dataclass(frozen=True)
class SourceRow:
    """A row as it was read.

    Attributes:
        number: from 1.
        place: where it is, for messages.
        content: the value of each column, or whatever an iterable yields in place of a dict; None if `error` is set.
        error: why it cannot be read; empty if it can.
        as_text: whether all values are text, as in CSV.
    """

    number: int
    place: str
    content: Any = None
    error: str = ""
    as_text: bool = False


def open_rows(source: Source) -> "Iterable[SourceRow]":
    """The rows of a source. They can be iterated several times, and are read anew each time.

    Args:
        source: a .jsonl, .csv or .parquet file; a script file, which is one row; a book, with a row for each chapter;
            a folder of scripts and books; `dataset:NAME`, or a folder written by `save_to_disk` of `datasets`; or an
            iterable of dicts that can be iterated several times.

    Raises:
        FileNotFoundError: the path does not exist.
        ImportError: pyarrow, which reads Parquet files, or `datasets` is not installed.
        TypeError: the source is neither a path nor such an iterable.
        ValueError: the format is unknown, the folder has no scripts, or the file or data set is damaged as a whole.
    """
    if not isinstance(source, str | Path):
        return _Rows(partial(_objects, _checked_iterable(source)))
    if is_data_set(source):
        return _Rows(partial(_objects, open_data_set(source, COLUMNS)))
    path = Path(source)
    if path.is_dir():
        if not _script_names(path):
            raise ValueError(f"{path} has no scripts. Known are files that end in {', '.join(SCRIPTS)}.")
        return _Rows(partial(_folder, path))
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. Pass a file with rows or a folder of scripts.")
    suffix = path.suffix.lower()
    if suffix in SCRIPTS:
        if suffix in book.SUFFIXES:
            book.read_book(path)
        return _Rows(partial(_scripts, path.parent, [path.name]))
    if suffix not in TABLES:
        raise ValueError(
            f"{path}: {suffix or 'a name without a suffix'} is not a known format. Pass a file that ends in "
            f"{', '.join((*TABLES, *SCRIPTS))}, or a folder of scripts."
        )
    if suffix == ".parquet":
        return _Rows(partial(_parquet, _checked_parquet(path)))
    if suffix == ".csv":
        _csv_header(path)
        return _Rows(partial(_csv, path))
    return _Rows(partial(_json_lines, path))


class _Rows:
    """Rows that are read anew by each iteration."""

    def __init__(self, read: Any) -> None:
        self._read = read

    def __iter__(self) -> Iterator[SourceRow]:
        return iter(self._read())


def _checked_iterable(source: Iterable[Any]) -> Iterable[Any]:
    if isinstance(source, Mapping | bytes) or not hasattr(source, "__iter__"):
        raise TypeError(f"source is {type(source).__name__}; expected a path, or a list or data set of dicts.")
    if isinstance(source, Iterator):
        raise TypeError("source can be iterated only once, but is read twice; pass a list or a data set.")
    return source


def _objects(source: Iterable[Any]) -> Iterator[SourceRow]:
    for number, content in enumerate(source, 1):
        yield SourceRow(number, f"row {number}", content)


def _json_lines(path: Path) -> Iterator[SourceRow]:
    row = 0
    with open(path, "rb") as file:
        for line_number, line in enumerate(iter(partial(_limited_line, file), b""), 1):
            place = f"{path}, line {line_number}"
            if line_number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            row += 1
            try:
                yield SourceRow(row, place, json_object(_text(line, place), place, _EXAMPLE))
            except ValueError as error:
                yield SourceRow(row, place, error=str(error))


def _limited_line(file: Any) -> bytes:
    """The next line. Of a line that is too long only the beginning, which is not valid; the rest is skipped."""
    line: bytes = file.readline(LARGEST_BYTES)
    rest = line
    while len(rest) == LARGEST_BYTES and not rest.endswith(b"\n"):
        rest = file.readline(LARGEST_BYTES)
    return line


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: not UTF-8 (byte {error.start} of the line). Save the file as UTF-8.") from None


def _csv_header(path: Path) -> list[str]:
    with open(path, encoding="utf-8-sig", errors="strict", newline="") as file:
        try:
            header: list[str] = next(csv_reader(file), [])
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: the first line is not valid CSV ({error}). Name the columns there.") from None
    if not header:
        raise ValueError(f"{path} is empty. Name the columns in the first line.")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise ValueError(f"{path}: two columns are named {twice[0]!r}. Rename one of them.")
    return header


def _csv(path: Path) -> Iterator[SourceRow]:
    """The rows up to the first that is not valid CSV.

    Quotes cannot tell where that one ends, and the lines of a script would be read as rows.
    """
    header, number = _csv_header(path), 0
    # Bytes that are not UTF-8 become surrogates, which `dia.jobs.rows` refuses row by row.
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv_reader(file)
        next(reader)
        while True:
            place = f"{path}, line {reader.line_num + 1}"
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as wrong:
                error = f"{place}: {csv_fault(wrong)} The rest of the file is not read."
                yield SourceRow(number + 1, place, error=error)
                return
            if cells:
                number += 1
                yield _csv_row(number, place, header, cells)


def _csv_row(number: int, place: str, header: list[str], cells: list[str]) -> SourceRow:
    if len(cells) != len(header):
        error = f"{place}: {len(cells)} cells, but the header has {len(header)} columns. Quote texts with commas."
        return SourceRow(number, place, error=error)
    filled = {name: cell for name, cell in zip(header, cells, strict=True) if cell != ""}
    return SourceRow(number, place, filled, as_text=True)


def _checked_parquet(path: Path) -> Path:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(f"{path}: Parquet files are read with pyarrow. Install it: {_EXTRA}") from error
    try:
        parquet.ParquetFile(path).close()
    except (arrow.ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a complete Parquet file ({error}). Write it again.") from error
    return path


def _parquet(path: Path) -> Iterator[SourceRow]:
    from pyarrow import parquet

    number = 0
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            for content in batch.to_pylist():
                number += 1
                filled = {name: value for name, value in content.items() if value is not None}
                yield SourceRow(number, f"{path}, row {number}", filled)


def _script_names(folder: Path) -> list[str]:
    """The names of the scripts and books in a folder, sorted, without its subfolders and hidden files."""
    with os.scandir(folder) as entries:
        files = (entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))
        return sorted(name for name in files if Path(name).suffix.lower() in SCRIPTS)


def _folder(folder: Path) -> Iterator[SourceRow]:
    yield from _scripts(folder, _script_names(folder))


def _scripts(folder: Path, names: Iterable[str]) -> Iterator[SourceRow]:
    """A row for each script, and for each chapter of each book."""
    numbers = count(1)
    for name in names:
        path = folder / name
        try:
            contents = _chapters(path) if path.suffix.lower() in book.SUFFIXES else [_script(path)]
        except (ValueError, OSError) as error:
            yield SourceRow(next(numbers), str(path), error=str(error))
            continue
        for number, content in enumerate(contents, 1):
            place = str(path) if len(contents) == 1 else f"{path}, chapter {number}"
            yield SourceRow(next(numbers), place, content)


def _script(path: Path) -> dict[str, str]:
    script = read_script(path)
    return {"id": path.stem, "text": script.text, "text_format": script.text_format}


def _chapters(path: Path) -> list[dict[str, str]]:
    """The rows of a book. The ids of several have numbers with three digits, so that they keep their order."""
    chapters = book.read_book(path).chapters
    ids = [f"{path.stem}-{number:03}" for number in range(1, len(chapters) + 1)] if len(chapters) > 1 else [path.stem]
    return [
        {"id": id, "text": one.text, "text_format": one.text_format} | ({"title": one.title} if one.title else {})
        for id, one in zip(ids, chapters, strict=True)
    ]


__all__ = ["SCRIPTS", "TABLES", "Source", "SourceRow", "open_rows"]
