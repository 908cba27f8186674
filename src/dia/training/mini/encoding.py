"""Encode the teacher's speech into a cache of codes, several clips per row."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import DacModel

from dia.audio.waveform import Waveform
from dia.training.data import code_cache as cache
from dia.training.data.code_cache import Codes
from dia.training.data.encoding import Sound, encode_shard
from dia.training.mini.teacher.speech import read_shard, shard_numbers

Encoder = Callable[[Tensor], Tensor]

ROW_FRAMES = 600
ROWS_AT_ONCE = 4
GAP_FRAMES = 4


def pack(frames: list[int], row_frames: int) -> list[tuple[int, int]]:
    """Arrange clips of `frames` frames in rows of `row_frames`, in order; returns (row, first frame) of each.

    Clips are `GAP_FRAMES` apart, so that each is surrounded by silence, as it is when encoded alone.
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

    The clips are packed into rows of equal length, of which `ROWS_AT_ONCE` are encoded at a time. Memory is therefore
    bounded, and a compiled `encoder` (by default the codec's own) is compiled for one shape. Codes at the edges of a
    clip may differ from those of `encode_apart`.
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


def encode_teacher(codec: DacModel, speech: Path, folder: Path, variants: int = 3, compiled: bool = False) -> None:
    """Encode every shard of `speech` at `variants` shifts. Shards that exist in `folder` are not encoded again.

    Raises:
        ValueError: `folder` holds codes of another codec.
        OSError: the disk is full; finished shards are kept.
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


def main() -> None:
    """`python -m dia.training.mini.encoding CODEC SPEECH FOLDER`."""
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

__all__ = ["encode_packed", "encode_teacher", "pack"]
