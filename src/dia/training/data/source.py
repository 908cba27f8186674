"""Read recordings and transcripts as rows, from a folder, a `datasets.Dataset` or the Hub. Decodes no audio."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import soundfile

from dia.audio.formats.containers import SUFFIXES
from dia.audio.waveform import as_array
from dia.text.prompt_format import Frontend
from dia.text.script import parse
from dia.training.data.lines import csv_rows, json_rows, read_text

METADATA = ("metadata.csv", "metadata.jsonl")
_SURROGATE = re.compile("[\ud800-\udfff]")  # half of a character, which JSON escapes can contain
NAMED = 5  # files that an error message names; the others are counted


class Row(NamedTuple):
    """One recording and its transcript.

    Attributes:
        name: the name in reports and messages.
        text: the transcript, with speaker tags.
        audio: anything that `DiaFeatureExtractor` reads. `read_source` gives a path, or a mapping with "bytes" and
            "path" that reads the data set on access.
        speaker: any name of the speaker; may be empty.
    """

    name: str
    text: str
    audio: Any
    speaker: str = ""


class Columns(NamedTuple):
    """The names of a source's columns. `speaker` may be missing in the source; `text` None reads audio alone."""

    audio: str
    text: str | None
    speaker: str


def read_source(
    source: Any,
    *,
    audio_column: str = "audio",
    text_column: str | None = "text",
    speaker_column: str = "speaker",
    split: str = "train",
) -> list[Row]:
    """List the recordings and transcripts of a data set, without decoding any audio.

    Args:
        source: one of
            - a folder with metadata.csv or metadata.jsonl: `file_name`, the text and, optionally, the speaker;
            - a folder with pairs of files, `a.wav` and `a.txt` (or another suffix of recordings), also in
              subfolders;
            - a `datasets.Dataset`, a `DatasetDict`, or a folder that their `save_to_disk` wrote;
            - the id of a data set on the Hub.
        audio_column: the column of recordings in a data set.
        text_column: the column of transcripts in a data set or metadata file. None reads only recordings, for training
            a codec: texts are empty, and a folder needs nothing but audio files.
        speaker_column: the column of speakers in a data set or metadata file; it may be missing.
        split: the split of a data set that has several.

    Returns:
        One row per recording, in the source's order. Runs of white space in texts are replaced by single spaces.

    Raises:
        ValueError: the source is unknown, empty or incomplete; the message says what is missing.
        TypeError: `source` is of none of these types.
        ImportError: the source needs the package `datasets`, which is not installed.
    """
    columns = Columns(audio_column, text_column, speaker_column)
    if not isinstance(source, str | Path):
        rows = _from_dataset(source, columns, split)
    elif (folder := Path(source).expanduser()).is_dir():
        rows = _from_folder(folder, columns, split)
    elif folder.exists():
        raise ValueError(f"source {source} is a file; pass the folder that contains the recordings.")
    else:
        rows = _from_dataset(_from_hub(str(source), split), columns, split)
    if not rows:
        what = source if isinstance(source, str | Path) else type(source).__name__
        raise ValueError(f"source {what} contains no rows. Add recordings with transcripts, or pass another source.")
    return rows


def as_spoken(rows: Sequence[Row], frontend: Frontend = "en") -> list[Row]:
    """Normalize transcripts as scripts are: `I owe $5.` becomes "[S1] I owe five dollars.".

    Args:
        rows: of `read_source`. Normalized transcripts do not change.
        frontend: the `text_frontend` of the model, see `dia.text.prompt_format`.

    Raises:
        ValueError: a transcript is not a valid script; the message names the row.
    """
    read = []
    for row in rows:
        try:
            read.append(row._replace(text=parse(row.text, frontend=frontend).spoken))
        except ValueError as error:
            raise ValueError(f"{row.name}: {error}") from error
    return read


def check_rows(rows: Sequence[Row]) -> None:
    """Check the type of the rows. Raises TypeError for anything but `Row` objects."""
    for index, row in enumerate(rows):
        if not (hasattr(row, "audio") and hasattr(row, "text")):
            raise TypeError(
                f"rows[{index}] is {type(row).__name__}; expected dia.training.data.source.Row. Use "
                "read_source to make rows."
            )


def speaker_name(speaker: Any) -> str:
    """The name of a data set's speaker, which may be a number; empty for None."""
    return "" if speaker is None else str(speaker)


def fingerprint(audio: Any) -> str:
    """A hash of a recording's stored bytes, independent of its path.

    Raises:
        OSError: the recording cannot be read.
    """
    digest = hashlib.blake2b(digest_size=8)
    if isinstance(audio, str | Path):
        digest.update(Path(audio).read_bytes())
    elif isinstance(audio, Mapping) and audio.get("array") is None:
        digest.update(audio.get("bytes") or Path(audio["path"]).read_bytes())
    else:
        rate = None if hasattr(audio, "__array__") or isinstance(audio, list | tuple) else audio["sampling_rate"]
        array = as_array(audio if rate is None else audio["array"])
        digest.update(f"{array.dtype} {array.shape} {rate}".encode() + array.tobytes())
    return digest.hexdigest()


def _from_folder(folder: Path, columns: Columns, split: str) -> list[Row]:
    if any((folder / name).is_file() for name in ("dataset_info.json", "dataset_dict.json")):
        return _from_dataset(_datasets().load_from_disk(str(folder)), columns, split)
    found = [folder / name for name in METADATA if (folder / name).is_file()]
    if len(found) > 1:
        raise ValueError(f"source {folder} contains both {' and '.join(METADATA)}. Delete one of them.")
    if found:
        return _from_metadata(found[0], columns)
    return _from_pairs(folder) if columns.text is not None else _from_sounds(folder)


def _from_metadata(path: Path, columns: Columns) -> list[Row]:
    rows = []
    for number, line in csv_rows(path) if path.suffix == ".csv" else json_rows(path):
        missing = [column for column in ("file_name", columns.text) if column is not None and column not in line]
        if missing:
            there = ", ".join(map(str, line)) or "nothing"
            raise ValueError(
                f"{path}, line {number}: column {missing[0]!r} is missing; the columns are {there}. Rename the "
                f"column, or pass the name of the column of transcripts as text_column."
            )
        file = _string(line["file_name"], path, number)
        text, speaker = (_string(line.get(column or ""), path, number) for column in (columns.text, columns.speaker))
        rows.append(Row(file, _spaced(text), path.parent / file, speaker))
    absent = [row.name for row in rows if not _is_file(row.audio)]
    if absent:
        raise ValueError(
            f"{path}: {len(absent)} of {len(rows)} files do not exist: {_some(absent)}. Paths are relative to "
            f"{path.parent}. Add the files, or delete their lines."
        )
    return rows


def _string(value: Any, path: Path, number: int) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(
            f"{path}, line {number}: {value!r} is {type(value).__name__}, not a string. Put it in quotes."
        )
    if value and _SURROGATE.search(value):
        raise ValueError(
            f"{path}, line {number}: {value!r} contains a lone surrogate (\\ud800 to \\udfff), which is not a "
            "character. Replace it."
        )
    return value or ""


def _from_pairs(folder: Path) -> list[Row]:
    files = _files(folder)
    texts = _by_stem(folder, [path for path in files if path.suffix.lower() == ".txt"], "transcripts")
    sounds = _by_stem(folder, [path for path in files if path.suffix.lower() in _sound_suffixes()], "recordings")
    unpaired = [path for stem, path in sounds.items() if stem not in texts]
    unpaired += [path for stem, path in texts.items() if stem not in sounds]
    if unpaired:
        names = _some([str(path.relative_to(folder)) for path in unpaired])
        raise ValueError(
            f"source {folder}: {len(unpaired)} files have no counterpart: {names}. A recording a.wav needs a "
            f"transcript a.txt in the same folder; or list the recordings in {METADATA[0]} with the columns file_name "
            f"and text."
        )
    return [
        Row(path.relative_to(folder).as_posix(), _spaced(read_text(texts[stem])), path)
        for stem, path in sounds.items()
    ]


def _by_stem(folder: Path, files: Sequence[Path], what: str) -> dict[Path, Path]:
    """Files by path without suffix. Raises ValueError for two files that differ only in their suffix."""
    found: dict[Path, Path] = {}
    for path in files:
        if (other := found.setdefault(path.with_suffix(""), path)) is not path:
            names = f"{other.relative_to(folder)} and {path.relative_to(folder)}"
            raise ValueError(f"source {folder}: {names} are {what} with the same name. Delete or rename one of them.")
    return found


def _from_sounds(folder: Path) -> list[Row]:
    sounds = [path for path in _files(folder) if path.suffix.lower() in _sound_suffixes()]
    return [Row(path.relative_to(folder).as_posix(), "", path) for path in sounds]


def _files(folder: Path) -> list[Path]:
    """All files of a folder and its subfolders, sorted, without hidden files and folders.

    Links to folders are followed after the folders themselves, so that each folder is read once, under its own path if
    it has one in `folder`.
    """
    found, read, starts = [], set(), [folder]
    for start in starts:
        for place, folders, names in os.walk(start, onerror=_raise):
            real = Path(place).resolve()
            folders[:] = [name for name in folders if not name.startswith(".") and real not in read]
            starts += [Path(place, name) for name in sorted(folders) if _leads_elsewhere(Path(place, name))]
            found += [Path(place, name) for name in names if not name.startswith(".") and real not in read]
            read.add(real)
    return sorted(path for path in found if path.is_file())


def _leads_elsewhere(path: Path) -> bool:
    """Whether a path is a link, and not to a folder around it, where it would repeat."""
    return path.is_symlink() and not path.parent.resolve().is_relative_to(path.resolve())


def _raise(error: OSError) -> None:
    raise error


def _sound_suffixes() -> set[str]:
    read = {*soundfile.available_formats(), "aif", "oga", "opus", *SUFFIXES} - {"RAW"}
    return {f".{kind.lower()}" for kind in read}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _from_hub(name: str, split: str) -> Any:
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", name):
        raise ValueError(f"source {name}: no such folder. Pass a folder, or the id of a data set on the Hub.")
    datasets = _datasets()
    try:
        return datasets.load_dataset(name, split=split)
    except Exception as error:
        raise ValueError(
            f"source {name!r} is not a folder, and cannot be loaded from the Hub ({error}). Check the path, or the "
            f"id, the split and the connection."
        ) from error


def _datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise ImportError("this source needs the package datasets. Run: pip install datasets") from error
    return datasets


def _from_dataset(source: Any, columns: Columns, split: str) -> list[Row]:
    if not type(source).__module__.startswith("datasets."):
        raise TypeError(
            f"source is {type(source).__name__}; pass a folder, a datasets.Dataset or the id of a data set."
        )
    if isinstance(source, _datasets().DatasetDict):
        if split not in source:
            raise ValueError(
                f"source has no split {split!r}; the splits are {', '.join(source)}. Pass one of them as split."
            )
        source = source[split]
    if not isinstance(source, _datasets().Dataset):
        raise TypeError(f"source is {type(source).__name__}, whose rows cannot be counted. Load it without streaming.")
    for column in (columns.audio, columns.text):
        if column is not None and column not in source.column_names:
            raise ValueError(
                f"source has no column {column!r}; the columns are {', '.join(source.column_names) or 'none'}. Pass "
                f"audio_column and text_column."
            )
    source = source.with_format(None)
    count, recordings = len(source), _recordings(source, columns.audio)
    speakers = source[columns.speaker] if columns.speaker in source.column_names else [""] * count
    texts = source[columns.text] if columns.text is not None else [""] * count
    rows = []
    for index, (text, audio, speaker) in enumerate(zip(texts, recordings, speakers, strict=True)):
        if text is not None and not isinstance(text, str):
            raise ValueError(
                f"row {index}: column {columns.text!r} contains {text!r}, {type(text).__name__}, not a string. Pass "
                f"the name of the column of transcripts as text_column."
            )
        rows.append(Row(f"row {index}", _spaced(text or ""), audio, speaker_name(speaker)))
    return rows


def _recordings(source: Any, column: str) -> list[Any]:
    datasets, kind = _datasets(), source.features[column]
    if isinstance(kind, datasets.Value) and kind.dtype in ("string", "large_string"):
        return list(source[column])
    if isinstance(kind, datasets.Audio):
        source = source.cast_column(column, datasets.Audio(decode=False))
    elif not isinstance(kind, dict):
        raise ValueError(
            f"column {column!r} contains {kind}, not recordings. Pass as audio_column a column of Audio, of paths, or "
            "of "
            f'dicts with "array" and "sampling_rate".'
        )
    alone = source.select_columns([column])
    return [_Entry(alone, index, column) for index in range(len(alone))]


class _Entry(Mapping[str, Any]):
    """One recording of a data set, read on each access, so that a list of them takes little memory."""

    def __init__(self, dataset: Any, index: int, column: str) -> None:
        self._dataset, self._index, self._column = dataset, index, column

    def __getitem__(self, key: str) -> Any:
        return self._content()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content())

    def __len__(self) -> int:
        return len(self._content())

    def _content(self) -> Mapping[str, Any]:
        return self._dataset[self._index][self._column] or {}


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


__all__ = ["Row", "as_spoken", "check_rows", "fingerprint", "read_source", "speaker_name"]
