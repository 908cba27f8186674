"""What became of a row: a line of the manifest as a plain value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Spoken:
    """What a speaker returns for a row whose files are written.

    Attributes:
        seconds: the length of the audio.
        warnings: what is doubtful about script and recording.
        faults: what is wrong with the takes; empty if they are good.
        attempts: number of passes of the model.
    """

    seconds: float
    warnings: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    attempts: int = 1


@dataclass(frozen=True)
class RowResult:
    """A row that has been spoken or has failed.

    Attributes:
        id: the id; None for a row that cannot be spoken as it is in the input.
        row: the number of such a row, from 1; None for others.
        path: the name of the audio file within the folder or the shard; empty if there is none.
        subtitles: the names of the subtitles.
        codes: the name of the file with the codes; empty if none was requested.
        shard: the name of the shard that holds the files at the end of the job; empty for a file per row.
        title: what the row is called; empty if it has no title.
        bytes: the size of the audio file.
        seconds: the length of the audio.
        seed: the seed of the row.
        text_sha256: a checksum of the script.
        settings_sha256: a checksum of seed, options and voice.
        warnings: what is doubtful about script and recording.
        faults: the checks that the speech failed, see docs/long_form.md.
        attempts: number of passes of the model, with retries.
        model: the name of the model.
        versions: of the packages that the bytes depend on.
        error: why there is no file; empty if there is one.
        made: whether it was made now, not in an earlier run.
    """

    id: str | None = None
    row: int | None = None
    path: str = ""
    subtitles: tuple[str, ...] = ()
    codes: str = ""
    shard: str = ""
    title: str = ""
    bytes: int = 0
    seconds: float = 0.0
    seed: int | None = None
    text_sha256: str = ""
    settings_sha256: str = ""
    warnings: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    attempts: int = 0
    model: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    made: bool = True

    def record(self) -> dict[str, Any]:
        """The line of the manifest, without values that say nothing."""
        values = {name: value for name, value in vars(self).items() if name != "made"}
        if self.error:
            names = ("id", "row", "seed", "text_sha256", "settings_sha256", "error")
            return {name: values[name] for name in names if values[name] not in (None, "")}
        left_out = {"row", "error", *(name for name in ("codes", "shard", "title") if not values[name])}
        spoken = {name: value for name, value in values.items() if name not in left_out}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in spoken.items()}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "RowResult":
        """The result that a line of the manifest describes.

        Raises:
            TypeError: the line has other names.
        """
        listed = ("subtitles", "warnings", "faults")
        values: dict[str, Any] = {name: tuple(value) if name in listed else value for name, value in record.items()}
        return cls(**values, made=False)


__all__ = ["RowResult", "Spoken"]
