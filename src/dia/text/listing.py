"""Name items in a warning: the first few, shortened, and how many more there are."""

from collections.abc import Iterable

_NAMED = 5
_LONGEST = 40  # characters of an item


def first_names(names: Iterable[str]) -> str:
    """The first five items, separated by commas, and the number of the others."""
    names = list(names)
    more = len(names) - _NAMED
    shown = (name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…" for name in names[:_NAMED])
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


__all__ = ["first_names"]
