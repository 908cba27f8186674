"""What applies to all rows of a job. Needs no model and no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dia.jobs.columns import OPTIONS
from dia.jobs.rows import check_row_options, check_voice
from dia.runtime.limits import SEED
from dia.runtime.ranges import shown
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

    Raises:
        ImportError: the format needs an extra.
        TypeError, ValueError, FileNotFoundError: a setting is invalid; the message names it.
    """

    seed: int = 0
    format: str = "wav"
    subtitles: tuple[str, ...] = ()
    voice: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        SEED.check("seed", self.seed)
        _check_format(self.format)
        for name in self.subtitles:
            if name not in SUBTITLES:
                raise ValueError(f"subtitles contains {shown(name)}; expected {' or '.join(SUBTITLES)}.")
        for name in self.options:
            if name not in OPTIONS:
                hint = did_you_mean(str(name), OPTIONS) or "."
                raise ValueError(f"the option {shown(name)} is unknown{hint} Options are {', '.join(OPTIONS)}.")
        check_row_options(self.options)
        check_voice(self.voice)

    @property
    def defaults(self) -> dict[str, Any]:
        """The values of columns that rows may replace."""
        return {**self.options, "voice": self.voice}

    def plan(self) -> dict[str, Any]:
        """What all files of a folder have in common, apart from the model. Other settings are part of each row."""
        return {"seed": self.seed, "format": self.format, "subtitles": sorted(self.subtitles)}


def _check_format(format: Any) -> None:
    from dia.audio.files import file_format

    if not isinstance(format, str):
        raise TypeError(f"format is {shown(format)}; expected a suffix such as 'wav'.")
    file_format(Path(f"row.{format}"))


__all__ = ["SUBTITLES", "BatchSettings"]
