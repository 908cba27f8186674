"""The layouts of a job's folder by name."""

from collections.abc import Sequence
from pathlib import Path

from dia.jobs.output.formats import ShardFormat
from dia.jobs.output.shards import WAITING, ShardStore, ShareStore
from dia.jobs.output.store import FileStore, RowStore

LAYOUTS = ("files", "webdataset", "dataset")


def shard_format(layout: str, audio: str, subtitles: Sequence[str], codes: bool) -> ShardFormat | None:
    """How the shards of a layout are written; None for one without shards.

    Args:
        layout: one of `LAYOUTS`.
        audio: the suffix of audio files.
        subtitles: the suffixes of subtitles.
        codes: whether rows have codes.

    Raises:
        ImportError: `datasets` is not installed, which the layout "dataset" needs.
    """
    if layout == "webdataset":
        from dia.jobs.output.tar import TarFormat

        return TarFormat()
    if layout == "dataset":
        from dia.jobs.output.parquet import ParquetFormat

        return ParquetFormat(audio, subtitles, codes)
    return None


def open_store(folder: Path, format: ShardFormat | None, rows: int, share: bool = False) -> RowStore:
    """The store of a job's folder, with shards of so many rows if there is a format of shards.

    Args:
        folder: of the job.
        format: how shards are written; None for a file per row.
        rows: the number of rows of a shard.
        share: for one of several processes, none of which sees all rows.

    Raises:
        OSError: the folder cannot be read or written.
    """
    if format is None:
        return FileStore(folder)
    return (ShareStore if share else ShardStore)(folder, format, rows)


def rows_folder(folder: Path, layout: str) -> Path:
    """Where the files of new rows are written in a job's folder."""
    return folder if layout == "files" else folder / WAITING


def check_id(layout: str, id: str) -> None:
    """Check that a layout can hold a row with this id.

    Raises:
        ValueError: it cannot; the message says why.
    """
    if layout == "webdataset" and "." in id:
        raise ValueError(f"the id {id!r} contains a dot, where readers of WebDataset end it. Replace the dot.")


__all__ = ["LAYOUTS", "check_id", "open_store", "rows_folder", "shard_format"]
