"""Open a data set of the `datasets` package by name or from a saved folder. The only file that imports it for rows."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PREFIX = "dataset:"
_MARKS = ("dataset_info.json", "dataset_dict.json", "state.json")
_EXTRA = "pip install 'dia-tts[train]'"


def is_data_set(path: str | Path) -> bool:
    """Whether a path names a data set: it begins with `dataset:`, or is a folder written by `save_to_disk`."""
    if str(path).startswith(PREFIX):
        return True
    return Path(path).is_dir() and any((Path(path) / name).is_file() for name in _MARKS)


def open_data_set(given: str | Path, columns: Iterable[str]) -> Iterable[Any]:
    """A data set that yields dicts with the known columns, as a stream.

    Args:
        given: a folder written by `save_to_disk`, or `dataset:NAME`, where NAME is whatever `load_dataset` accepts;
            either may be followed by `:SPLIT`.
        columns: the columns to read. Others are left out, so that sound and pictures are not decoded.

    Raises:
        ImportError: `datasets` is not installed.
        ValueError: it cannot be loaded, has several splits and none is named, or has no column `id`.
    """
    try:
        import datasets
    except ImportError as error:
        raise ImportError(f"{given}: data sets are read with datasets. Install it: {_EXTRA}") from error
    name, split = _parted(str(given))
    try:
        found = _opened(datasets, name)
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        raise ValueError(f"the data set {name} cannot be loaded: {error}") from error
    rows = _one_split(found, name, split)
    names = rows.column_names or list(next(iter(rows), {}))  # a stream of CSV or JSON lines knows them from its rows
    known = [column for column in names if column in set(columns)]
    if "id" not in known:
        raise ValueError(f"the data set {name} has no column id; it has {', '.join(names)}. Add one.")
    return _Filled(rows.select_columns(known))


def _parted(given: str) -> tuple[str, str]:
    """The name, and the split; empty if none is given."""
    name = given.removeprefix(PREFIX)
    if Path(name).exists():
        return name, ""
    before, _, split = name.rpartition(":")
    return (before, split) if before else (name, "")


def _opened(datasets: Any, name: str) -> Any:
    if is_data_set(Path(name)):
        return datasets.load_from_disk(name)
    return datasets.load_dataset(name, streaming=True)


def _one_split(found: Any, name: str, split: str) -> Any:
    if not isinstance(found, dict):
        if split:
            raise ValueError(f"the data set {name} has no splits. Omit {split!r}.")
        return found
    if not split and len(found) == 1:
        return next(iter(found.values()))
    if split not in found:
        fault = f"has no split {split!r}; it has" if split else "has several splits:"
        raise ValueError(
            f"the data set {name} {fault} {', '.join(found)}. Name one as {PREFIX}{name}:{next(iter(found))}"
        )
    return found[split]


class _Filled:
    """Rows without the columns that they leave empty: a table has every column in every row."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        for row in self._rows:
            yield {name: value for name, value in row.items() if value is not None}


__all__ = ["PREFIX", "is_data_set", "open_data_set"]
