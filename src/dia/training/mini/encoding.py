"""Encode the corpus into a cache of codes: several clips per row, some with sounds, all with the times of phones."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import DacModel

from dia.audio.waveform import Waveform, full_scale
from dia.training.data import code_cache as cache
from dia.training.data.code_cache import Codes
from dia.training.data.encoding import Sound, encode_shard
from dia.training.mini.teacher.natural.corpus import Clip, read_shard, shard_numbers
from dia.training.mini.teacher.natural.pronunciations import phones_of_labels
from dia.training.mini.teacher.natural.sound_insertion import with_sounds
from dia.voices.recording import normalized

Encoder = Callable[[Tensor], Tensor]

ROW_FRAMES = 600
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

    The clips are packed into rows of equal length, which are encoded one at a time: faster on a CPU than a
    batch, for whose activations the allocator requests new pages in every layer. Memory is bounded, and a compiled
    `encoder` (by default the codec's own) is compiled for one shape. Codes at the edges of a clip may differ from
    those of `encode_apart`.
    """
    run, hop = encoder if encoder is not None else codec.encoder, codec.config.hop_length
    lengths = [clip.size // hop for clip in clips]
    row_frames = max(ROW_FRAMES, *lengths)
    places = pack(lengths, row_frames)
    rows = np.zeros((places[-1][0] + 1, row_frames * hop), np.float32)
    for clip, (row, first) in zip(clips, places, strict=True):
        rows[row, first * hop : first * hop + clip.size] = clip
    grids = [
        codec.quantizer(run(row[None]).float())[1][0].T.numpy().astype(np.uint16)
        for row in torch.from_numpy(rows)[:, None]
    ]
    return [grids[row][first : first + length] for length, (row, first) in zip(lengths, places, strict=True)]


def encode_corpus(codec: DacModel, corpus: Path, folder: Path, variants: int = 1, compiled: bool = False) -> None:
    """Encode every shard of `corpus` at `variants` shifts. Shards that exist in `folder` are not encoded again.

    Clips without labels, those of flite, are left out. Shards that are added to `corpus` are encoded by the next call.

    Raises:
        ValueError: `corpus` contains no shards, or `folder` contains codes of another codec.
        OSError: the disk is full; finished shards are kept.
    """
    numbers = shard_numbers(corpus)
    if not numbers:
        raise ValueError(f"corpus {corpus} contains no speech. Run python -m dia.training.mini --stages speech first.")
    cache.claim(folder, codec)
    codec.eval()
    encoder = torch.compile(codec.encoder, dynamic=False) if compiled else codec.encoder
    encode_clips = partial(encode_packed, encoder=encoder)
    todo = [(variant, number) for variant in range(variants) for number in numbers]
    for variant, number in tqdm(todo, desc="encoding", unit=" shards"):
        if not cache.index_of(folder, number, variant).exists():
            rate = codec.config.sampling_rate
            if sounds := [sound_of(clip, rate) for clip in encoded_clips(corpus, number)]:
                encode_shard(codec, sounds, folder, number, variant, encode_clips)


def encoded_clips(corpus: Path, number: int) -> Iterator[Clip]:
    """The clips of a shard that are encoded, in the order of their codes: those with labels."""
    return (clip for clip in read_shard(corpus, number) if clip.labels is not None)


def sound_of(clip: Clip, rate: int) -> Sound:
    """A clip with labels as it is encoded: at `rate` Hz, some clips with a sound, with the line of its text.

    Clips have the loudness of prompts, so that the model and the speaker encoder read prompts as they have learned to.
    """
    clip = with_sounds(replace(clip, labels=tuple(phones_of_labels(clip.labels or ()))))
    audio = full_scale(clip.audio)
    if clip.rate != rate:
        audio = np.asarray(soxr.resample(audio, clip.rate, rate), np.float32)
    audio, _ = normalized(audio, rate)
    line = {"text": clip.line["spoken"], **{name: clip.line[name] for name in ("speaker", "kind", "split")}}
    labels = clip.labels or ()
    times = [[round(label.start, 3), round(label.end, 3)] for label in labels]
    return Sound(audio, {**line, "labels": "\t".join(label.phone for label in labels), "times": times})


def main() -> None:
    """`python -m dia.training.mini.encoding CODEC CORPUS FOLDER`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codec", type=Path, help="folder of the codec")
    parser.add_argument("corpus", type=Path, help="folder of the corpus")
    parser.add_argument("folder", type=Path, help="folder for the codes")
    parser.add_argument("--variants", type=int, default=1, help="frame offsets per clip (default: 1)")
    parser.add_argument("--threads", type=int, default=2, help="number of CPU threads (default: 2)")
    parser.add_argument("--compiled", action="store_true", help="compile the layers; needs a C++ compiler")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    codec = DacModel.from_pretrained(arguments.codec, dtype=torch.float32)
    encode_corpus(codec, arguments.corpus, arguments.folder, arguments.variants, arguments.compiled)


if __name__ == "__main__":
    main()

__all__ = ["encode_corpus", "encode_packed", "encoded_clips", "pack", "sound_of"]
