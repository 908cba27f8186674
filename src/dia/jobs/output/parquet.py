"""Shards as Parquet files with an `Audio` column, which `datasets.load_dataset` reads back."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from dia.jobs.output.formats import CODES, METADATA, Member, codes_bytes, metadata_bytes, read_codes

_ROWS = 16  # in memory at a time, and of a row group
_SUBTITLES = ("srt", "vtt")
_EXTRA = "pip install 'dia-tts[train]'"


class ParquetFormat:
    """Writes Parquet files.

    Args:
        audio: the suffix of audio files.
        subtitles: the suffixes of subtitles.
        codes: whether rows have codes.

    Raises:
        ImportError: `datasets` is not installed.
    """

    suffix = "parquet"

    def __init__(self, audio: str, subtitles: Sequence[str] = (), codes: bool = False) -> None:
        try:
            import datasets
        except ImportError as error:
            raise ImportError(f"data sets are written with datasets. Install it: {_EXTRA}") from error
        self._audio, self._subtitles, self._codes = audio, tuple(subtitles), codes
        self._others = (*self._subtitles, *((CODES,) if codes else ()), METADATA)
        texts = ("id", "text", "title", "model", *self._subtitles)
        features = {"audio": datasets.Audio(), **{name: datasets.Value("string") for name in texts}}
        features |= {"seconds": datasets.Value("float64"), "seed": datasets.Value("int64")}
        features |= {name: datasets.List(datasets.Value("string")) for name in ("warnings", "faults")}
        features |= {name: datasets.Value("int64") for name in ("attempts", "bytes")}
        if codes:
            features["codes"] = datasets.List(datasets.List(datasets.Value("uint16")))
            features["frames"] = datasets.List(datasets.Value("int64"))
        self._schema = datasets.Features(features).arrow_schema

    def write(self, path: Path, rows: Iterable[Sequence[Path]]) -> None:
        """Write a shard, see `ShardFormat`."""
        import pyarrow
        from pyarrow import parquet

        waiting = iter(rows)
        with parquet.ParquetWriter(path, self._schema) as writer:
            while group := [self._row(files) for files in islice(waiting, _ROWS)]:
                writer.write_table(pyarrow.Table.from_pylist(group, self._schema))

    def sizes(self, path: Path) -> tuple[list[tuple[str, int]], bool]:
        """The files of a shard; none of one that is cut, because its index is at its end."""
        import pyarrow
        from pyarrow import parquet

        found = list[tuple[str, int]]()
        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(columns=["id", "audio.path", "bytes"]):
                    for row in batch.to_pylist():
                        found += self._sizes(row)
        except (pyarrow.ArrowException, OSError):
            return [], False
        return found, True

    def read(self, path: Path) -> Iterator[Member]:
        """The files of a shard, see `ShardFormat`."""
        import pyarrow
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_ROWS):
                    for row in batch.to_pylist():
                        yield from self._members(row)
        except (pyarrow.ArrowException, OSError):
            return

    def card(self) -> str:
        """The pattern of the shards."""
        return 'configs:\n- config_name: default\n  data_files: "shard-*.parquet"\n'

    def _row(self, files: Sequence[Path]) -> dict[str, Any]:
        contents = {file.suffix[1:]: file for file in files}
        audio = contents[self._audio]
        row: dict[str, Any] = json.loads(contents[METADATA].read_bytes())
        row["audio"] = {"bytes": audio.read_bytes(), "path": audio.name}
        row |= {name: contents[name].read_text(encoding="utf-8") for name in self._subtitles}
        if self._codes:
            row |= {name: array.tolist() for name, array in read_codes(contents[CODES].read_bytes()).items()}
        return row

    def _sizes(self, row: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
        yield row["audio"]["path"], row["bytes"]
        yield from ((f"{row['id']}.{suffix}", 0) for suffix in self._others)

    def _members(self, row: Mapping[str, Any]) -> Iterator[Member]:
        """The files from which a row was written."""
        own = {"audio", "codes", "frames", *_SUBTITLES}
        yield Member(row["audio"]["path"], row["audio"]["bytes"])
        for name in self._subtitles:
            yield Member(f"{row['id']}.{name}", row[name].encode())
        if self._codes:
            yield Member(f"{row['id']}.{CODES}", codes_bytes(row["codes"], row["frames"]))
        yield Member(f"{row['id']}.{METADATA}", metadata_bytes({k: v for k, v in row.items() if k not in own}))


__all__ = ["ParquetFormat"]
