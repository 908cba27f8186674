"""The interface of stores, and the one that keeps the files of each row on their own in the job's folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class RowStore(Protocol):
    """Keeps the files of rows. Its methods are called by one thread, except for `path`."""

    def place(self, id: str, names: Sequence[str]) -> str:
        """Take note of the next row of the input and its files; return the shard that will hold them, "" for none."""

    def path(self, name: str) -> Path:
        """Where to write a file."""

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; None if it is missing."""

    def done(self, id: str, ok: bool) -> None:
        """Take note that the files of a row are there, or that it has failed.

        Raises:
            OSError: the folder cannot be written.
        """

    def end(self) -> None:
        """Finish, after the last row of the input is done.

        Raises:
            OSError: the folder cannot be written.
        """

    def close(self) -> None:
        """Release what is held; also when the job has been stopped."""


class FileStore:
    """Keeps each file in the folder, under its own name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, id: str, names: Sequence[str]) -> str:
        """No row is in a shard."""
        return ""

    def path(self, name: str) -> Path:
        """The file in the folder."""
        return self._folder / name

    def size(self, name: str) -> int | None:
        """The size of the file; None if it is missing."""
        try:
            return self.path(name).stat().st_size
        except OSError:
            return None

    def done(self, id: str, ok: bool) -> None:
        """Nothing remains to be done."""

    def end(self) -> None:
        """Nothing remains to be done."""

    def close(self) -> None:
        """Nothing is held."""


__all__ = ["FileStore", "RowStore"]
