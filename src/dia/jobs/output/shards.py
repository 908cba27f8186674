"""Keep the files of many rows in shards, in the order of the input.

Files are written into a hidden folder first. When all rows of a shard are done, the shard is written whole, and the
files are removed. If the input has changed, rows move between shards without being made again. Of several processes,
each of which knows a part of the rows, one writes the shards at the end. Knows no format.
"""

import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from dia.jobs.output.formats import ShardFormat
from dia.runtime.files.atomic import atomic_file
from dia.version import __version__

WAITING = ".rows"
_CARD = "README.md"
_TABLES = """
CREATE TABLE files (name TEXT PRIMARY KEY, shard INT, place INT, size INT) WITHOUT ROWID;
CREATE INDEX by_shard ON files (shard, place);
CREATE TABLE rows (id TEXT PRIMARY KEY, shard INT, place INT, names TEXT, ok INT) WITHOUT ROWID;
CREATE INDEX by_place ON rows (shard, place);
"""


class ShardStore:
    """Keeps rows in shards.

    Args:
        folder: the folder of the job.
        format: how shards are written.
        rows: the number of rows of a shard.

    Raises:
        OSError: the folder cannot be read or written.
    """

    def __init__(self, folder: Path, format: ShardFormat, rows: int) -> None:
        self._folder, self._format, self._rows = folder, format, rows
        self._waiting = folder / WAITING
        self._waiting.mkdir(exist_ok=True)
        # A temporary file, so that memory is constant in the number of rows.
        self._index = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._index.executescript(_TABLES)
        self._index.execute("BEGIN")
        self._placed, self._ended = 0, False
        self._undone: Counter[int] = Counter()  # rows that are not done, by shard
        self._inexact: set[int] = set()  # shards that are damaged, or have files that count as those of another
        for number in self._numbers():
            self._read(number)

    def place(self, id: str, names: Sequence[str]) -> str:
        """The shard that will hold the row."""
        shard, place = divmod(self._placed, self._rows)
        self._index.execute("INSERT INTO rows VALUES (?, ?, ?, ?, 0)", (id, shard, place, "\n".join(names)))
        self._placed += 1
        self._undone[shard] += 1
        return self._path(shard).name

    def path(self, name: str) -> Path:
        """The file in the hidden folder."""
        return self._waiting / name

    def size(self, name: str) -> int | None:
        """The size of a file in the hidden folder or in a shard; None if it is in neither."""
        try:
            return self.path(name).stat().st_size
        except OSError:
            found = self._index.execute("SELECT size FROM files WHERE name = ?", (name,)).fetchone()
            return None if found is None else int(found[0])

    def done(self, id: str, ok: bool) -> None:
        """Write the row's shard if this was its last row."""
        (shard,) = self._index.execute("SELECT shard FROM rows WHERE id = ?", (id,)).fetchone()
        self._index.execute("UPDATE rows SET ok = ? WHERE id = ?", (ok, id))
        self._undone[shard] -= 1
        self._write_if_done(shard)

    def end(self) -> None:
        """Write the last shard, and remove what the input lacks."""
        self._ended = True
        count = -(-self._placed // self._rows)
        if count:
            self._write_if_done(count - 1)
        for number in self._numbers():
            if number >= count:
                self._path(number).unlink()
        shutil.rmtree(self._waiting)
        self._write_card()

    def close(self) -> None:
        """Release the index."""
        self._index.close()

    def _write_if_done(self, shard: int) -> None:
        closed = self._ended or self._placed >= (shard + 1) * self._rows
        if closed and not self._undone[shard]:
            del self._undone[shard]
            self._write(shard)

    def _write(self, shard: int) -> None:
        """Write a shard anew, unless it has the right files already."""
        rows = self._rows_of(shard)
        names = [name for files in rows for name in files]
        found = self._index.execute("SELECT name FROM files WHERE shard = ? ORDER BY place", (shard,))
        old = [name for (name,) in found]
        if names == old and shard not in self._inexact and not any(self.path(name).exists() for name in names):
            return
        for source in sorted({shard, *self._shards_of(names)}):
            if self._path(source).exists():
                self._take_out(source, None if source == shard else set(names))
        if rows:
            with atomic_file(self._path(shard)) as path:
                self._format.write(path, ([self.path(name) for name in files] for files in rows))
        else:
            self._path(shard).unlink(missing_ok=True)
        self._note(shard, [(name, self.path(name).stat().st_size) for name in names])
        self._inexact.discard(shard)
        for name in names:
            self.path(name).unlink()

    def _rows_of(self, shard: int) -> list[list[str]]:
        """The names of the files of each row that has them."""
        found = self._index.execute("SELECT names FROM rows WHERE shard = ? AND ok ORDER BY place", (shard,))
        return [names.split("\n") for (names,) in found]

    def _shards_of(self, names: Iterable[str]) -> set[int]:
        """The shards that hold files which are not in the hidden folder."""
        missing = (name for name in names if not self.path(name).exists())
        return {shard for name in missing if (shard := self._shard_of(name)) is not None}

    def _shard_of(self, name: str) -> int | None:
        found = self._index.execute("SELECT shard FROM files WHERE name = ?", (name,)).fetchone()
        return None if found is None else int(found[0])

    def _take_out(self, shard: int, names: set[str] | None) -> None:
        """Copy files of a shard into the hidden folder, all of them for None, but not over newer ones."""
        for member in self._format.read(self._path(shard)):
            if not _is_name(member.name):
                continue
            target = self.path(member.name)
            if (
                self._shard_of(member.name) == shard
                and (names is None or member.name in names)
                and not target.exists()
            ):
                with atomic_file(target) as path:
                    path.write_bytes(member.content)

    def _read(self, number: int) -> None:
        """Index a shard. Of a damaged one, the files that are complete count.

        Of a file in two shards, which a killed process has left while rows moved, neither counts: one may be older.
        """
        files, whole = self._format.sizes(self._path(number))
        files, whole = (
            [file for file in files if _is_name(file[0])],
            whole and all(_is_name(name) for name, _ in files),
        )
        twice = {name for name, _ in files if self._shard_of(name) not in (None, number)}
        self._note(number, files)
        self._index.executemany("DELETE FROM files WHERE name = ?", ((name,) for name in twice))
        if not whole or twice:
            self._inexact.add(number)

    def _note(self, shard: int, files: Sequence[tuple[str, int]]) -> None:
        """Take note of what a shard holds. A shard that held one of these files until now has to be written anew."""
        self._inexact |= {found for name, _ in files if (found := self._shard_of(name)) is not None and found != shard}
        self._index.execute("DELETE FROM files WHERE shard = ?", (shard,))
        rows = [(name, shard, place, size) for place, (name, size) in enumerate(files)]
        self._index.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)

    def _numbers(self) -> list[int]:
        """The numbers of the shards that are there."""
        pattern = re.compile(rf"shard-(\d{{6,}})\.{self._format.suffix}")
        found = (pattern.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def _path(self, shard: int) -> Path:
        return self._folder / f"shard-{shard:06}.{self._format.suffix}"

    def _write_card(self) -> None:
        """Write the card by which `datasets` tells the shards from the manifest."""
        text = f"---\n{self._format.card()}---\n\nSynthetic speech generated by Dia (dia-tts {__version__}).\n"
        path = self._folder / _CARD
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            with atomic_file(path) as partial:
                partial.write_text(text, encoding="utf-8")


class ShareStore(ShardStore):
    """Keeps the rows of one of several processes in the hidden folder, for the `ShardStore` of the last one."""

    def place(self, id: str, names: Sequence[str]) -> str:
        """The shard that holds the row, or the hidden folder."""
        shard = self._shard_of(names[0])
        return WAITING if shard is None else self._path(shard).name

    def done(self, id: str, ok: bool) -> None:
        """Nothing is written: other rows of the shard may be those of other processes."""

    def end(self) -> None:
        """Nothing is written, for the same reason."""


def _is_name(name: str) -> bool:
    """Whether a name from a shard is that of a file, and no path that leads elsewhere."""
    return Path(name).name == name and "\\" not in name


__all__ = ["WAITING", "ShardStore", "ShareStore"]
