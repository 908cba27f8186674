"""The interface of shard formats, and the files of a row in them. Independent of which rows a shard has."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

METADATA, CODES = "json", "npz"  # suffixes


class Member(NamedTuple):
    """A file in a shard: its name and its content."""

    name: str
    content: bytes


class ShardFormat(Protocol):
    """Writes and reads shards. The same files give the same bytes."""

    suffix: str

    def write(self, path: Path, rows: Iterable[Sequence[Path]]) -> None:
        """Write a shard.

        Args:
            path: a new file.
            rows: the files of each row.
        """

    def sizes(self, path: Path) -> tuple[list[tuple[str, int]], bool]:
        """The name and size of each file in a shard, in order, and whether the shard is complete.

        The size of files other than audio may be given as 0.
        """

    def read(self, path: Path) -> Iterator[Member]:
        """The files in a shard, in order, up to the end or the first damage."""

    def card(self) -> str:
        """How `datasets.load_dataset` finds the shards, as fields of a data set card in YAML."""


def metadata_bytes(metadata: Mapping[str, Any]) -> bytes:
    """The metadata of a row as a file."""
    return (json.dumps(metadata, sort_keys=True, ensure_ascii=False) + "\n").encode()


def codes_bytes(codes: Any, frames: Sequence[int]) -> bytes:
    """The codes of a row as an .npz file.

    Args:
        codes: [frames, channels], of all parts one after another.
        frames: the number of frames of each part.
    """
    file = io.BytesIO()
    np.savez(file, codes=np.asarray(codes, np.uint16), frames=np.asarray(frames, np.int64))
    return file.getvalue()


def read_codes(content: bytes) -> dict[str, Any]:
    """The arrays of an .npz file that `codes_bytes` made."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {"codes": file["codes"], "frames": file["frames"]}


__all__ = ["CODES", "METADATA", "Member", "ShardFormat", "codes_bytes", "metadata_bytes", "read_codes"]
