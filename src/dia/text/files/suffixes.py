"""The formats of script files, by the suffix of their names."""

import re

from dia.text.markup.formats import TextFormat

SUFFIXES: dict[str, TextFormat] = {
    ".txt": "plain",
    ".text": "plain",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".srt": "srt",
    ".vtt": "vtt",
    ".fountain": "fountain",
}
KNOWN_SUFFIXES = f"{', '.join(list(SUFFIXES)[:-1])} and {list(SUFFIXES)[-1]}"

_SUFFIX = re.compile(r"[^./\\](\.[A-Za-z][A-Za-z0-9]{0,15})$")


def format_of(name: str) -> TextFormat:
    """The format of a file by its name; "plain" if the name has no suffix.

    Raises:
        ValueError: the suffix is unknown; the message lists the known ones.
    """
    suffix = _SUFFIX.search(name)
    if suffix is None:
        return "plain"
    if suffix[1].lower() not in SUFFIXES:
        raise ValueError(
            f"{name}: {suffix[1]} is not a known format of scripts. Known are {KNOWN_SUFFIXES}. Rename the file, or "
            f"choose its format with --text-format."
        )
    return SUFFIXES[suffix[1].lower()]


__all__ = ["KNOWN_SUFFIXES", "SUFFIXES", "format_of"]
