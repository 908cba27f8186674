"""Speech into a cache of codes: every clip at one or several frame shifts, resumable.

Knows clips, rows of a data set, the teacher's shards and a trained codec. Knows nothing of losses, texts' meaning or
the language model; how a cache is laid out is `dia.training.cache`'s.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm
from transformers import DacModel

from dia.audio_file import Waveform, full_scale
from dia.codec import encode, hop_length
from dia.processing_dia import DiaProcessor
from dia.training import cache
from dia.training.cache import CodeCache, CodedClip, Codes
from dia.training.data import Row, check_rows, fingerprint
from dia.training.teacher import read_shard, shard_numbers

Encoder = Callable[[Tensor], Tensor]
EncodeClips = Callable[[DacModel, Sequence[Waveform]], list[Codes]]

ROW_FRAMES = 600
ROWS_AT_ONCE = 4
GAP_FRAMES = 4
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


def pack(frames: list[int], row_frames: int) -> list[tuple[int, int]]:
    """Where clips of `frames` frames stand, in order, in rows of `row_frames`: (row, first frame) of each.

    Clips are `GAP_FRAMES` apart, so that the encoder hears silence between them, as it does around a clip alone.
    """
    places, row, used = [], 0, 0
    for length in frames:
        if used and used + length > row_frames:
            row, used = row + 1, 0
        places.append((row, used))
        used += length + GAP_FRAMES
    return places


@torch.no_grad()
def encode_packed(codec: DacModel, clips: Sequence[Waveform], encoder: Encoder | None = None) -> list[Codes]:
    """fp32 clips of whole frames → codes [T, C] each, in the given order.

    All are laid out in rows of equal length, `ROWS_AT_ONCE` at a time, so that memory is bounded and a compiled
    `encoder` (by default the codec's own) sees one shape only. Codes at the edges of a clip may differ from those
    that `encode_apart` gives.
    """
    run, hop = encoder if encoder is not None else codec.encoder, codec.config.hop_length
    lengths = [clip.size // hop for clip in clips]
    row_frames = max(ROW_FRAMES, *lengths)
    places = pack(lengths, row_frames)
    rows = np.zeros((-(-(places[-1][0] + 1) // ROWS_AT_ONCE) * ROWS_AT_ONCE, row_frames * hop), np.float32)
    for clip, (row, first) in zip(clips, places, strict=True):
        rows[row, first * hop : first * hop + clip.size] = clip
    grids = []
    for part in torch.split(torch.from_numpy(rows), ROWS_AT_ONCE):
        grids.append(codec.quantizer(run(part[:, None]).float())[1].transpose(1, 2).numpy().astype(np.uint16))
    grid = np.concatenate(grids)
    return [grid[row, first : first + length] for length, (row, first) in zip(lengths, places, strict=True)]


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


def encode_teacher(codec: DacModel, speech: Path, folder: Path, variants: int = 3, compiled: bool = False) -> None:
    """Encode every shard of `speech` at `variants` shifts. What `folder` already holds is kept.

    Raises:
        ValueError: `folder` holds codes of another codec.
        OSError: the disk is full; what is finished stays.
    """
    cache.claim(folder, codec)
    codec.eval()
    encoder = torch.compile(codec.encoder, dynamic=False) if compiled else codec.encoder
    encode_clips = partial(encode_packed, encoder=encoder)
    todo = [(variant, number) for variant in range(variants) for number in shard_numbers(speech)]
    for variant, number in tqdm(todo, desc="encoding", unit=" shards"):
        if not cache.index_of(folder, number, variant).exists():
            encode_shard(codec, _spoken(speech, number), folder, number, variant, encode_clips)


def _spoken(speech: Path, number: int) -> Iterator[Sound]:
    for clip in read_shard(speech, number):
        line = {"text": clip.text, "speaker": clip.speaker, "kind": clip.kind, "split": clip.split}
        yield Sound(clip.audio, line)


def encode_rows(
    rows: Sequence[Row],
    processor: DiaProcessor,
    folder: str | Path,
    shifts: int = 1,
    *,
    shard_rows: int = SHARD_ROWS,
    progress: bool = True,
) -> CodeCache:
    """Encode the recordings of a data set into a cache on disk, and open it.

    A recording is known by its content: what `folder` holds already is not encoded again, be it after a stop at any
    moment, after rows were added or dropped, or after a transcript was corrected. In the end the cache holds exactly
    these rows, each `shifts` times.

    Args:
        rows: of `read_source`, or better the `usable` ones of `check`.
        processor: with the codec of the model that is to be trained; it encodes on the device where it is.
        folder: of the cache.
        shifts: how often every clip is encoded; after the first time it begins a random part of a frame earlier, so
            that it has other codes for the same sound.
        shard_rows: clips that are encoded between two writes to the disk.
        progress: show a bar.

    Raises:
        ValueError: there are no rows, the processor has no codec, `folder` holds codes of another codec or of other
            recordings only, or a recording is unusable; the message names its row.
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
    folder, wanted = Path(folder), _by_content(rows)
    cache.claim(folder, codec)
    there = _keep(folder, wanted, shifts)
    number = max((cache.shard_of(index)[0] for index in cache.indices(folder)), default=-1)
    with tqdm(
        total=len(rows) * shifts, initial=len(there), desc="encoding", unit=" clips", disable=not progress
    ) as bar:
        for variant in range(shifts):
            missing = [source for source in wanted if (source, variant) not in there]
            for start in range(0, len(missing), shard_rows):
                number += 1
                sounds = _recorded(missing[start : start + shard_rows], wanted, processor, bar)
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


def _keep(folder: Path, wanted: dict[str, Row], shifts: int) -> set[tuple[str, int]]:
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
        told = [{**line, **_told(wanted[line["source"]])} for line in kept]
        if not told:
            cache.delete_shard(index)
        elif told != lines:
            cache.write_lines(index, told)
    return there


def _told(row: Row) -> cache.Line:
    return {"name": row.name, "text": row.text, "speaker": row.speaker}


def _recorded(sources: Sequence[str], wanted: dict[str, Row], processor: DiaProcessor, bar: tqdm) -> Iterator[Sound]:
    for source in sources:
        row = wanted[source]
        audio = processor.feature_extractor.load(row.audio, name=row.name)
        yield Sound(audio, {**_told(row), "kind": "recording", "split": "train", "source": source})
        bar.update()


def main() -> None:
    """`python -m dia.training.encoding CODEC SPEECH FOLDER`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codec", type=Path)
    parser.add_argument("speech", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variants", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compiled", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    codec = DacModel.from_pretrained(arguments.codec, dtype=torch.float32)
    encode_teacher(codec, arguments.speech, arguments.folder, arguments.variants, arguments.compiled)


if __name__ == "__main__":
    main()

__all__ = ["CodeCache", "CodedClip", "encode_rows", "encode_teacher"]
