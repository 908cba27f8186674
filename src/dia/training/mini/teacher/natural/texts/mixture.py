"""The texts of the corpus: an endless, reproducible stream of prose, dialogue, everyday lines, answers and words."""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dia.text.english.normalization import spoken_form
from dia.training.mini.teacher.corpus import SEED_TEXTS, Split, split_of, spoken_words
from dia.training.mini.teacher.english import sentence
from dia.training.mini.teacher.natural.texts import everyday, prose

# Of 100 texts. Single words and answers are short, so that they are a small part of the time.
SHARES = {
    "prose": 32,
    "dialogue": 12,
    "question": 8,
    "phrase": 10,
    "everyday": 18,
    "product": 6,
    "answer": 6,
    "words": 6,
    "grammar": 2,
}
OPEN_SHARE = 0.12  # of the texts that end in a full stop: they lose it


@dataclass(frozen=True)
class Text:
    """One text.

    Attributes:
        typed: as a user would write it.
        spoken: as the normalizer writes it, without digits.
        kind: a key of `SHARES`.
    """

    typed: str
    spoken: str
    kind: str

    @property
    def split(self) -> Split:
        """The split of this text, the same in every run."""
        return split_of(self.spoken)


class Texts:
    """All texts of the corpus; the sentences of `SEED_DIALOGUE` are left out, only their words come.

    Args:
        folder: with the archives of prose and names.
        never: file with sentences to leave out, one a line, such as those of a benchmark.

    Raises:
        FileNotFoundError: an archive or `never` is missing.
    """

    def __init__(self, folder: Path, never: Path) -> None:
        left_out = never.read_text(encoding="utf-8").splitlines()
        self._never = {key_of(spoken_form(text)) for text in left_out} | SEED_TEXTS
        self._prose = {source: prose.sentences(source, folder) for source in prose.SOURCES}
        seen = {word for text in self.distinct_prose() for word in re.findall(r"[A-Za-z]+", text)}
        self._names = [name for name in prose.names(folder) if name in seen and name.lower() not in seen]

    def stream(self, seed: int = 0) -> Iterator[Text]:
        """Texts without end. Each sentence of the prose comes once before any comes twice."""
        rng = random.Random(seed)
        draw = self._makers(rng)
        kinds, weights = list(SHARES), list(SHARES.values())
        while True:
            kind = rng.choices(kinds, weights)[0]
            typed = _without_stop(draw[kind](), rng)
            text = Text(typed, spoken_form(typed), kind)
            if (key := key_of(text.spoken)) and key not in self._never:
                yield text

    def distinct_prose(self) -> set[str]:
        """Every sentence of the prose."""
        return {text for sentences in self._prose.values() for text in sentences}

    def _makers(self, rng: random.Random) -> dict[str, Callable[[], str]]:
        said = set(self._prose["austen-turns"])
        plain = [
            text for name in ("melville", "addresses", "austen") for text in self._prose[name] if text not in said
        ]
        asked = [text for text in self.distinct_prose() if text.endswith("?")]
        words = sorted(
            {word for text in self.distinct_prose() for word in re.findall(r"(?<![\w'])[a-z]{2,}(?![\w'])", text)}
        )
        decks = {
            "prose": deck([text for text in plain if not text.endswith("?")], rng),
            "dialogue": deck([text for text in self._prose["austen-turns"] if not text.endswith("?")], rng),
            "question": deck(sorted(asked), rng),
            "phrase": deck(self._prose["wordnet"], rng),
            "words": deck(words, rng),
        }
        makers: dict[str, Callable[[], str]] = {name: _next_of(cards) for name, cards in decks.items()}
        makers["words"] = lambda: _words(decks["words"], rng)
        makers["everyday"] = lambda: everyday.line(rng, self._names)
        makers["product"] = lambda: everyday.line(rng, self._names, "product")
        makers["answer"] = lambda: everyday.answer(rng, self._names)
        makers["grammar"] = lambda: sentence(rng)
        return makers


def key_of(spoken: str) -> str:
    """What texts share that differ in nothing but case and punctuation; numbers are words in `spoken`."""
    return " ".join(spoken_words(spoken))


def deck(cards: Sequence[str], rng: random.Random) -> Iterator[str]:
    """The cards in random order, then in another random order, without end.

    Raises:
        ValueError: there are no cards.
    """
    if not (shuffled := list(cards)):
        raise ValueError("cards: the archives hold no sentence of one kind; they are not those expected.")
    while True:
        rng.shuffle(shuffled)
        yield from shuffled


def _next_of(cards: Iterator[str]) -> Callable[[], str]:
    return lambda: next(cards)


def _words(cards: Iterator[str], rng: random.Random) -> str:
    """One to three words alone, with or without capital and final stop."""
    words = " ".join(next(cards) for _ in range(rng.choice((1, 1, 1, 2, 3))))
    return rng.choice((words, f"{words.capitalize()}.", f"{words.capitalize()}!", words.capitalize()))


def _without_stop(text: str, rng: random.Random) -> str:
    return text[:-1] if rng.random() < OPEN_SHARE and re.search(r"[^.]\.$", text) else text
