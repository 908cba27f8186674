"""Whether a word is English: it is in the dictionary of pronunciations that the package contains."""

import gzip
from functools import cache
from pathlib import Path

_DICTIONARY = Path(__file__).parents[2] / "mini" / "pronunciations.txt.gz"
_HEADER_LINES = 2  # the phones and the sounds


def is_word(word: str) -> bool:
    """Whether one of 173,000 English words is `word` in lower case. The first call takes about 0.1 s."""
    return word.lower() in _words()


@cache
def _words() -> frozenset[str]:
    lines = gzip.decompress(_DICTIONARY.read_bytes()).decode().split("\n")[_HEADER_LINES:]
    return frozenset(line.partition(" ")[0] for line in lines)


__all__ = ["is_word"]
