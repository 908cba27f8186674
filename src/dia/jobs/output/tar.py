"""Shards in the layout of WebDataset: tar files in which the files of a row have one name and several suffixes."""

import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dia.jobs.output.formats import Member

_MODE = 0o644


class TarFormat:
    """Writes tar files without times, owners and other values that differ between runs."""

    suffix = "tar"

    def write(self, path: Path, rows: Iterable[Sequence[Path]]) -> None:
        """Write a shard, see `ShardFormat`."""
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as shard:
            for files in rows:
                for file in files:
                    with open(file, "rb") as content:
                        shard.addfile(_entry(file.name, os.fstat(content.fileno()).st_size), content)

    def sizes(self, path: Path) -> tuple[list[tuple[str, int]], bool]:
        """The files of a shard that are complete, and whether it is."""
        found, length = list[tuple[str, int]](), path.stat().st_size
        whole = length % tarfile.RECORDSIZE == 0
        try:
            with tarfile.open(path, "r:") as shard:
                for entry in shard:
                    if entry.offset_data + entry.size > length:
                        return found, False
                    found.append((entry.name, entry.size))
        except (tarfile.TarError, EOFError):
            whole = False
        return found, whole

    def read(self, path: Path) -> Iterator[Member]:
        """The files of a shard, see `ShardFormat`."""
        try:
            with tarfile.open(path, "r:") as shard:
                for entry in shard:
                    content = shard.extractfile(entry)
                    if content is not None:
                        yield Member(entry.name, content.read())
        except (tarfile.TarError, EOFError):
            return

    def card(self) -> str:
        """The pattern of the shards."""
        return 'configs:\n- config_name: default\n  data_files: "shard-*.tar"\n'


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, _MODE
    return entry


__all__ = ["TarFormat"]
