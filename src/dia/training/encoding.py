"""The teacher's speech as codes on disk: every clip encoded at several random frame shifts, resumable, and its reader.

Knows the teacher's shards and a trained codec. Knows nothing of losses, texts' meaning or the language model.
"""

import argparse
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DacModel

from dia.training.teacher import Recording, read_shard, shard_numbers

Codes = NDArray[np.uint16]
Encoder = Callable[[Tensor], Tensor]

ROW_FRAMES = 600
ROWS_AT_ONCE = 4
GAP_FRAMES = 4


def shifted(audio: NDArray[np.int16], shift: int, hop: int) -> NDArray[np.float32]:
    """fp32 audio that begins `shift` samples earlier, with the mirrored start of itself, and fills whole frames."""
    samples = audio.astype(np.float32) / 32768
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
def encode_clips(codec: DacModel, clips: list[NDArray[np.float32]], encoder: Encoder | None = None) -> list[Codes]:
    """fp32 clips of whole frames → codes [T, C] each, in the given order.

    All are laid out in rows of equal length, `ROWS_AT_ONCE` at a time, so that memory is bounded and a compiled
    `encoder` (by default the codec's own) sees one shape only.
    """
    encode, hop = encoder if encoder is not None else codec.encoder, codec.config.hop_length
    lengths = [clip.size // hop for clip in clips]
    row_frames = max(ROW_FRAMES, *lengths)
    places = pack(lengths, row_frames)
    rows = np.zeros((-(-(places[-1][0] + 1) // ROWS_AT_ONCE) * ROWS_AT_ONCE, row_frames * hop), np.float32)
    for clip, (row, first) in zip(clips, places, strict=True):
        rows[row, first * hop : first * hop + clip.size] = clip
    grids = []
    for part in torch.split(torch.from_numpy(rows), ROWS_AT_ONCE):
        grids.append(codec.quantizer(encode(part[:, None]).float())[1].transpose(1, 2).numpy().astype(np.uint16))
    grid = np.concatenate(grids)
    return [grid[row, first : first + length] for length, (row, first) in zip(lengths, places, strict=True)]


def _paths(folder: Path, number: int, variant: int) -> tuple[Path, Path]:
    stem = f"codes-{number:05d}-{variant}"
    return folder / f"{stem}.npy", folder / f"{stem}.jsonl"


def _shifts(count: int, hop: int, number: int, variant: int) -> list[int]:
    generator = np.random.default_rng([number, variant])
    return [int(shift) for shift in generator.integers(0, hop, count)]


def encode_shard(
    codec: DacModel, clips: list[Recording], folder: Path, number: int, variant: int, encoder: Encoder | None = None
) -> None:
    """Encode one shard at one set of random shifts into `folder`; its index is renamed into place last."""
    codes_path, index_path = _paths(folder, number, variant)
    hop = codec.config.hop_length
    shifts = _shifts(len(clips), hop, number, variant)
    waves = [shifted(clip.audio, shift, hop) for clip, shift in zip(clips, shifts, strict=True)]
    codes = encode_clips(codec, waves, encoder)
    np.save(codes_path, np.concatenate(codes))
    rows, start = [], 0
    for clip, shift, grid in zip(clips, shifts, codes, strict=True):
        row = {"text": clip.text, "speaker": clip.speaker, "kind": clip.kind, "split": clip.split, "shift": shift}
        rows.append(
            {**row, "start": start, "frames": len(grid), "seconds": clip.audio.size / codec.config.sampling_rate}
        )
        start += len(grid)
    unfinished = index_path.with_suffix(".part")
    unfinished.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    unfinished.rename(index_path)


def encode_teacher(codec: DacModel, speech: Path, folder: Path, variants: int = 3, compiled: bool = False) -> None:
    """Encode every shard of `speech` at `variants` sets of shifts. What `folder` already holds is kept.

    A folder belongs to one codec: codes of another one raise ValueError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, codec)
    codec.eval()
    encoder = torch.compile(codec.encoder, dynamic=False) if compiled else codec.encoder
    todo = [(variant, number) for variant in range(variants) for number in shard_numbers(speech)]
    for done, (variant, number) in enumerate(todo, start=1):
        if not _paths(folder, number, variant)[1].exists():
            encode_shard(codec, list(read_shard(speech, number)), folder, number, variant, encoder)
        print(f"\rcodes: {done}/{len(todo)} shards", end="", flush=True)
    print()


def _claim(folder: Path, codec: DacModel) -> None:
    weights = b"".join(
        w.detach().float().numpy().tobytes() for w in (*codec.encoder.parameters(), *codec.quantizer.parameters())
    )
    mark, path = f"{zlib.crc32(weights):08x}", folder / "codec.crc32"
    if path.exists() and path.read_text() != mark:
        raise ValueError(f"folder {folder} holds codes of another codec. Use an empty folder or delete it")
    path.write_text(mark)


@dataclass(frozen=True)
class CodedClip:
    """One utterance: `codes` uint16 [T, C]; `seconds` is the length of the teacher's clip, quiet edges included."""

    codes: Codes
    text: str
    speaker: str
    split: str
    kind: str
    seconds: float


class CodeCache:
    """Everything `encode_teacher` wrote to `folder` so far, in memory (about 1 kB a clip).

    >>> clip = CodeCache(folder)[0]  # doctest: +SKIP
    >>> clip.codes.shape, clip.text, clip.speaker, clip.split  # doctest: +SKIP
    ((59, 8), 'Dia is an open weights text to dialogue model.', 'S1', 'train')
    """

    def __init__(self, folder: Path) -> None:
        self.rows: list[CodedClip] = []
        for index in sorted(folder.glob("codes-*.jsonl")):
            codes = np.load(index.with_suffix(".npy"))
            for line in index.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                grid = codes[row["start"] : row["start"] + row["frames"]]
                self.rows.append(
                    CodedClip(grid, row["text"], row["speaker"], row["split"], row["kind"], row["seconds"])
                )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> CodedClip:
        return self.rows[index]


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
