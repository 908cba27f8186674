"""Rows of mixed length for the benchmarks of jobs. The same numbers give the same rows."""

import random

_SENTENCES = (
    "Good morning.",
    "How was your trip to the coast last week?",
    "It rained on the first day, but after that the weather was lovely.",
    "We walked along the cliffs, and had lunch in a small village by the sea.",
    "That sounds wonderful.",
    "I have never been there, though my sister has told me a lot about it.",
    "Shall we go together next year?",
    "Yes, gladly.",
)
_WORDS = ("Yes", "No", "Fine", "Perhaps", "Number", "Good")


def mixed_rows(count: int, longest: int = 8) -> list[dict[str, str]]:
    """Rows of 1 to `longest` sentences, in turns of two speakers."""
    rows = []
    for number in range(count):
        chance = random.Random(number)
        said = chance.choices(_SENTENCES, k=chance.randint(1, longest))
        turns = (f"[S{index % 2 + 1}] {sentence}" for index, sentence in enumerate(said))
        rows.append({"id": f"row-{number:05d}", "text": " ".join(turns)})
    return rows


def short_rows(count: int) -> list[dict[str, str]]:
    """Rows of one or two words, each with another text."""
    return [
        {"id": f"row-{number:05d}", "text": f"[S{number % 2 + 1}] {_WORDS[number % len(_WORDS)]}, {number}."}
        for number in range(count)
    ]


__all__ = ["mixed_rows", "short_rows"]
