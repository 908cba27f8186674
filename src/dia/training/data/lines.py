"""Files of lines, read strictly: a line is a row, and what is wrong with one is named with its file and number.

Knows text, JSON and CSV. Knows nothing of what the rows mean.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_EXAMPLE = '{"file_name": "a.wav", "text": "[S1] Hello."}'


def read_text(path: Path) -> str:
    """A file of UTF-8, with or without a byte order mark.

    Raises:
        ValueError: it is not UTF-8.
        OSError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error


def lines_of(text: str) -> list[str]:
    """The lines of a text, without their ends. Only a line feed ends one: `str.splitlines` also cuts at characters
    that may stand within a sentence, such as U+2028.

    >>> lines_of("one\\u2028still one\\ntwo\\n")
    ['one\\u2028still one', 'two']
    """
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file whose first line names the columns, each with the number of its line; empty lines count
    for nothing.

    Raises:
        ValueError: a line is no row of as many cells as there are columns, or two columns have one name.
    """
    header: list[str] | None = None
    for number, line in enumerate(lines_of(read_text(path)), start=1):
        if not line.strip():
            continue
        cells = _cells(line, f"{path}, line {number}")
        if header is None:
            header = cells
            if twice := sorted({name for name in header if header.count(name) > 1}):
                raise ValueError(f"{path}, line {number}: there are two columns {twice[0]!r}. Rename one of them.")
            continue
        if len(cells) != len(header):
            raise ValueError(
                f"{path}, line {number}: {len(cells)} cells, and the header has {len(header)} columns. Put texts that "
                f"hold commas in double quotes; where a cell is empty, write its comma nevertheless."
            )
        yield number, dict(zip(header, cells, strict=True))


def _cells(line: str, place: str) -> list[str]:
    try:
        (cells,) = csv.reader([line], strict=True)
    except csv.Error as error:
        raise ValueError(
            f"{place}: this is no row of CSV ({error}). A row is one line; a cell in double quotes ends with one, and "
            f"quotes within it are doubled."
        ) from error
    return cells


def json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with one JSON object on each line, each with the number of its line; empty lines count for
    nothing.

    Raises:
        ValueError: a line is no object, or has a key twice.
    """
    for number, line in enumerate(lines_of(read_text(path)), start=1):
        if line.strip():
            yield number, _object(line, f"{path}, line {number}")


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        content = json.loads(line, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:  # a number of a thousand digits is a plain ValueError
        reason = getattr(error, "msg", error)
        raise ValueError(f"{place}: no JSON ({reason}). Write one object per line, such as {_EXAMPLE}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{place}: expected an object in braces, not {type(content).__name__}.")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return content


__all__ = ["csv_rows", "json_rows", "lines_of", "read_text"]
