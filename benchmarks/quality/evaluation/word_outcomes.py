"""What became of each word of a sentence in what a recognizer heard, and of which class the word is.

Knows words only; knows nothing of models or of sound.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np
from evaluation.recognizer import words_of
from numpy.typing import NDArray

RIGHT, SUBSTITUTED, DELETED = "right", "substituted", "deleted"
STRETCH = 2  # consecutive words that count as a stretch

_TOKEN = re.compile(r"[A-Za-z']+|[,;:]")


class Outcome(NamedTuple):
    """What became of each reference word, and the words heard beside them, as (place in the reference, word)."""

    fates: tuple[str, ...]
    inserted: tuple[tuple[int, str], ...]

    @property
    def errors(self) -> int:
        """All errors, at most one for each reference word, so that one runaway sentence does not decide."""
        return min(len(self.fates), len(self.inserted) + sum(fate != RIGHT for fate in self.fates))


class Kinds(NamedTuple):
    """Shares of all errors, and stretches of at least `STRETCH` words per 100 sentences."""

    substituted: float
    deleted: float
    inserted: float
    skipped: float
    repeated: float


class Word(NamedTuple):
    """A reference word, its classes, and when the teacher begins to say it, in seconds."""

    text: str
    classes: frozenset[str]
    start: float


def outcome(reference: Sequence[str], heard: Sequence[str]) -> Outcome:
    """Align two sequences of words with the fewest edits.

    >>> outcome("we met a cat".split(), "we we met cap".split())
    Outcome(fates=('right', 'right', 'deleted', 'substituted'), inserted=((0, 'we'),))
    """
    costs = _costs(reference, heard)
    fates, inserted = list[str](), list[tuple[int, str]]()
    i, j = len(reference), len(heard)
    while i or j:
        same = bool(i and j) and reference[i - 1] == heard[j - 1]
        if i and j and costs[i, j] == costs[i - 1, j - 1] + (not same):
            fates.append(RIGHT if same else SUBSTITUTED)
            i, j = i - 1, j - 1
        elif i and costs[i, j] == costs[i - 1, j] + 1:
            fates.append(DELETED)
            i -= 1
        else:
            j -= 1
            inserted.append((i, heard[j]))
    return Outcome(tuple(reversed(fates)), tuple(reversed(inserted)))


def _costs(reference: Sequence[str], heard: Sequence[str]) -> NDArray[np.int64]:
    costs = np.add.outer(np.arange(len(reference) + 1), np.arange(len(heard) + 1))
    for i, expected in enumerate(reference, 1):
        for j, word in enumerate(heard, 1):
            changed = costs[i - 1, j - 1] + (expected != word)
            costs[i, j] = min(changed, costs[i - 1, j] + 1, costs[i, j - 1] + 1)
    return costs


def kinds(references: Sequence[Sequence[str]], outcomes: Sequence[Outcome]) -> Kinds:
    """How the errors of all sentences divide. A stretch repeated is one that was inserted after, or before, itself."""
    counts = [sum(one.fates.count(fate) for one in outcomes) for fate in (SUBSTITUTED, DELETED)]
    counts.append(sum(len(one.inserted) for one in outcomes))
    whole = max(1, sum(counts))
    skipped = sum(_runs(one.fates) for one in outcomes)
    repeated = sum(_repeats(reference, one) for reference, one in zip(references, outcomes, strict=True))
    hundred = 100 / max(1, len(outcomes))
    return Kinds(*(count / whole for count in counts), skipped * hundred, repeated * hundred)


def _runs(fates: Sequence[str]) -> int:
    """Stretches of deleted words."""
    marks = "".join("d" if fate == DELETED else "." for fate in fates)
    return len(re.findall(f"d{{{STRETCH},}}", marks))


def _repeats(reference: Sequence[str], one: Outcome) -> int:
    """Places where the words inserted are those just before or after them."""
    found = 0
    for place in {place for place, _ in one.inserted}:
        words = [word for at, word in one.inserted if at == place]
        beside = {tuple(reference[max(0, place - len(words)) : place]), tuple(reference[place : place + len(words)])}
        found += tuple(words) in beside
    return found


def classed(written: str, spoken: str, trained: Mapping[str, int]) -> list[frozenset[str]]:
    """The classes of each word of a sentence.

    Args:
        written: the sentence as its author wrote it.
        spoken: the sentence with numbers as words, without hyphens.
        trained: how often each word occurs in the training texts.
    """
    tokens = _TOKEN.findall(spoken)
    words = [token.lower() for token in tokens if token not in ",;:"]
    numbers = _unwritten(words_of(written.replace("-", " ")), words)
    after = {
        sum(token not in ",;:" for token in tokens[:at]) for at, token in enumerate(tokens) if token in ",;:"
    }  # the word behind each mark
    found, digits = [], any(letter.isdigit() for letter in written)
    names = [token for token in tokens if token not in ",;:"]
    for place, word in enumerate(words):
        classes = {"first word": place == 0, "last word": place == len(words) - 1, "after a comma": place in after}
        classes |= {"written as digits": place in numbers, "in a sentence with digits": digits}
        classes |= {"name": place > 0 and names[place][0].isupper() and word.split("'")[0] != "i"}
        classes |= {_length(word): True, _frequency(trained.get(word, 0)): True}
        found.append(frozenset(name for name, holds in classes.items() if holds))
    return found


def _length(word: str) -> str:
    return "1 to 3 letters" if len(word) < 4 else "4 to 6 letters" if len(word) < 7 else "7 letters or more"


def _frequency(count: int) -> str:
    if count == 0:
        return "never in training"
    return "1 to 99 times in training" if count < 100 else "100 times or more in training"


def _unwritten(written: Sequence[str], spoken: Sequence[str]) -> set[int]:
    """Places of spoken words that are not written as such: numbers and what belongs to them."""
    matches = SequenceMatcher(None, written, spoken, autojunk=False).get_matching_blocks()
    same = {match.b + step for match in matches for step in range(match.size)}
    return set(range(len(spoken))) - same


def wrong_of_class(words: Sequence[Word], one: Outcome, name: str) -> tuple[int, int]:
    """Wrong words of a class in one sentence, and words of that class."""
    fates = [fate for word, fate in zip(words, one.fates, strict=True) if name in word.classes]
    return sum(fate != RIGHT for fate in fates), len(fates)


def wrong_between(words: Sequence[Word], one: Outcome, first: float, last: float) -> tuple[int, int]:
    """Wrong words among those that begin between two times in seconds, and all of these words."""
    fates = [fate for word, fate in zip(words, one.fates, strict=True) if first <= word.start < last]
    return sum(fate != RIGHT for fate in fates), len(fates)


def classes_in(sentences: Iterable[Sequence[Word]]) -> list[str]:
    """All classes that occur."""
    return sorted({name for words in sentences for word in words for name in word.classes})
