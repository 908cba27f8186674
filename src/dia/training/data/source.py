"""Recordings and their transcripts as rows: from a folder, a `datasets.Dataset` or a data set of the Hub.

Knows where recordings and transcripts lie and what they are called. Decodes nothing; knows nothing of limits, codecs
or models.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import soundfile

from dia.audio.files import as_array
from dia.text.prompt_format import Frontend
from dia.text.script import parse
from dia.training.data.lines import csv_rows, json_rows, read_text

METADATA = ("metadata.csv", "metadata.jsonl")
_HALF = re.compile("[\ud800-\udfff]")  # of a pair, which JSON can write alone
NAMED = 5  # offending files that a message names; the others are counted


class Row(NamedTuple):
    """One recording and what is said in it.

    `name` is what reports call it; `text` has its speaker tags; `audio` is anything that `DiaFeatureExtractor` reads,
    here a path or a mapping with "bytes" and "path" that reads its data set when asked; `speaker` is free text.
    """

    name: str
    text: str
    audio: Any
    speaker: str = ""


class Columns(NamedTuple):
    """What a source calls the parts of a row; `speaker` may be missing in it, `text` None asks for audio alone."""

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
    """List what a data set holds, without decoding any audio.

    Args:
        source: one of
            - a folder with metadata.csv or metadata.jsonl: `file_name`, the text and, if known, the speaker;
            - a folder of pairs, `a.wav` and `a.txt` (any suffix that soundfile reads), subfolders included;
            - a `datasets.Dataset`, a `DatasetDict`, or a folder that their `save_to_disk` wrote;
            - the id of a data set on the Hub.
        audio_column: the column of recordings, where the source is a data set.
        text_column: the column of transcripts, in metadata too. None reads recordings alone, such as a codec learns
            from: texts are empty, and a folder may hold nothing but sound files.
        speaker_column: the column of speakers, in metadata too; it may be missing.
        split: which one, where the source has several.

    Returns:
        One row per recording, in the source's order. Runs of white space in texts are single spaces.

    Raises:
        ValueError: the source is unknown, empty or incomplete; the message names what is missing.
        TypeError: it is no kind of source.
        ImportError: it needs the package `datasets`, which is not installed.
    """
    columns = Columns(audio_column, text_column, speaker_column)
    if not isinstance(source, str | Path):
        rows = _from_dataset(source, columns, split)
    elif (folder := Path(source).expanduser()).is_dir():
        rows = _from_folder(folder, columns, split)
    elif folder.exists():
        raise ValueError(f"source {source} is a file; name the folder that holds the recordings.")
    else:
        rows = _from_dataset(_from_hub(str(source), split), columns, split)
    if not rows:
        what = source if isinstance(source, str | Path) else type(source).__name__
        raise ValueError(f"source {what} holds no rows. Put recordings with transcripts there, or name another.")
    return rows


def as_spoken(rows: Sequence[Row], frontend: Frontend = "en") -> list[Row]:
    """The rows with their transcripts as a model reads scripts: `I owe $5.` is "[S1] I owe five dollars.".

    Args:
        rows: of `read_source`; what is in this form already stays.
        frontend: the `text_frontend` of the model, see `dia.text.prompt_format`.

    Raises:
        ValueError: a transcript is no script; the message names the row.
    """
    read = []
    for row in rows:
        try:
            read.append(row._replace(text=parse(row.text, frontend=frontend).spoken))
        except ValueError as error:
            raise ValueError(f"{row.name}: {error}") from error
    return read


def check_rows(rows: Sequence[Row]) -> None:
    """Refuse what is not of `read_source`. Raises TypeError."""
    for index, row in enumerate(rows):
        if not (hasattr(row, "audio") and hasattr(row, "text")):
            raise TypeError(
                f"rows[{index}] is {type(row).__name__}; expected dia.training.data.source.Row. Make rows with "
                "read_source."
            )


def fingerprint(audio: Any) -> str:
    """A hash of a recording as it is stored; the same bytes at another place have the same one.

    Raises:
        OSError: it cannot be read.
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
        raise ValueError(f"source {folder} holds both {' and '.join(METADATA)}. Delete one of them.")
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
                f"{path}, line {number}: there is no column {missing[0]!r}; there are {there}. Rename the column, or "
                f"pass text_column for the one that holds the transcripts."
            )
        file = _string(line["file_name"], path, number)
        text, speaker = (_string(line.get(column or ""), path, number) for column in (columns.text, columns.speaker))
        rows.append(Row(file, _spaced(text), path.parent / file, speaker))
    absent = [row.name for row in rows if not _is_file(row.audio)]
    if absent:
        raise ValueError(
            f"{path} names {len(absent)} of {len(rows)} files that are not there: {_some(absent)}. Paths are relative "
            f"to {path.parent}; put the files there or delete their lines."
        )
    return rows


def _string(value: Any, path: Path, number: int) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{path}, line {number}: {value!r} is {type(value).__name__}. Write it in quotes.")
    if value and _HALF.search(value):
        raise ValueError(
            f"{path}, line {number}: {value!r} holds half a character (\\ud800 to \\udfff). Write it whole."
        )
    return value or ""


def _from_pairs(folder: Path) -> list[Row]:
    files = _files(folder)
    texts = _by_stem(folder, [path for path in files if path.suffix.lower() == ".txt"], "transcripts")
    sounds = _by_stem(folder, [path for path in files if path.suffix.lower() in _sound_suffixes()], "recordings")
    halves = [path for stem, path in sounds.items() if stem not in texts]
    halves += [path for stem, path in texts.items() if stem not in sounds]
    if halves:
        names = _some([str(path.relative_to(folder)) for path in halves])
        raise ValueError(
            f"source {folder}: {len(halves)} files lack their other half: {names}. A recording a.wav needs its "
            f"transcript a.txt beside it; or list the recordings in {METADATA[0]} with the columns file_name and text."
        )
    return [
        Row(path.relative_to(folder).as_posix(), _spaced(read_text(texts[stem])), path)
        for stem, path in sounds.items()
    ]


def _by_stem(folder: Path, files: Sequence[Path], what: str) -> dict[Path, Path]:
    """Files by their path without its suffix; two that differ in nothing else are refused."""
    found: dict[Path, Path] = {}
    for path in files:
        if (other := found.setdefault(path.with_suffix(""), path)) is not path:
            names = f"{other.relative_to(folder)} and {path.relative_to(folder)}"
            raise ValueError(f"source {folder}: {names} are {what} of one name. Keep one of them, or rename one.")
    return found


def _from_sounds(folder: Path) -> list[Row]:
    sounds = [path for path in _files(folder) if path.suffix.lower() in _sound_suffixes()]
    return [Row(path.relative_to(folder).as_posix(), "", path) for path in sounds]


def _files(folder: Path) -> list[Path]:
    """All files of a folder and its subfolders, in order; what is hidden, or in a hidden folder, is not read."""
    found = []
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def _raise(error: OSError) -> None:
    raise error


def _sound_suffixes() -> set[str]:
    return {f".{kind.lower()}" for kind in soundfile.available_formats()} - {".raw"} | {".aif", ".oga", ".opus"}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as of a name that is too long
        return False


def _from_hub(name: str, split: str) -> Any:
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", name):
        raise ValueError(f"source {name}: there is no such folder. Name a folder or a data set of the Hub.")
    datasets = _datasets()
    try:
        return datasets.load_dataset(name, split=split)
    except Exception as error:
        raise ValueError(
            f"source {name!r} is no folder here, and as a data set of the Hub it cannot be read ({error}). Name "
            f"another folder, or look at the id, the split and the connection."
        ) from error


def _datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise ImportError("this source needs the package datasets. Run: pip install datasets") from error
    return datasets


def _from_dataset(source: Any, columns: Columns, split: str) -> list[Row]:
    if not type(source).__module__.startswith("datasets."):
        raise TypeError(f"source is {type(source).__name__}; give a folder, a datasets.Dataset or the id of one.")
    if isinstance(source, _datasets().DatasetDict):
        if split not in source:
            raise ValueError(f"source has no split {split!r}; there are {', '.join(source)}. Pass split.")
        source = source[split]
    if not isinstance(source, _datasets().Dataset):
        raise TypeError(f"source is {type(source).__name__}; its rows must be countable. Load it without streaming.")
    for column in (columns.audio, columns.text):
        if column is not None and column not in source.column_names:
            raise ValueError(
                f"source has no column {column!r}; there are {', '.join(source.column_names) or 'none'}. Pass "
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
                f"row {index}: column {columns.text!r} holds {text!r}, {type(text).__name__}. Make it a text, or pass "
                f"text_column for the one that holds the transcripts."
            )
        rows.append(Row(f"row {index}", _spaced(text or ""), audio, str(speaker or "")))
    return rows


def _recordings(source: Any, column: str) -> list[Any]:
    datasets, kind = _datasets(), source.features[column]
    if isinstance(kind, datasets.Value) and kind.dtype in ("string", "large_string"):
        return list(source[column])
    if isinstance(kind, datasets.Audio):
        source = source.cast_column(column, datasets.Audio(decode=False))
    elif not isinstance(kind, dict):
        raise ValueError(
            f"column {column!r} holds {kind}, no recordings. Pass audio_column for one of Audio, paths, or dicts with "
            f'"array" and "sampling_rate".'
        )
    alone = source.select_columns([column])
    return [_Entry(alone, index, column) for index in range(len(alone))]


class _Entry(Mapping[str, Any]):
    """One recording of a data set, read anew whenever it is asked for, so that a list of them takes no memory."""

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


__all__ = ["Row", "as_spoken", "check_rows", "fingerprint", "read_source"]
