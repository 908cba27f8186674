"""Read the stream of a data set once into a folder, which is then a source like any other. Decodes no audio.

Checks and encoding read recordings several times, and need their number, which a stream does not have. An interrupted
copy goes on with the next row.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dia.runtime.files.atomic import atomic_file
from dia.training.data.source import METADATA, speaker_name

_UNFINISHED = "rows.jsonl"
_LONGEST_SUFFIX = 6


def open_stream(source: str, split: str = "train") -> Any:
    """The stream of a data set.

    Args:
        source: the id of a data set on the Hub, or whatever else `datasets.load_dataset` reads.
        split: the split.

    Raises:
        ImportError: `datasets` is not installed.
        ValueError: it cannot be opened.
    """
    try:
        import datasets
    except ImportError as error:
        raise ImportError("streams are read with datasets. Run: pip install datasets") from error
    try:
        return datasets.load_dataset(source, split=split, streaming=True)
    except Exception as error:
        raise ValueError(
            f"source {source!r} cannot be opened as a stream ({error}). Check the path or id, and the split."
        ) from error


def copy_stream(
    stream: Any,
    folder: Path,
    audio_column: str = "audio",
    text_column: str = "text",
    speaker_column: str = "speaker",
    rows: int | None = None,
) -> Path:
    """Copy the rows of a stream into a folder of recordings with metadata, which `read_source` reads.

    A folder that an earlier call has finished is kept as it is; the stream is not read then.

    Args:
        stream: a `datasets.IterableDataset`.
        folder: created if needed.
        audio_column: the column of recordings, of the type Audio.
        text_column: the column of transcripts.
        speaker_column: the column of speakers; it may be missing.
        rows: the number of rows to copy; None for all.

    Returns:
        The folder.

    Raises:
        TypeError: `stream` is no stream.
        ValueError: it has no rows, or a column is missing or of another type; the message names it.
        OSError: the folder cannot be written; rows that are copied are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    finished, unfinished = folder / METADATA[1], folder / _UNFINISHED
    if finished.exists():
        return folder
    stream = _undecoded(stream, audio_column)
    done = _complete_lines(unfinished)
    with open(unfinished, "ab") as lines:
        for number, row in enumerate(_rest(stream, done, rows), done):
            line = {"file_name": _copied(row, audio_column, folder, number)}
            line |= {"text": _text(row, text_column, number), "speaker": speaker_name(row.get(speaker_column))}
            lines.write((json.dumps(line) + "\n").encode())
            lines.flush()
    if not unfinished.stat().st_size:
        raise ValueError("the stream has no rows. Pass another split or source.")
    os.replace(unfinished, finished)
    return folder


def _undecoded(stream: Any, column: str) -> Any:
    import datasets

    if not isinstance(stream, datasets.IterableDataset):
        raise TypeError(f"stream is {type(stream).__name__}; expected a datasets.IterableDataset.")
    kind = (stream.features or {}).get(column)
    if stream.features is not None and not isinstance(kind, datasets.Audio):
        names = ", ".join(stream.features)
        raise ValueError(f"column {column!r} is not a column of Audio; the columns are {names}. Pass audio_column.")
    return stream.cast_column(column, datasets.Audio(decode=False))


def _rest(stream: Any, done: int, rows: int | None) -> Iterator[Mapping[str, Any]]:
    if rows is not None:
        stream = stream.take(rows)
    return iter(stream.skip(done) if done else stream)


def _copied(row: Mapping[str, Any], column: str, folder: Path, number: int) -> str:
    """Write the stored bytes of a recording; returns the name of the file."""
    sound = row.get(column)
    if not isinstance(sound, Mapping) or not (sound.get("bytes") or sound.get("path")):
        raise ValueError(f"row {number}: column {column!r} contains no recording. Pass audio_column.")
    suffix = Path(str(sound.get("path") or "")).suffix
    name = f"{number:08}{suffix if suffix[1:].isalnum() and len(suffix) <= _LONGEST_SUFFIX else '.wav'}"
    with atomic_file(folder / name) as path:
        path.write_bytes(sound.get("bytes") or Path(sound["path"]).read_bytes())
    return name


def _text(row: Mapping[str, Any], column: str, number: int) -> str:
    if not isinstance(text := row.get(column), str):
        raise ValueError(f"row {number}: column {column!r} contains {text!r}, not a transcript. Pass text_column.")
    return text


def _complete_lines(path: Path) -> int:
    """The number of lines; one without an end, which a killed process has left, is removed."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    with open(path, "r+b") as file:
        file.truncate(len(whole))
    return whole.count(b"\n")


__all__ = ["copy_stream", "open_stream"]
