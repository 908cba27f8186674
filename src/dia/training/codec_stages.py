"""The mini codec's training from the teacher's shards on disk: batches, validation, and the order of the stages.

Knows the teacher's files and the codec trainer. Knows nothing of texts or of the language model.
"""

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import DacModel

from dia.training.codec_losses import SpectralLoss
from dia.training.codec_training import MINI_CODEC, CodecRecipe, CodecTrainer, build_codec
from dia.training.teacher import Recording, read_shard, shard_numbers

SEGMENT_FRAMES = 16
BATCH = 8


def cut(clip: Recording, samples: int, rng: random.Random) -> Tensor:
    """A random stretch of `clip` as fp32 [samples]; a shorter clip stands at a random place in silence."""
    audio = np.asarray(clip.audio, dtype=np.float32) / 32768
    spare = audio.size - samples
    if spare >= 0:
        start = rng.randint(0, spare)
        return torch.from_numpy(audio[start : start + samples])
    before = rng.randint(0, -spare)
    return torch.from_numpy(np.pad(audio, (before, -spare - before)))


def speech_batches(folder: Path, samples: int, batch: int = BATCH, seed: int = 0) -> Iterator[Tensor]:
    """Endless batches [batch, samples] of training clips at random places and slightly different levels.

    Shards that appear in `folder` while training are taken up; each is read in random order of shards.
    """
    rng = random.Random(seed)
    row: list[Tensor] = []
    while True:
        numbers = shard_numbers(folder)
        if not numbers:
            raise ValueError(f"folder {folder} holds no teacher's speech. Run python -m dia.training.teacher first")
        clips = [clip for clip in read_shard(folder, rng.choice(numbers)) if clip.split == "train"]
        rng.shuffle(clips)
        for clip in clips:
            row.append(cut(clip, samples, rng) * rng.uniform(0.7, 1.15))
            if len(row) == batch:
                yield torch.stack(row)
                row = []


def heldout_validation(folder: Path, samples: int, count: int = 48) -> Callable[[DacModel], dict[str, float]]:
    """A function that measures a codec on the same `count` held-out stretches every time it is called."""
    rng = random.Random(1)
    clips = [
        clip for number in shard_numbers(folder) for clip in read_shard(folder, number) if clip.split == "heldout"
    ]
    audio = torch.stack([cut(clip, samples, rng) for clip in rng.sample(clips, min(count, len(clips)))])
    measure = SpectralLoss(MINI_CODEC.sampling_rate)

    @torch.no_grad()
    def validate(codec: DacModel) -> dict[str, float]:
        latent = codec.encoder(audio[:, None])
        bare = measure(codec.decoder(latent)[:, 0], audio).item()
        quantised, codes, *_ = codec.quantizer(latent)
        through = measure(codec.decoder(quantised)[:, 0], audio).item()
        used = torch.tensor([c.unique().numel() for c in codes.transpose(0, 1)])
        return {"valid": through, "valid_unquantised": bare, "codes_used": used.float().mean().item()}

    return validate


def train_codec(speech: Path, folder: Path, recipes: list[CodecRecipe], threads: int = 2) -> DacModel:
    """Run `recipes` in order, resuming where `folder` stands; returns the averaged codec."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    samples = SEGMENT_FRAMES * MINI_CODEC.hop_length
    codec = build_codec(MINI_CODEC)
    trainer = CodecTrainer(codec.train(), iter(()), folder)
    trainer.resume()
    trainer.batches = speech_batches(speech, samples, seed=1 + trainer.progress.step)
    for recipe in recipes:
        trainer.run(recipe, heldout_validation(speech, samples))
    return trainer.averaged()


def mini_recipes(joint_minutes: float, decoder_minutes: float, compiled: bool = True) -> list[CodecRecipe]:
    """The three stages of the mini codec; each but the first is bounded by time, so that any machine finishes."""
    return [
        CodecRecipe("warmup", 250, 1.5e-3, final_share=1.0, compiled=compiled),
        CodecRecipe("joint", 100_000, 1.2e-3, seconds=60 * joint_minutes, compiled=compiled),
        CodecRecipe("decoder", 100_000, 1e-3, seconds=60 * decoder_minutes, average_decay=0.998, compiled=compiled),
    ]


def save_codec(state: Path, destination: Path) -> None:
    """Write the averaged codec of a trainer's `state` folder to `destination`, in fp16, for `from_pretrained`."""
    trainer = CodecTrainer(build_codec(MINI_CODEC), iter(()), state)
    if not trainer.resume():
        raise ValueError(f"state {state} holds no codec. Run python -m dia.training.codec_stages first")
    trainer.averaged().half().save_pretrained(destination)


def main() -> None:
    """`python -m dia.training.codec_stages SPEECH FOLDER`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--joint-minutes", type=float, default=25)
    parser.add_argument("--decoder-minutes", type=float, default=60)
    parser.add_argument("--compiled", action="store_true")
    arguments = parser.parse_args()
    recipes = mini_recipes(arguments.joint_minutes, arguments.decoder_minutes, arguments.compiled)
    train_codec(arguments.speech, arguments.folder, recipes, arguments.threads)


if __name__ == "__main__":
    main()
