"""Sentences of public-domain prose, and names, read from the archives in `packages`."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from dia.training.mini.teacher.natural.packages import members

FIRST_ADDRESS = 1900  # earlier addresses to Congress have sentences of sixty words
SHORTEST, LONGEST = 3, 30  # words of a sentence

_MARKS = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": ", ", "–": ", ", "…": "...", "_": "", "*": ""})
_SENTENCE_END = re.compile(r"""(?<=[.!?]["'])\s+(?=["'A-Z])|(?<=[.!?])\s+(?=["'A-Z])""")
_ABBREVIATED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Messrs|Capt|Col|Gen|Esq|No|vol|[A-Z])\.$")
_STAGE_DIRECTION = re.compile(r"\[[^\]]*\]|\([^)]*\)")
_CHARSXP = re.compile(
    rb"\x00[\x00-\x0f]\x00\x09([\x00-\xff]{4})", re.DOTALL
)  # of R's serialization: flags, then the length


def sentences(source: str, folder: Path) -> tuple[str, ...]:
    """The distinct sentences of `source`, in order; of WordNet, the examples of use, most without a final stop.

    Args:
        source: one of `SOURCES`.
        folder: with the archives.
    """
    return tuple(dict.fromkeys(text for text in SOURCES[source](folder) if _is_plain(text)))


def split_sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph, in ASCII, without stage directions.

    >>> split_sentences("Mr. Bennet made no answer. “Do you not want to know?” cried his wife.")
    ['Mr. Bennet made no answer.', '"Do you not want to know?"', 'cried his wife.']
    """
    text = " ".join(_STAGE_DIRECTION.sub(" ", paragraph.translate(_MARKS)).replace("--", ", ").split())
    text = re.sub(r"([,.;:!?])[ ,]*,", r"\1", re.sub(r" ([,.;:!?])", r"\1", text))
    parts: list[str] = []
    for part in _SENTENCE_END.split(text):
        if parts and _ABBREVIATED.search(parts[-1]):
            parts[-1] += f" {part}"
        else:
            parts.append(part)
    return parts


def turns(paragraphs: Iterator[str]) -> Iterator[str]:
    """What is said between double quotes in `paragraphs`."""
    for paragraph in paragraphs:
        for quoted in re.findall(r'"([^"]+)"', " ".join(paragraph.translate(_MARKS).split())):
            yield re.sub(r"[,; ]+$", ".", quoted.strip())


@cache
def names(folder: Path) -> tuple[str, ...]:
    """Common first names of women and men."""
    lists = (data for source in ("women", "men") for path, data in members(source, folder) if path.endswith(".txt"))
    return tuple(sorted({name for data in lists for name in data.decode("utf-8").split() if name.isascii()}))


def _is_plain(text: str) -> bool:
    words = text.split()
    return (
        SHORTEST <= len(words) <= LONGEST
        and text.isascii()
        and len(text) < 6.5 * len(words) + 20
        and not re.search(r"[\[\]{}<>|=/\\@#^~`]|\b[A-Z]{4,}\b|\b[ivxlc]{2,}\.|\d{7}", text)
    )


def _melville(folder: Path) -> Iterator[str]:
    for path, data in members("moby-dick", folder):
        if re.search(r"data/chapter_\w+\.txt$", path):
            yield from _unquoted(data.decode("utf-8").split("\n\n"))


def _addresses(folder: Path) -> Iterator[str]:
    for path, data in members("addresses", folder):
        if (found := re.search(r"data/(\d{4})_\w+\.txt$", path)) and int(found[1]) >= FIRST_ADDRESS:
            yield from _unquoted(data.decode("utf-8").split("\n\n"))


def _austen(folder: Path) -> Iterator[str]:
    yield from _unquoted(austen_paragraphs(folder))


def _austen_turns(folder: Path) -> Iterator[str]:
    for turn in turns(iter(austen_paragraphs(folder))):
        yield from split_sentences(turn)


def _wordnet(folder: Path) -> Iterator[str]:
    for path, data in members("wordnet", folder):
        if "/data." in path:
            for line in data.decode("ascii").splitlines():
                yield from (" ".join(example.split()) for example in re.findall(r'"([^"]+)"', line))


def austen_paragraphs(folder: Path) -> list[str]:
    """The paragraphs of the novels, from the lines that R has stored."""
    lines: list[str] = []
    for path, data in members("austen", folder):
        if path.endswith("/data/Rdata.rdb"):
            for block in r_blocks(data):
                lines += [*r_strings(block), ""]
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    return [text for paragraph in paragraphs if (text := " ".join(paragraph.split()))]


def r_blocks(data: bytes) -> Iterator[bytes]:
    """The objects in R's database of lazily loaded data: four bytes with the size, then a zlib stream, each."""
    while len(data) > 4:
        stream = zlib.decompressobj()
        yield stream.decompress(data[4:])
        data = stream.unused_data


def r_strings(block: bytes) -> Iterator[str]:
    """The character strings in an object of R's serialization, in order."""
    place = 0
    while found := _CHARSXP.search(block, place):
        (length,) = struct.unpack(">I", found[1])
        if length > len(block) - found.end():
            place = found.start() + 1
            continue
        yield block[found.end() : found.end() + length].decode("utf-8", "replace")
        place = found.end() + length


def _unquoted(paragraphs: list[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        for sentence in split_sentences(paragraph):
            yield sentence.replace('"', "").strip("' ")


SOURCES: dict[str, Callable[[Path], Iterator[str]]] = {
    "melville": _melville,
    "addresses": _addresses,
    "austen": _austen,
    "austen-turns": _austen_turns,
    "wordnet": _wordnet,
}
