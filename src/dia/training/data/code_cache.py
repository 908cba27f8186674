"""The cache of codes on disk: read and write shards, and check that they belong to the right codec.

A shard consists of `codes-00007-0.npy`, the codes of some clips one after another, and `codes-00007-0.jsonl`, one line
for each clip. The last number is the index of the frame shift. The lines are written last, so that a shard is either
complete or not there. `codec.json` identifies the codec.
"""

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import DacModel

from dia.codec.identity import CodecRecord
from dia.processing_dia import DiaProcessor
from dia.runtime.files.atomic import atomic_file, sweep
from dia.text.prompt_format import Frontend
from dia.training.data.lines import lines_of

Codes = NDArray[np.uint16]
Line = dict[str, Any]

RECORD = "codec.json"
RECORDING = "recording"  # the kind of clips that come from rows of a data set


@dataclass(frozen=True)
class CodedClip:
    """One encoded utterance.

    Args:
        codes: uint16 [T, C].
        text: the transcript.
        speaker: the name of the voice.
        split: "train" or "heldout".
        kind: the origin of the clip, such as "recording".
        seconds: length of the recording, with silence at its ends.
        name: of the row; empty if the clip was synthesized.
        frontend: the `text_frontend` that normalized the transcript; empty if it is unchanged.
        shift: samples by which the codes start before the recording.
        labels: what is spoken, in order: names of phones, marks, sounds, and spaces between words, separated by tabs;
            empty if unknown.
        times: when it is spoken, fp32 [labels, 2]: start and end in seconds of the recording.
    """

    codes: Codes
    text: str
    speaker: str
    split: str
    kind: str
    seconds: float
    name: str = ""
    frontend: str = ""
    shift: int = 0
    labels: str = ""
    times: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 2), np.float32))


class CodeCache:
    """All clips encoded into `folder` so far, in memory (about 1 kB per clip).

    >>> clip = CodeCache(folder)[0]  # doctest: +SKIP
    >>> clip.codes.shape, clip.text, clip.speaker, clip.split  # doctest: +SKIP
    ((59, 8), 'Dia is an open weights text to dialogue model.', 'S1', 'train')

    Raises:
        ValueError: the folder contains no codes, or a shard is damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.rows: list[CodedClip] = []
        for index in indices(self.folder):
            self.rows += clips_of(index)
        if not self.rows:
            raise ValueError(f"folder {folder} contains no codes. Encode recordings into it first, see encode_rows.")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> CodedClip:
        return self.rows[index]

    @cached_property
    def codec(self) -> CodecRecord:
        """The codec that the codes belong to. Raises ValueError if it was not recorded."""
        return read_record(self.folder)

    def check_fits(self, processor: DiaProcessor) -> None:
        """Check that the codes belong to the processor's codec.

        Raises:
            ValueError: the sampling rate, hop length, channels, codebook size or weights differ.
        """
        if wrong := self.codec.mismatches(processor):
            raise ValueError(
                f"folder {self.folder} contains codes of a different codec than the model's: {'; '.join(wrong)}. "
                f"Encode the recordings with the model's processor, into another folder."
            )

    def check_read(self, frontend: Frontend) -> None:
        """Check that transcripts were normalized with the model's text front end.

        Raises:
            ValueError: some were normalized with another `text_frontend`, or not at all.
        """
        others = {clip.frontend for clip in self.rows if clip.kind == RECORDING} - {frontend}
        if others:
            how = " and ".join(f"read with text_frontend {one!r}" if one else "as they were written" for one in others)
            raise ValueError(
                f"folder {self.folder} contains transcripts {how}, and the model reads with {frontend!r}. Choose the "
                f"same front end (dia train --text-frontend), or run encode_rows on the folder again, which "
                f"normalizes the transcripts again without encoding any recording twice."
            )


def clips_of(index: Path) -> list[CodedClip]:
    """The clips of a shard. Raises ValueError if it is damaged."""
    return list(_clips(index, _load(index.with_suffix(".npy"))))


def _clips(index: Path, codes: Codes) -> Iterator[CodedClip]:
    for line in read_lines(index):
        try:
            grid = codes[line["start"] : line["start"] + line["frames"]]
            fields = {key: line[key] for key in ("text", "speaker", "split", "kind", "seconds")}
        except KeyError as error:
            raise _damaged(index, f"{error} is missing in a line") from error
        if len(grid) != line["frames"]:
            raise _damaged(index.with_suffix(".npy"), "codes are missing at its end")
        optional = {key: line[key] for key in ("name", "frontend", "shift", "labels") if key in line}
        times = np.asarray(line.get("times", ()), np.float32).reshape(-1, 2)
        yield CodedClip(grid, **fields, **optional, times=times)


def claim(folder: Path, codec: DacModel) -> None:
    """Create `folder` if necessary, and record in it the codec that its codes belong to.

    Raises:
        ValueError: it contains codes of another codec.
        OSError: it cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    record = CodecRecord.of(codec)
    if indices(folder) and read_record(folder) != record:
        raise ValueError(f"folder {folder} contains codes of another codec. Use an empty folder, or delete this one.")
    with _writing(folder / RECORD) as path:
        path.write_text(json.dumps(asdict(record)) + "\n", encoding="utf-8")


def read_record(folder: Path) -> CodecRecord:
    """The codec that a folder's codes belong to. Raises ValueError if it was not recorded."""
    path = folder / RECORD
    if not path.is_file():
        raise ValueError(
            f"folder {folder} does not identify its codec: {RECORD} is missing. Encode into another folder."
        )
    try:
        return CodecRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Delete {folder} and encode again.") from error


def indices(folder: Path) -> list[Path]:
    """The .jsonl files of all complete shards, in order."""
    return sorted(folder.glob("codes-*.jsonl"))


def shard_of(index: Path) -> tuple[int, int]:
    """The number of the shard and the index of its frame shift."""
    _, number, variant = index.stem.split("-")
    return int(number), int(variant)


def index_of(folder: Path, number: int, variant: int) -> Path:
    """The path of a shard's .jsonl file."""
    return folder / f"codes-{number:05d}-{variant}.jsonl"


def read_lines(index: Path) -> list[Line]:
    """The lines of a shard, one for each clip.

    A line has text, speaker, kind, split, shift, seconds, and start and frames of the clip in the shard's codes. Clips
    from a data set also have name, source and frontend, those of a corpus labels and times.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        return [json.loads(line) for line in lines_of(index.read_text(encoding="utf-8"))]
    except ValueError as error:
        raise _damaged(index, error) from error


def write_lines(index: Path, lines: Sequence[Line]) -> None:
    """Replace the lines of a shard, whole or not at all. Raises OSError."""
    with _writing(index) as path:
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def write_shard(index: Path, codes: Sequence[Codes], lines: Sequence[Line]) -> None:
    """Write a shard: the codes of its clips, and a line for each, with its start and frames. Raises OSError."""
    with _writing(index.with_suffix(".npy")) as path, path.open("wb") as file:
        np.save(file, np.concatenate(codes))
    starts = itertools.accumulate((len(grid) for grid in codes), initial=0)
    places = [{"start": start, "frames": len(grid)} for start, grid in zip(starts, codes, strict=False)]
    write_lines(index, [{**line, **place} for line, place in zip(lines, places, strict=True)])


def delete_shard(index: Path) -> None:
    """Delete a shard. The lines go first, so that an interruption leaves no incomplete shard."""
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
            f"{path} cannot be written: {error.strerror or error}; {free:.0f} MB are free there. Free disk space, or "
            f"use a folder on another disk. Finished shards are kept; run the same command again to continue."
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
