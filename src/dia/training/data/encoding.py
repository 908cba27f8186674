"""Speech into a cache of codes: every clip at one or several frame shifts, resumable.

Knows clips, rows of a data set and a trained codec. Knows nothing of losses, texts' meaning or
the language model; how a cache is laid out is `dia.training.data.code_cache`'s.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import DacModel

from dia.audio.files import Waveform, full_scale
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
    """A clip to be encoded, fp32 at the codec's rate or int16, and what its line in the cache says of it."""

    audio: Waveform | NDArray[np.int16]
    line: cache.Line


def shifted(audio: Waveform | NDArray[np.int16], shift: int, hop: int) -> Waveform:
    """fp32 audio that begins `shift` samples earlier, with the mirrored start of itself, and fills whole frames."""
    samples = full_scale(audio)
    longer = np.concatenate([samples[:shift][::-1], samples])
    return np.pad(longer, (0, -longer.size % hop))


def encode_apart(codec: DacModel, clips: Sequence[Waveform]) -> list[Codes]:
    """fp32 clips → codes [T, C] each, the same as if every clip were encoded alone."""
    return [grid.cpu().numpy().astype(np.uint16) for grid in encode(codec, [torch.from_numpy(clip) for clip in clips])]


def encode_shard(
    codec: DacModel,
    sounds: Iterable[Sound],
    folder: Path,
    number: int,
    variant: int,
    encode_clips: EncodeClips = encode_apart,
) -> None:
    """Encode one shard into `folder`: variant 0 as the clips stand, the others at random shifts below one frame.

    Clips are taken from `sounds` as they are needed; no more than `BATCH_SAMPLES` samples, or one clip, are held.
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

    Transcripts are read as scripts are, so that `$5` is "five dollars" in both. A recording is known by its content:
    what `folder` holds already is not encoded again, be it after a stop at any moment, after rows were added or
    dropped, or after a transcript was corrected. In the end the cache holds exactly these rows, each `shifts` times.

    Args:
        rows: of `read_source`, or better the `usable` ones of `check`.
        processor: with the codec of the model that is to be trained; it encodes on the device where it is.
        folder: of the cache.
        shifts: how often every clip is encoded; after the first time it begins a random part of a frame earlier, so
            that it has other codes for the same sound.
        frontend: the `text_frontend` that the model is to have: "en", or "none" for another language than English.
        shard_rows: clips that are encoded between two writes to the disk.
        progress: show a bar.

    Raises:
        ValueError: there are no rows, the processor has no codec, `folder` holds codes of another codec or of other
            recordings only, or a recording or its transcript is unusable; the message names its row.
        TypeError: the rows are not of `read_source`.
        FileNotFoundError: a recording is gone.
        OSError: the disk is full; what is finished stays.
    """
    if not rows:
        raise ValueError("rows is empty; there is nothing to encode. Where check left none, see its report.")
    check_rows(rows)
    if shifts < 1:
        raise ValueError(f"shifts is {shifts}; every clip is encoded at least once.")
    if (codec := processor.audio_tokenizer) is None:
        raise ValueError("processor has no codec. Load it with load_audio_tokenizer=True.")
    folder, wanted = Path(folder), _by_content(as_spoken(rows, frontend))
    cache.claim(folder, codec)
    there = _keep(folder, wanted, shifts, frontend)
    number = max((cache.shard_of(index)[0] for index in cache.indices(folder)), default=-1)
    with tqdm(
        total=len(rows) * shifts, initial=len(there), desc="encoding", unit=" clips", disable=not progress
    ) as bar:
        for variant in range(shifts):
            missing = [source for source in wanted if (source, variant) not in there]
            for start in range(0, len(missing), shard_rows):
                number += 1
                sounds = _recorded(missing[start : start + shard_rows], wanted, processor, frontend, bar)
                encode_shard(codec, sounds, folder, number, variant)
    return CodeCache(folder)


def _by_content(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows by the fingerprint of their recording, numbered where several have the same."""
    seen, named = Counter[str](), dict[str, Row]()
    for row in rows:
        mark = fingerprint(row.audio)
        seen[mark] += 1
        named[f"{mark}-{seen[mark]}"] = row
    return named


def _keep(folder: Path, wanted: dict[str, Row], shifts: int, frontend: Frontend) -> set[tuple[str, int]]:
    """Leave in the cache only what is wanted, with the texts of today; returns (source, variant) of that."""
    shards = {index: cache.read_lines(index) for index in cache.indices(folder)}
    known = {line.get("source") for lines in shards.values() for line in lines}
    if shards and not known & wanted.keys():
        raise ValueError(f"folder {folder} holds codes of other recordings. Use an empty folder or delete it.")
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
    sources: Sequence[str], wanted: dict[str, Row], processor: DiaProcessor, frontend: Frontend, bar: tqdm
) -> Iterator[Sound]:
    for source in sources:
        row = wanted[source]
        audio = processor.feature_extractor.load(row.audio, name=row.name)
        line = {**_row_fields(row, frontend), "kind": cache.RECORDING, "split": "train", "source": source}
        yield Sound(audio, line)
        bar.update()


__all__ = ["CodeCache", "CodedClip", "Sound", "encode_apart", "encode_rows", "encode_shard", "shifted"]
