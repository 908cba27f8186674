"""Read CSV whose cells hold scripts, and describe its faults. Independent of what the columns mean."""

import csv
from collections.abc import Iterable
from typing import Any

from dia.text.files.source import LARGEST_BYTES


def csv_reader(lines: Iterable[str]) -> Any:
    """A strict reader that accepts cells as long as the longest script."""
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_BYTES))  # of the process
    return csv.reader(lines, strict=True)


def csv_fault(error: csv.Error) -> str:
    """What an error of the reader says about a row, with the remedy."""
    if "field limit" in str(error):
        size = f"a cell is larger than {LARGEST_BYTES >> 20} MB, which is days of speech"
        return f"{size}. Close double quotes, or split the script into several rows."
    return f"not valid CSV ({error}). Close double quotes, and double those inside."


__all__ = ["csv_fault", "csv_reader"]
