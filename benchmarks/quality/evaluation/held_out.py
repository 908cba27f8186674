"""What the embedded model is asked to say: texts that share nothing of four words or more with its training.

Knows texts and the teacher, flite. Knows nothing of the model, nor of what is heard.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from evaluation.recognizer import Audio, words_of
from tqdm import tqdm

from dia.training.mini.teacher.english import sentence, word_sequence
from dia.training.mini.teacher.texts import split_of, utterances
from dia.training.mini.teacher.voices import performs, trim

SPEAKERS = ("S1", "S2")
TEACHER_RATE = 16_000
RUN = 4

Runs = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Item:
    """One turn: its text, who says it, and the teacher's speech at `TEACHER_RATE`, 0.1 s of silence at both ends.

    `speaker` is "S1", "S2" or the name of a voice; `kind` is "sentence" or "sequence".
    """

    text: str
    speaker: str
    kind: str
    teacher: Audio

    @property
    def script(self) -> str:
        """The text with its speaker's tag; voices without one of their own speak as [S1]."""
        return f"[{self.speaker if self.speaker in SPEAKERS else 'S1'}] {self.text}"

    @property
    def seconds(self) -> float:
        """How long the teacher speaks, silence at the ends included."""
        return len(self.teacher) / TEACHER_RATE


class Drawn(NamedTuple):
    """Sentences that passed, and how many were refused because training has four words in a row of theirs."""

    texts: list[str]
    refused: int


def runs_of(text: str, length: int = RUN) -> set[tuple[str, ...]]:
    """Every run of `length` words, whatever stands between them.

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
    """Sentences of the grammar without end."""
    rng = random.Random(f"quality {seed}")
    while True:
        yield sentence(rng)


def sequences(seed: str, count: int) -> list[str]:
    """`count` sequences of 3 to 6 words of the lexicon, none of the training split."""
    rng = random.Random(f"quality sequences {seed}")
    drawn = (word_sequence(rng, rng.randint(3, 6)) for _ in iter(int, 1))
    return list(islice((text for text in drawn if split_of(text) == "heldout"), count))


def spoken_by_teacher(text: str, speaker: str, kind: str = "sentence") -> Item:
    """`text` as the teacher says it. Raises FileNotFoundError when flite is not installed."""
    return Item(text, speaker, kind, trim(performs(text, speaker)).astype(np.float32) / 32768)


def in_turn(texts: Iterable[str], kind: str) -> list[Item]:
    """Each text as the teacher says it, [S1] and [S2] in turn."""
    bar = tqdm(list(texts), f"teacher, {kind}s", leave=False)
    return [spoken_by_teacher(text, SPEAKERS[number % 2], kind) for number, text in enumerate(bar)]
