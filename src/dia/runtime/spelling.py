"""Suggest the word that a misspelled one was probably meant to be."""

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A clause that suggests the most similar known word, or "" if none is similar.

    >>> did_you_mean("sya", ["say", "train"])
    "; did you mean 'say'?"
    """
    from difflib import get_close_matches  # needed only after a mistake

    words = {one.lower(): one for one in known}
    close = get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return f"; did you mean {words[close[0]]!r}?" if close else ""


__all__ = ["did_you_mean"]
