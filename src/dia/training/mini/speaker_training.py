"""Train the speaker encoder of the embedded model: clips of one voice get the same marks, other voices others.

A contrastive loss over two sides of many voices, each side one or two clips. Some voices, with all their changed
copies, are left out of training, to measure with.
"""

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from dia.codec.speaker_encoder import SpeakerEncoder
from dia.training.data.encoding import CodeCache
from dia.training.mini.teacher.natural.teachers.changed_voice import unchanged

DIMENSIONS, LEVELS = 12, 10
_VOICES = 160  # in a batch
_CLIP_FRAMES = 60, 250  # a side is cut to a random length, and to the largest
_NINE = 9
_RATE, _WARM_UP = 3e-3, 50

Voices = dict[str, list[Tensor]]


class SpeakerTrainer:
    """Trains a speaker encoder on the clips of a code cache.

    Args:
        voices: codes [T, C] of the clips of each voice, at least two each.
        codebook_size: number of codes of each codebook.
        dimensions, levels: of the encoder.
        seed: of weights and of all random choices.
    """

    def __init__(
        self, voices: Voices, codebook_size: int, dimensions: int = DIMENSIONS, levels: int = LEVELS, seed: int = 0
    ) -> None:
        torch.manual_seed(seed)
        self.voices, self.rng = voices, random.Random(seed)
        self.learned, self.left_out = divided(voices, self.rng)
        channels = next(iter(voices.values()))[0].shape[1]
        self.encoder = SpeakerEncoder(channels, codebook_size, dimensions, levels)
        self.scale = nn.Parameter(torch.tensor(5.0))
        parameters = {"params": list(self.encoder.parameters()), "weight_decay": 0.02}
        self.optimizer = torch.optim.AdamW([parameters, {"params": [self.scale], "weight_decay": 0.0}], _RATE)

    def run(self, minutes: float) -> None:
        """Train for some minutes, and print the loss and `own_of_nine` now and then."""
        began, step = time.monotonic(), 0
        while (progress := (time.monotonic() - began) / (60 * minutes)) < 1:
            for group in self.optimizer.param_groups:
                group["lr"] = _RATE * min(1.0, (step + 1) / _WARM_UP) * (1 - 0.95 * progress)
            loss = self.loss(self.rng.sample(self.learned, min(_VOICES, len(self.learned))))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            step += 1
            if step % 100 == 0:
                print(f"step {step}: loss {loss.item():.3f}, own of nine {self.own_of_nine():.3f}", flush=True)

    def loss(self, names: Sequence[str]) -> Tensor:
        """Cross entropy of finding the other side of each voice, plus terms that spread values over all levels."""
        values = self._values(names, self.rng, rounded=self.rng.random() < 0.5)
        values = values + torch.randn_like(values) * 0.5 / self.encoder.levels
        one, other = values.chunk(2)
        likeness = -torch.cdist(one, other).square() * self.scale.abs()
        own = torch.arange(len(names))
        found = functional.cross_entropy(likeness, own) + functional.cross_entropy(likeness.T, own)
        spread = values.mean(0).square().mean() + functional.relu(0.5 - values.std(0)).square().mean()
        return found + 0.5 * spread

    @torch.no_grad()
    def own_of_nine(self, rounds: int = 4) -> float:
        """How often a clip of a voice left out of training is nearer to another of it than to eight other voices."""
        rng, right, total = random.Random(5), 0, 0
        for _ in range(rounds if len(self.left_out) >= _NINE else 0):
            one, other = self._values(self.left_out, rng, rounded=True).chunk(2)
            distance = torch.cdist(one, other)
            for number in range(len(self.left_out)):
                others = [at for at in range(len(self.left_out)) if at != number]
                others = rng.sample(others, _NINE - 1)
                right += bool(distance[number, number] < distance[number, others].min())
                total += 1
        return right / max(total, 1)

    def _values(self, names: Sequence[str], rng: random.Random, rounded: bool) -> Tensor:
        """The values of one side of each voice, then of the other, [2 N, D]."""
        sides: tuple[list[Tensor], list[Tensor]] = [], []
        for name in names:
            pool = rng.sample(self.voices[name], len(self.voices[name]))
            half = max(1, len(pool) // 2)
            for side, clips in zip(sides, (pool[:half], pool[half:]), strict=True):
                side.append(_side(clips, rng))
        clips = [*sides[0], *sides[1]]
        lengths = torch.tensor([len(clip) for clip in clips])
        codes = nn.utils.rnn.pad_sequence(clips, batch_first=True)
        values: Tensor = self.encoder(codes, torch.arange(codes.shape[1]) < lengths[:, None])
        if rounded:
            nearest = self.encoder.nearest(values) / (self.encoder.levels - 1) * 2 - 1
            values = values + (nearest - values).detach()
        return values


def _side(clips: Sequence[Tensor], rng: random.Random) -> Tensor:
    joined = torch.cat(rng.sample(clips, min(len(clips), rng.randint(1, 2))))
    shortest, longest = _CLIP_FRAMES
    if len(joined) > shortest and rng.random() < 0.5:
        length = rng.randint(shortest, len(joined))
        start = rng.randint(0, len(joined) - length)
        joined = joined[start : start + length]
    return joined[:longest]


def divided(voices: Voices, rng: random.Random) -> tuple[list[str], list[str]]:
    """The names of the voices to learn, and of those left out: every sixteenth voice, with all its changed copies."""
    origins = sorted({unchanged(name) for name in voices})
    left_out = set(rng.sample(origins, len(origins) // 16))
    learned, others = list[str](), list[str]()
    for name in sorted(voices):
        (others if unchanged(name) in left_out else learned).append(name)
    return learned, others


def read_voices(cache: CodeCache) -> Voices:
    """The codes of the training clips of each voice that has several."""
    found: Voices = {}
    for row in cache.rows:
        if row.split == "train" and not row.shift:
            found.setdefault(row.speaker, []).append(torch.from_numpy(row.codes.astype("int64")))
    return {name: clips for name, clips in found.items() if len(clips) > 1}


def train_speakers(
    codes: Path, out: Path, minutes: float, dimensions: int = DIMENSIONS, levels: int = LEVELS, seed: int = 0
) -> None:
    """Train a speaker encoder on the code cache in `codes`, and save it as `out`.

    Raises:
        ValueError: the cache contains no codes, or fewer than two voices with several clips.
    """
    cache = CodeCache(codes)
    voices = read_voices(cache)
    if len(voices) < 2:
        raise ValueError(f"codes {codes} contains {len(voices)} voices with several clips; two are needed.")
    trainer = SpeakerTrainer(voices, cache.codec.codebook_size, dimensions, levels, seed)
    print(f"{len(trainer.learned)} voices to learn, {len(trainer.left_out)} left out", flush=True)
    trainer.run(minutes)
    print(f"own of nine {trainer.own_of_nine(20):.3f}")
    trainer.encoder.save(out)


def main() -> None:
    """`python -m dia.training.mini.speaker_training CODES OUT`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codes", type=Path, help="folder of a code cache")
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--minutes", type=float, default=6.0, help="length of the training (default: 6)")
    parser.add_argument("--dimensions", type=int, default=DIMENSIONS, help=f"default: {DIMENSIONS}")
    parser.add_argument("--levels", type=int, default=LEVELS, help=f"of each dimension (default: {LEVELS})")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    given = parser.parse_args()
    torch.set_num_threads(1)
    train_speakers(given.codes, given.out, given.minutes, given.dimensions, given.levels, given.seed)


if __name__ == "__main__":
    main()

__all__ = ["SpeakerTrainer", "divided", "read_voices", "train_speakers"]
