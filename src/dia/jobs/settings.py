"""What applies to all rows of a job. Needs no model and no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dia.jobs.columns import OPTIONS
from dia.jobs.output.formats import ShardFormat
from dia.jobs.output.layouts import LAYOUTS, shard_format
from dia.jobs.rows import check_voice, checked_row_options
from dia.runtime.limits import SEED, SHARD_ROWS
from dia.runtime.ranges import check_fields, shown
from dia.runtime.spelling import did_you_mean

SUBTITLES = ("srt", "vtt")


@dataclass(frozen=True)
class BatchSettings:
    """The settings of a job. Those in `voice` and `options` apply to rows without a value of their own.

    Args:
        seed: the seed from which the seeds of rows are derived.
        format: the format of the audio files, by its suffix: "wav", "flac", "mp3", ….
        subtitles: the formats of subtitles to write beside them: "srt", "vtt".
        voice: a name, a path, or a dict of these by speaker.
        options: options of `Dia.generate`, and `retries`, `best_of` and `long_form`.
        layout: "files" for a file per row, "webdataset" for tar files with many rows each, or "dataset" for Parquet
            files that `datasets.load_dataset` reads.
        shard_rows: number of rows of a tar or Parquet file.
        codes: also keep the codes of each row, as an .npz file or a column.
        watermark: put an inaudible watermark into the sound of each file, see docs/provenance.md.

    Raises:
        ImportError: the format or layout needs an extra.
        TypeError, ValueError, FileNotFoundError: a setting is invalid; the message names it.
    """

    seed: int = 0
    format: str = "wav"
    subtitles: tuple[str, ...] = ()
    voice: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    layout: str = "files"
    shard_rows: int = 1000
    codes: bool = False
    watermark: bool = False

    def __post_init__(self) -> None:
        check_fields({"seed": SEED, "shard_rows": SHARD_ROWS}, self)
        _check_format(self.format)
        for name in self.subtitles:
            if name not in SUBTITLES:
                raise ValueError(f"subtitles contains {shown(name)}; expected {' or '.join(SUBTITLES)}.")
        self._check_layout()
        for name in self.options:
            if name not in OPTIONS:
                hint = did_you_mean(str(name), OPTIONS) or "."
                raise ValueError(f"the option {shown(name)} is unknown{hint} Options are {', '.join(OPTIONS)}.")
        if not isinstance(self.watermark, bool):
            raise TypeError(f"watermark is {shown(self.watermark)}; expected True or False.")
        object.__setattr__(self, "options", checked_row_options(self.options))
        check_voice(self.voice)

    def _check_layout(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout is {shown(self.layout)}; expected {', '.join(LAYOUTS[:-1])} or {LAYOUTS[-1]}.")
        if not isinstance(self.codes, bool):
            raise TypeError(f"codes is {shown(self.codes)}; expected true or false.")
        self.shard_format()

    def shard_format(self) -> ShardFormat | None:
        """How shards are written; None for a file per row."""
        return shard_format(self.layout, self.format, self.subtitles, self.codes)

    @property
    def defaults(self) -> dict[str, Any]:
        """The values of columns that rows may replace."""
        return {**self.options, "voice": self.voice}

    def plan(self) -> dict[str, Any]:
        """What all files of a folder have in common, apart from the model. Other settings are part of each row."""
        plan: dict[str, Any] = {"seed": self.seed, "format": self.format, "subtitles": sorted(self.subtitles)}
        if self.layout != "files":
            plan |= {"layout": self.layout, "shard_rows": self.shard_rows}
        return plan | {name: True for name in ("codes", "watermark") if getattr(self, name)}


def _check_format(format: Any) -> None:
    from dia.audio.files import file_format

    if not isinstance(format, str):
        raise TypeError(f"format is {shown(format)}; expected a suffix such as 'wav'.")
    file_format(Path(f"row.{format}"))


__all__ = ["SUBTITLES", "BatchSettings"]
