"""Strict readers of CSV and JSON Lines files, in which each line is a row. Errors name the file and the line."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dia.runtime.files.json_lines import json_object
from dia.text.files.cells import csv_fault, csv_reader

_EXAMPLE = '{"file_name": "a.wav", "text": "[S1] Hello."}'


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark.

    Raises:
        ValueError: the file is not UTF-8.
        OSError: the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error


def lines_of(text: str) -> list[str]:
    """The lines of a text, without line feeds.

    Only a line feed ends a line. `str.splitlines` also splits at characters that may occur in a sentence, such as
    U+2028.

    >>> lines_of("one\\u2028still one\\ntwo\\n")
    ['one\\u2028still one', 'two']
    """
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file, each with its line number. The first line names the columns; empty lines are skipped.

    Raises:
        ValueError: a line is not valid CSV or has the wrong number of cells, or two columns have the same name.
    """
    header: list[str] | None = None
    for number, line in enumerate(lines_of(read_text(path)), start=1):
        if not line.strip():
            continue
        cells = _cells(line, f"{path}, line {number}")
        if header is None:
            header = cells
            if twice := sorted({name for name in header if header.count(name) > 1}):
                raise ValueError(f"{path}, line {number}: two columns are named {twice[0]!r}. Rename one of them.")
            continue
        if len(cells) != len(header):
            raise ValueError(
                f"{path}, line {number}: {len(cells)} cells, but the header has {len(header)} columns. Put texts with "
                f"commas in double quotes, and write the comma of an empty cell, too."
            )
        yield number, dict(zip(header, cells, strict=True))


def _cells(line: str, place: str) -> list[str]:
    try:
        (cells,) = csv_reader([line])
    except csv.Error as error:
        raise ValueError(f"{place}: {csv_fault(error)} A row is one line.") from error
    return list(cells)


def json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with one JSON object per line, each with its line number. Empty lines are skipped.

    Raises:
        ValueError: a line is not a JSON object, or has a key twice.
    """
    for number, line in enumerate(lines_of(read_text(path)), start=1):
        if line.strip():
            yield number, json_object(line, f"{path}, line {number}", _EXAMPLE)


__all__ = ["csv_rows", "json_rows", "lines_of", "read_text"]
