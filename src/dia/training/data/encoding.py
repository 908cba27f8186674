"""Encode recordings into a cache of codes, each at one or several frame shifts; an interrupted run can be resumed."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import DacModel

from dia.audio.waveform import Waveform, full_scale
from dia.codec.dac import encode, hop_length
from dia.processing_dia import DiaProcessor
from dia.text.prompt_format import Frontend
from dia.training.data import code_cache as cache
from dia.training.data.code_cache import CodeCache, CodedClip, Codes
from dia.training.data.source import Row, as_spoken, check_rows, fingerprint

EncodeClips = Callable[[DacModel, Sequence[Waveform]], list[Codes]]

SHARD_ROWS = 32
BATCH_SAMPLES = 2**24  # 64 MB


class Sound(NamedTuple):
    """A clip to encode, fp32 or int16 [N] at the codec's sampling rate, and the fields of its line in the cache."""

    audio: Waveform | NDArray[np.int16]
    line: cache.Line


def shifted(audio: Waveform | NDArray[np.int16], shift: int, hop: int) -> Waveform:
    """fp32 audio, extended at the start by its first `shift` samples mirrored, and padded to whole frames."""
    samples = full_scale(audio)
    longer = np.concatenate([samples[:shift][::-1], samples])
    return np.pad(longer, (0, -longer.size % hop))


def encode_apart(codec: DacModel, clips: Sequence[Waveform]) -> list[Codes]:
    """fp32 clips → codes [T, C] each, equal to those of each clip encoded alone."""
    return [grid.cpu().numpy().astype(np.uint16) for grid in encode(codec, [torch.from_numpy(clip) for clip in clips])]


def encode_shard(
    codec: DacModel,
    sounds: Iterable[Sound],
    folder: Path,
    number: int,
    variant: int,
    encode_clips: EncodeClips = encode_apart,
) -> None:
    """Encode one shard into `folder`: variant 0 without a shift, the others at random shifts of less than one frame.

    Clips are taken from `sounds` one at a time. At most `BATCH_SAMPLES` samples, or one clip, are in memory.
    """
    hop, generator = hop_length(codec.config), np.random.default_rng([number, variant])
    codes, lines = list[Codes](), list[cache.Line]()
    for batch in _batches(sounds):
        shifts = [int(generator.integers(hop)) if variant else 0 for _ in batch]
        codes += encode_clips(codec, [shifted(s.audio, shift, hop) for s, shift in zip(batch, shifts, strict=True)])
        for (audio, line), shift in zip(batch, shifts, strict=True):
            lines.append({**line, "shift": shift, "seconds": audio.size / codec.config.sampling_rate})
    cache.write_shard(cache.index_of(folder, number, variant), codes, lines)


def _batches(sounds: Iterable[Sound]) -> Iterator[list[Sound]]:
    batch, samples = list[Sound](), 0
    for sound in sounds:
        if batch and samples + sound.audio.size > BATCH_SAMPLES:
            yield batch
            batch, samples = [], 0
        batch.append(sound)
        samples += sound.audio.size
    if batch:
        yield batch


def encode_rows(
    rows: Sequence[Row],
    processor: DiaProcessor,
    folder: str | Path,
    shifts: int = 1,
    *,
    frontend: Frontend = "en",
    shard_rows: int = SHARD_ROWS,
    progress: bool = True,
) -> CodeCache:
    """Encode the recordings of a data set into a cache on disk, and open it.

    Transcripts are normalized like scripts: `$5` becomes "five dollars" in both. A recording is identified by its
    content. Recordings that `folder` already holds are not encoded again, even if the last run was interrupted, rows
    were added or removed, or transcripts were corrected. In the end the cache holds exactly these rows, each `shifts`
    times.

    Args:
        rows: of `read_source`, or preferably the `usable` rows of `check`.
        processor: with the codec of the model to train, on the device that encodes.
        folder: of the cache.
        shifts: how many times each clip is encoded. All but the first time it starts earlier by a random part of a
            frame, which gives different codes for the same sound.
        frontend: the `text_frontend` of the model to train: "en", or "none" for other languages.
        shard_rows: number of clips encoded between two writes to the disk.
        progress: show a progress bar.

    Raises:
        ValueError: `rows` is empty, the processor has no codec, `folder` contains codes of another codec or of other
            recordings, or a recording or its transcript is unusable; the message names the row.
        TypeError: `rows` holds something other than rows.
        FileNotFoundError: a recording does not exist any more.
        OSError: the disk is full; finished shards are kept.
    """
    check_arguments(rows, processor, shifts)
    folder, spoken = Path(folder), as_spoken(rows, frontend)
    wanted = by_content(spoken, [fingerprint(row.audio) for row in spoken])
    missing, number = prepare(folder, wanted, processor, shifts, frontend)
    total = len(rows) * shifts
    with tqdm(total=total, initial=total - len(missing), desc="encoding", unit=" clips", disable=not progress) as bar:
        encode_missing(missing, wanted, processor, folder, count(number), frontend, shard_rows, bar.update)
    return CodeCache(folder)


def check_arguments(rows: Sequence[Row], processor: DiaProcessor, shifts: int) -> None:
    """Check the arguments of `encode_rows`. Raises what it says."""
    if not rows:
        raise ValueError("rows is empty; there is nothing to encode. If check found no usable rows, see its report.")
    check_rows(rows)
    if shifts < 1:
        raise ValueError(f"shifts is {shifts}; it must be at least 1.")
    if processor.audio_tokenizer is None:
        raise ValueError("processor has no codec. Load it with load_audio_tokenizer=True.")


def prepare(
    folder: Path, wanted: dict[str, Row], processor: DiaProcessor, shifts: int, frontend: Frontend
) -> tuple[list[tuple[str, int]], int]:
    """Remove unwanted clips from a cache; returns the (source, variant) that are missing, and a free shard number."""
    cache.claim(folder, processor.audio_tokenizer)
    there = _keep(folder, wanted, shifts, frontend)
    number = max((cache.shard_of(index)[0] for index in cache.indices(folder)), default=-1) + 1
    return [(s, variant) for variant in range(shifts) for s in wanted if (s, variant) not in there], number


def encode_missing(
    missing: Sequence[tuple[str, int]],
    wanted: dict[str, Row],
    processor: DiaProcessor,
    folder: Path,
    numbers: Iterator[int],
    frontend: Frontend,
    shard_rows: int = SHARD_ROWS,
    done: Callable[[], object] = lambda: None,
) -> None:
    """Encode clips, shard by shard.

    Args:
        missing: (source, variant) of each clip.
        wanted: the row of each source.
        processor: with the codec.
        folder: of the cache.
        numbers: of the shards to write.
        frontend: the `text_frontend` of the model to train.
        shard_rows: number of clips of a shard.
        done: called for each clip.
    """
    for variant, clips in groupby(missing, key=lambda clip: clip[1]):
        sources = [source for source, _ in clips]
        for start in range(0, len(sources), shard_rows):
            sounds = _recorded(sources[start : start + shard_rows], wanted, processor, frontend, done)
            encode_shard(processor.audio_tokenizer, sounds, folder, next(numbers), variant)


def by_content(rows: Sequence[Row], marks: Sequence[str]) -> dict[str, Row]:
    """Rows by the fingerprint of their recording, with a number, because several can have the same one."""
    seen, named = Counter[str](), dict[str, Row]()
    for row, mark in zip(rows, marks, strict=True):
        seen[mark] += 1
        named[f"{mark}-{seen[mark]}"] = row
    return named


def _keep(folder: Path, wanted: dict[str, Row], shifts: int, frontend: Frontend) -> set[tuple[str, int]]:
    """Remove unwanted clips from the cache and update the texts of the others; returns their (source, variant)."""
    shards = {index: cache.read_lines(index) for index in cache.indices(folder)}
    known = {line.get("source") for lines in shards.values() for line in lines}
    if shards and not known & wanted.keys():
        raise ValueError(
            f"folder {folder} contains codes of other recordings. Use an empty folder, or delete this one."
        )
    there = set()
    for index, lines in shards.items():
        _, variant = cache.shard_of(index)
        kept = [line for line in lines if line.get("source") in wanted and variant < shifts]
        there |= {(line["source"], variant) for line in kept}
        current = [{**line, **_row_fields(wanted[line["source"]], frontend)} for line in kept]
        if not current:
            cache.delete_shard(index)
        elif current != lines:
            cache.write_lines(index, current)
    return there


def _row_fields(row: Row, frontend: Frontend) -> cache.Line:
    return {"name": row.name, "text": row.text, "speaker": row.speaker, "frontend": frontend}


def _recorded(
    sources: Sequence[str],
    wanted: dict[str, Row],
    processor: DiaProcessor,
    frontend: Frontend,
    done: Callable[[], object],
) -> Iterator[Sound]:
    for source in sources:
        row = wanted[source]
        audio = processor.feature_extractor.load(row.audio, name=row.name)
        line = {**_row_fields(row, frontend), "kind": cache.RECORDING, "split": "train", "source": source}
        yield Sound(audio, line)
        done()


__all__ = ["CodeCache", "CodedClip", "Sound", "encode_apart", "encode_rows", "encode_shard", "shifted"]
