"""A pronunciation dictionary: replaces words with their phones. Independent of token ids, models and audio.

A small model cannot learn English spelling. A checkpoint with a dictionary reads phones, and letters for words that
the dictionary lacks. Dia-1.6B has no dictionary and reads letters.
"""

import gzip
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from dia.runtime.files.atomic import atomic_file
from dia.runtime.files.reading import REMEDY, read_bytes
from dia.runtime.limits import PRONUNCIATION_BYTES, PRONUNCIATION_WORDS
from dia.text.tags import TAG

FIRST, MOST = 0xE000, 256  # phone i is the character FIRST + i, in Unicode's private use area
PHONES = f"{chr(FIRST)}-{chr(FIRST + MOST - 1)}"  # for a character class of a regular expression
_PHONES = re.compile(f"[{PHONES}]+")
_LETTER, _APOSTROPHE = "[^\\W\\d_][\u0300-\u036f]*", "['’ʼ＇]"
_FOUND = re.compile(
    rf"{TAG.pattern}|\([a-z ]+\)|\{{[^{{}}]*\}}|\b[A-Z](?: [A-Z])+\b|(?:{_LETTER})+(?:{_APOSTROPHE}(?:{_LETTER})+)*"
)
_ENDING = re.compile("'?[sS]$")  # of a possessive, or of the plural of capitals
_VOICELESS, _HISSING = frozenset(["p", "t", "k", "f", "th"]), frozenset(["s", "z", "sh", "zh", "ch", "jh"])


class _Part(NamedTuple):
    """The span `start` to `end` of a text, and its replacement; None if it is unchanged."""

    start: int
    end: int
    said: str | None


class Pronunciations:
    """A dictionary of words and their phones.

    Args:
        phones: the names of the phones, such as `ax0`; the number of a phone is its index.
        words: maps each word to the names of its phones, separated by spaces; it does not change afterwards. A word
            with capitals matches only the same capitals; a letter with a full stop, such as `B.`, stands for the name
            of the letter.
        tags: sounds in parentheses that are not words, such as `(laughs)`.

    Raises:
        ValueError: there are more than 256 phones.
    """

    def __init__(self, phones: Iterable[str], words: Mapping[str, str], tags: Iterable[str] = ()) -> None:
        self.phones, self.words, self.tags = tuple(phones), words, frozenset(tags)
        if len(self.phones) > MOST:
            raise ValueError(f"phones has {len(self.phones)} items; at most {MOST} are supported.")
        self._characters = {phone: chr(FIRST + number) for number, phone in enumerate(self.phones)}
        self._last: tuple[str | None, tuple[_Part, ...]] = None, ()

    def to_phones(self, text: str) -> str:
        """Replace every known word with its phones, one character each.

        `{n aa1 r iy0}` gives the phones of a word by name. Speaker tags and sounds are unchanged. So are unknown
        words: a model that also knows letters attempts to read them.

        Raises:
            ValueError: braces contain something other than names of phones.
        """
        return "".join(text[part.start : part.end] if part.said is None else part.said for part in self._read(text))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The span of the text for every character of `to_phones(text)`. The phones of a word divide its letters."""
        spans: list[tuple[int, int]] = []
        for start, end, said in self._read(text):
            count, length = end - start if said is None else len(said), end - start
            spans += (
                (start + number * length // count, start - -(number + 1) * length // count) for number in range(count)
            )
        return spans

    def from_phones(self, spoken: str) -> str:
        """Convert the output of `to_phones` to text, with phones as names in braces. `to_phones` inverts this."""
        return _PHONES.sub(lambda found: "{" + " ".join(map(self._name, found.group())) + "}", spoken)

    def phones_of(self, word: str) -> list[str] | None:
        """The names of a word's phones; None if the word is unknown.

        Possessives are derived from their word. Capitals that are not a word, or are separated by spaces, are spelt by
        the names of their letters.
        """
        word = re.sub(_APOSTROPHE, "'", word)
        plain = "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
        for known in (word, word.lower(), plain.lower()):
            if self.words.get(known):
                return self.words[known].split()
        letters = [self.words.get(f"{letter}.", "") for letter in word.replace(" ", "")]
        if word.replace(" ", "").isupper() and all(letters):
            return " ".join(letters).split()
        stem = _ENDING.sub("", word)
        if stem == word or not (stem.isupper() or word.endswith(("'s", "'S"))):
            return None
        phones = self.phones_of(stem)
        if phones is None:
            return None
        if phones[-1] in _HISSING:
            return [*phones, "ax0", "z"]
        return [*phones, "s" if phones[-1] in _VOICELESS else "z"]

    def save(self, path: str | PathLike[str]) -> None:
        """Write a file for `load`, atomically: gzipped lines with the phones, the tags, and each word."""
        lines = [" ".join(self.phones), " ".join(sorted(self.tags))]
        lines += [f"{word} {phones}" for word, phones in sorted(self.words.items())]
        with atomic_file(Path(path)) as partial:
            partial.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Pronunciations":
        """Read a file written by `save`.

        Raises:
            OSError: it is missing, not a regular file, or cannot be read.
            ValueError: it is not such a file, is damaged, or exceeds the limits in size or words.
        """
        content = read_bytes(Path(path), PRONUNCIATION_BYTES)
        try:
            phones, tags, *lines = _unpacked(content).decode().split("\n")
            words = dict(line.split(" ", 1) for line in lines)
            _check_phones(phones.split(), words)
            return cls(phones.split(), words, re.findall(r"\([^)]*\)", tags))
        except (EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
            raise ValueError(f"{path} is not a pronunciation file, or is damaged ({error}); {REMEDY}.") from error

    def _read(self, text: str) -> tuple[_Part, ...]:
        """All parts of a text. Those of the last text are kept, since both its phones and its spans are asked for."""
        last, parts = self._last
        if last != text:
            parts = tuple(self._parts(text))
            self._last = text, parts
        return parts

    def _parts(self, text: str, start: int = 0, end: int | None = None) -> Iterator[_Part]:
        """The consecutive parts of a text, without gaps."""
        end = len(text) if end is None else end
        at = start
        for found in _FOUND.finditer(text, start, end):
            yield _Part(at, found.start(), None)
            at = found.end()
            if found.group()[0] == "(" and found.group() not in self.tags:
                yield _Part(found.start(), found.start() + 1, None)
                yield from self._parts(text, found.start() + 1, at - 1)
                yield _Part(at - 1, at, None)
            else:
                yield _Part(*found.span(), self._said(found.group()))
        yield _Part(at, end, None)

    def _said(self, found: str) -> str | None:
        if found[0] in "[(":
            return None
        given = found[0] == "{"
        names = found[1:-1].lower().split() if given else self.phones_of(found)
        unknown = [name for name in names or () if name not in self._characters]
        if not given and (not names or unknown):
            return None
        if not names or unknown:
            what = f"{unknown[0]!r} is not a phone" if names else "it contains no phone"
            raise ValueError(
                f"text contains {found!r}, but {what}. Write phones in braces, separated by spaces, from this list "
                f"({' '.join(self.phones)}), and anything else in parentheses."
            )
        return "".join(self._characters[name] for name in names)

    def _name(self, character: str) -> str:
        number = ord(character) - FIRST
        return self.phones[number] if number < len(self.phones) else "?"


def _check_phones(phones: Sequence[str], words: Mapping[str, str]) -> None:
    """Raise ValueError if the list of phones is truncated, by checking every hundredth word for unknown phones."""
    known = set(phones)
    for word, said in islice(words.items(), 0, None, 100):
        if unknown := [phone for phone in said.split() if phone not in known]:
            raise ValueError(f"{word!r} is pronounced with {unknown[0]!r}, which is not a phone")


def _unpacked(content: bytes) -> bytes:
    """Unpack gzipped lines, up to the limits in size and number."""
    with gzip.open(BytesIO(content)) as file:
        unpacked = file.read(PRONUNCIATION_BYTES + 1)
    if len(unpacked) > PRONUNCIATION_BYTES:
        raise ValueError(f"it unpacks to more than {PRONUNCIATION_BYTES} bytes")
    if (lines := unpacked.count(b"\n")) > PRONUNCIATION_WORDS:
        raise ValueError(f"it has {lines} lines, but at most {PRONUNCIATION_WORDS} are allowed")
    return unpacked


__all__ = ["FIRST", "MOST", "PHONES", "Pronunciations"]
