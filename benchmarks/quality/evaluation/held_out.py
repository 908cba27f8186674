"""Held-out texts for the embedded model: they share no run of four words with its training texts.

Also the teacher's speech of them, by flite. Independent of the model and of recognizers.
"""

import argparse
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from evaluation.recognizer import words_of
from tqdm import tqdm

from dia.audio.waveform import Waveform
from dia.training.mini.teacher.english import sentence, word_sequence
from dia.training.mini.teacher.texts import split_of, utterances
from dia.training.mini.teacher.voices import performs, trim

SPEAKERS = ("S1", "S2")
TEACHER_RATE = 16_000
RUN = 4

Runs = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Item:
    """A turn: its text, its speaker, and the teacher's speech at `TEACHER_RATE`, 0.1 s of silence at both ends.

    `speaker` is "S1", "S2" or the name of a voice; `kind` is "sentence" or "sequence".
    """

    text: str
    speaker: str
    kind: str
    teacher: Waveform

    @property
    def script(self) -> str:
        """The text with its speaker's tag; voices without one of their own speak as [S1]."""
        return f"[{self.speaker if self.speaker in SPEAKERS else 'S1'}] {self.text}"

    @property
    def seconds(self) -> float:
        """Duration of the teacher's speech, including silence at the ends."""
        return len(self.teacher) / TEACHER_RATE


class Drawn(NamedTuple):
    """The accepted sentences, and how many were rejected because they share a run of four words with training."""

    texts: list[str]
    refused: int


def runs_of(text: str, length: int = RUN) -> set[tuple[str, ...]]:
    """Every run of `length` consecutive words; punctuation and tags do not count.

    >>> sorted(runs_of("Yes. I am, (laughs) here!"))
    [('yes', 'i', 'am', 'here')]
    """
    words = words_of(text)
    return {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}


def trained_runs(count: int, seed: int = 0) -> Runs:
    """All runs of four words in the training split of the first `count` training utterances."""
    texts = (utterance.text for utterance in islice(utterances(seed), count) if utterance.split == "train")
    bar = tqdm(texts, "texts trained on", total=count, leave=False)
    return frozenset(run for text in bar for run in runs_of(text))


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Options for the arguments of `trained_runs`."""
    parser.add_argument(
        "--training-texts", type=int, default=60_000, help="number of texts the model was trained on (default: 60000)"
    )
    parser.add_argument("--training-seed", type=int, default=0, help="seed of these texts (default: 0)")


def fresh_sentences(candidates: Iterable[str], trained: Runs, count: int) -> Drawn:
    """The first `count` of `candidates` that are of the held-out split, have four words, and share no run of four
    words with training."""
    texts: list[str] = []
    refused = 0
    for text in candidates:
        if len(texts) == count:
            break
        runs = runs_of(text)
        if not runs or split_of(text) != "heldout":
            continue
        if runs & trained:
            refused += 1
        else:
            texts.append(text)
    return Drawn(texts, refused)


def sentences(seed: str) -> Iterator[str]:
    """An endless iterator of sentences from the grammar."""
    rng = random.Random(f"quality {seed}")
    while True:
        yield sentence(rng)


def sequences(seed: str, count: int) -> list[str]:
    """`count` sequences of 3 to 6 words of the lexicon, none of the training split."""
    rng = random.Random(f"quality sequences {seed}")
    drawn = (word_sequence(rng, rng.randint(3, 6)) for _ in iter(int, 1))
    return list(islice((text for text in drawn if split_of(text) == "heldout"), count))


def spoken_by_teacher(text: str, speaker: str, kind: str = "sentence") -> Item:
    """The teacher's speech of `text`. Raises FileNotFoundError if flite is not installed."""
    return Item(text, speaker, kind, trim(performs(text, speaker)).astype(np.float32) / 32768)


def in_turn(texts: Iterable[str], kind: str) -> list[Item]:
    """The teacher's speech of each text, alternating between [S1] and [S2]."""
    bar = tqdm(list(texts), f"teacher, {kind}s", leave=False)
    return [spoken_by_teacher(text, SPEAKERS[number % 2], kind) for number, text in enumerate(bar)]
