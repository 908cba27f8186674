"""Parse a line that contains one JSON object. Strict, with messages that name the place."""

import json
from typing import Any


def json_object(line: str, place: str, example: str) -> dict[str, Any]:
    """The object of a line.

    Args:
        line: the line.
        place: the file and the line's number, for messages.
        example: a valid line, for messages.

    Raises:
        ValueError: the line is not a JSON object, or has a key twice.
    """
    try:
        content = json.loads(line, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:  # a number of a thousand digits raises a plain ValueError
        reason = getattr(error, "msg", error)
        raise ValueError(
            f"{place}: not valid JSON ({reason}). Write one object per line, such as {example}."
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{place}: expected an object in braces, not {type(content).__name__}. Write it like {example}."
        )
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return content


__all__ = ["json_object"]
