"""The edit distance of two sequences of words or letters."""

from collections.abc import Callable, Sequence
from operator import eq


def edit_distance(reference: Sequence[str], recognized: Sequence[str], alike: Callable[[str, str], bool] = eq) -> int:
    """The minimum number of insertions, deletions and substitutions between two sequences; `alike` compares items.

    >>> edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(recognized) + 1))
    for i, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, item in enumerate(recognized, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (not alike(expected, item)))
    return row[-1]


__all__ = ["edit_distance"]
