"""Synthesize the training utterances to shards of int16 audio on disk; an interrupted run can be resumed."""

import argparse
import itertools
import json
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from dia.training.data.lines import lines_of
from dia.training.mini.teacher.corpus import Utterance
from dia.training.mini.teacher.texts import utterances
from dia.training.mini.teacher.voices import SAMPLING_RATE, Audio, loud_span, performs

Speak = Callable[[str, str], Audio]

SHARD_SIZE = 250
EDGE_SECONDS = 0.1


@dataclass(frozen=True)
class Recording:
    """One utterance as spoken: `audio` is int16 mono at `SAMPLING_RATE`."""

    audio: Audio
    text: str
    speaker: str
    kind: str
    split: str


def trim(audio: Audio, edge_seconds: float = EDGE_SECONDS) -> Audio:
    """Make the silence at both ends exactly `edge_seconds` long, by cutting or adding zeros.

    A clip that is all silence becomes two edges.
    """
    edge, loud = round(edge_seconds * SAMPLING_RATE), loud_span(audio)
    if loud.start == loud.stop:
        return np.zeros(2 * edge, dtype=np.int16)
    return np.pad(audio, edge)[loud.start : loud.stop + 2 * edge]


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"speech-{number:05d}.npy", folder / f"speech-{number:05d}.jsonl"


def write_shard(folder: Path, number: int, batch: list[Utterance], speak: Speak) -> None:
    """Synthesize `batch` to shard `number`. The index is written last, so that it exists only for complete shards."""
    clips = [trim(speak(utterance.text, utterance.speaker)) for utterance in batch]
    starts = itertools.accumulate((clip.size for clip in clips), initial=0)
    audio_path, index_path = _paths(folder, number)
    np.save(audio_path, np.concatenate(clips))
    rows = [
        {**asdict(utterance), "split": utterance.split, "start": start, "samples": clip.size}
        for utterance, clip, start in zip(batch, clips, starts, strict=False)
    ]
    unfinished = index_path.with_suffix(".part")
    unfinished.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    unfinished.rename(index_path)


def _speak_shard(folder: Path, speak: Speak, shard: tuple[int, list[Utterance]]) -> int:
    number, batch = shard
    if not _paths(folder, number)[1].exists():
        write_shard(folder, number, batch, speak)
    return number


def synthesise(
    folder: Path,
    count: int,
    processes: int = 2,
    speak: Speak = performs,
    corpus: Callable[[], Iterator[Utterance]] = utterances,
) -> None:
    """Synthesize the first `count` utterances of `corpus` to `folder`; existing shards are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = list(itertools.islice(corpus(), count))
    shards = [(i, texts[start : start + SHARD_SIZE]) for i, start in enumerate(range(0, count, SHARD_SIZE))]
    work = partial(_speak_shard, folder, speak)
    with multiprocessing.get_context("spawn").Pool(processes) if processes > 1 else _Serial() as pool:
        for done, _ in enumerate(pool.imap(work, shards), start=1):
            print(f"\rteacher: {done}/{len(shards)} shards", end="", flush=True)
    print()


class _Serial:
    """Takes the place of a pool and works in the calling process, so that tests can pass any function."""

    imap = staticmethod(map)

    def __enter__(self) -> "_Serial":
        return self

    def __exit__(self, *_: object) -> None:
        return None


def shard_numbers(folder: Path) -> list[int]:
    """The numbers of the complete shards in `folder`, in order."""
    return sorted(int(path.stem.rsplit("-", 1)[1]) for path in folder.glob("speech-*.jsonl"))


def read_shard(folder: Path, number: int) -> Iterator[Recording]:
    """The clips of one shard, in order; `audio` is a view into the memory-mapped file."""
    audio_path, index_path = _paths(folder, number)
    audio = np.load(audio_path, mmap_mode="r")
    for line in lines_of(index_path.read_text(encoding="utf-8")):
        row = json.loads(line)
        start = row["start"]
        yield Recording(audio[start : start + row["samples"]], row["text"], row["speaker"], row["kind"], row["split"])


def main() -> None:
    """`python -m dia.training.mini.teacher.speech FOLDER COUNT`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    synthesise(arguments.folder, arguments.count, arguments.processes)


if __name__ == "__main__":
    main()
