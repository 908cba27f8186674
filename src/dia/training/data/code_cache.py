"""Codes on disk: the shards they stand in, the codec they belong to, and their reader.

Knows files only: it encodes nothing, and knows nothing of audio or of what texts mean.

A shard is `codes-00007-0.npy`, the codes of some clips one after another, and `codes-00007-0.jsonl`, a line for each
clip; the last number tells at which of several frame shifts. The lines are written last, so a shard is there whole or
not at all. `codec.json` says whose codes they are.
"""

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import DacModel

from dia.codec.identity import CodecRecord
from dia.processing_dia import DiaProcessor
from dia.runtime.atomic import atomic_file, sweep
from dia.text.prompt_format import Frontend
from dia.training.data.lines import lines_of

Codes = NDArray[np.uint16]
Line = dict[str, Any]

RECORD = "codec.json"
RECORDING = "recording"  # the kind of clips that rows of a data set became


@dataclass(frozen=True)
class CodedClip:
    """One utterance: `codes` uint16 [T, C]; `seconds` is the length of the recording, quiet edges included.

    `kind` names what spoke it or made its text up; `name` is the row's, empty where the clip was synthesised.
    `frontend` is the `text_frontend` that its transcript was read with, empty where the text stands as it was written.
    """

    codes: Codes
    text: str
    speaker: str
    split: str
    kind: str
    seconds: float
    name: str = ""
    frontend: str = ""


class CodeCache:
    """Everything that has been encoded into `folder` so far, in memory (about 1 kB a clip).

    >>> clip = CodeCache(folder)[0]  # doctest: +SKIP
    >>> clip.codes.shape, clip.text, clip.speaker, clip.split  # doctest: +SKIP
    ((59, 8), 'Dia is an open weights text to dialogue model.', 'S1', 'train')

    Raises:
        ValueError: there are no codes, or a shard is damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.rows: list[CodedClip] = []
        for index in indices(self.folder):
            self.rows += _clips(index, _load(index.with_suffix(".npy")))
        if not self.rows:
            raise ValueError(f"folder {folder} holds no codes. Encode recordings into it first, see encode_rows.")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> CodedClip:
        return self.rows[index]

    @cached_property
    def codec(self) -> CodecRecord:
        """Whose codes these are. Raises ValueError where no record of it was kept."""
        return read_record(self.folder)

    def check_fits(self, processor: DiaProcessor) -> None:
        """Refuse to train a model on codes that are not its codec's.

        Raises:
            ValueError: rate, hop, channels or codebook are not the processor's, or the codec it has is another one.
        """
        if wrong := self.codec.misfits(processor):
            raise ValueError(
                f"folder {self.folder} holds codes of another codec than the model's: {'; '.join(wrong)}. Encode the "
                f"recordings with the model's processor, into another folder."
            )

    def check_read(self, frontend: Frontend) -> None:
        """Refuse to train a model on transcripts that were not read as it reads scripts.

        Raises:
            ValueError: some were read with another `text_frontend` than the model's, or stand as they were written.
        """
        others = {clip.frontend for clip in self.rows if clip.kind == RECORDING} - {frontend}
        if others:
            how = " and ".join(f"read with text_frontend {one!r}" if one else "as they were written" for one in others)
            raise ValueError(
                f"folder {self.folder} holds transcripts {how}, and the model reads with {frontend!r}. Choose the "
                f"same (dia train --text-frontend), or run encode_rows on the folder again: it reads the transcripts "
                f"anew, and encodes no recording twice."
            )


def _clips(index: Path, codes: Codes) -> Iterator[CodedClip]:
    for line in read_lines(index):
        try:
            grid = codes[line["start"] : line["start"] + line["frames"]]
            fields = {key: line[key] for key in ("text", "speaker", "split", "kind", "seconds")}
        except KeyError as error:
            raise _damaged(index, f"{error} is missing in a line") from error
        if len(grid) != line["frames"]:
            raise _damaged(index.with_suffix(".npy"), "codes are missing at its end")
        yield CodedClip(grid, **fields, name=line.get("name", ""), frontend=line.get("frontend", ""))


def claim(folder: Path, codec: DacModel) -> None:
    """Make `folder` if need be, and record that it holds this codec's codes.

    Raises:
        ValueError: it holds another codec's.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    record = CodecRecord.of(codec)
    if indices(folder) and read_record(folder) != record:
        raise ValueError(f"folder {folder} holds codes of another codec. Use an empty folder or delete it.")
    with _writing(folder / RECORD) as path:
        path.write_text(json.dumps(asdict(record)) + "\n", encoding="utf-8")


def read_record(folder: Path) -> CodecRecord:
    """Whose codes a folder holds. Raises ValueError where no record of it was kept."""
    path = folder / RECORD
    if not path.is_file():
        raise ValueError(
            f"folder {folder} does not say by which codec: {RECORD} is missing. Encode into another folder."
        )
    try:
        return CodecRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Delete {folder} and encode again.") from error


def indices(folder: Path) -> list[Path]:
    """The lines' files of all whole shards, in order."""
    return sorted(folder.glob("codes-*.jsonl"))


def shard_of(index: Path) -> tuple[int, int]:
    """The shard's number and its shift's."""
    _, number, variant = index.stem.split("-")
    return int(number), int(variant)


def index_of(folder: Path, number: int, variant: int) -> Path:
    """Where the lines of a shard stand."""
    return folder / f"codes-{number:05d}-{variant}.jsonl"


def read_lines(index: Path) -> list[Line]:
    """The clips of a shard: text, speaker, kind, split, shift, start and frames in its codes, seconds, and for rows
    of a data set their name, source and frontend. Raises ValueError where the file is damaged."""
    try:
        return [json.loads(line) for line in lines_of(index.read_text(encoding="utf-8"))]
    except ValueError as error:
        raise _damaged(index, error) from error


def write_lines(index: Path, lines: Sequence[Line]) -> None:
    """Replace the lines of a shard, whole or not at all. Raises OSError."""
    with _writing(index) as path:
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def write_shard(index: Path, codes: Sequence[Codes], lines: Sequence[Line]) -> None:
    """Write a shard: the codes of its clips, and a line for each, to which its place is added. Raises OSError."""
    with _writing(index.with_suffix(".npy")) as path, path.open("wb") as file:
        np.save(file, np.concatenate(codes))
    starts = itertools.accumulate((len(grid) for grid in codes), initial=0)
    places = [{"start": start, "frames": len(grid)} for start, grid in zip(starts, codes, strict=False)]
    write_lines(index, [{**line, **place} for line, place in zip(lines, places, strict=True)])


def delete_shard(index: Path) -> None:
    """Remove a shard; first its lines, so that a stop in between leaves no half of it."""
    index.unlink()
    index.with_suffix(".npy").unlink()


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    try:
        with atomic_file(path) as partial:
            yield partial
    except OSError as error:
        free = shutil.disk_usage(path.parent).free / 2**20
        raise OSError(
            f"{path} cannot be written: {error.strerror or error}; {free:.0f} MB are free there. Make room or use a "
            f"folder on another disk. What is finished stays; run the same again to go on."
        ) from error


def _load(path: Path) -> Codes:
    try:
        return np.asarray(np.load(path), dtype=np.uint16)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, reason: object) -> ValueError:
    other = path.with_suffix(".jsonl" if path.suffix == ".npy" else ".npy").name
    return ValueError(f"{path} is damaged ({reason}). Delete it and {other}, then encode again.")


__all__ = ["CodeCache", "CodecRecord", "CodedClip"]
