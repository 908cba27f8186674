"""How words are pronounced: a dictionary's phones in the place of letters.

Knows words, phones and the file that lists them. Knows nothing of ids, of the model or of audio.

A small model has no room for English spelling. One that comes with a dictionary reads phones, and letters where a word
is not in it; Dia-1.6B comes with none and reads every text as it is written.
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

from dia.runtime.atomic import atomic_file
from dia.runtime.limits import PRONUNCIATION_BYTES, PRONUNCIATION_WORDS
from dia.runtime.reading import REMEDY, read_bytes
from dia.text.tags import TAG

FIRST, MOST = 0xE000, 256  # phone i is written as the character FIRST + i, of Unicode's private use area
PHONES = f"{chr(FIRST)}-{chr(FIRST + MOST - 1)}"  # for the brackets of a regular expression
_PHONES = re.compile(f"[{PHONES}]+")
_LETTER, _APOSTROPHE = "[^\\W\\d_][\u0300-\u036f]*", "['’ʼ＇]"
_FOUND = re.compile(
    rf"{TAG.pattern}|\([a-z ]+\)|\{{[^{{}}]*\}}|\b[A-Z](?: [A-Z])+\b|(?:{_LETTER})+(?:{_APOSTROPHE}(?:{_LETTER})+)*"
)
_ENDING = re.compile("'?[sS]$")  # of a possessive, or of capitals in the plural
_VOICELESS, _HISSING = frozenset(["p", "t", "k", "f", "th"]), frozenset(["s", "z", "sh", "zh", "ch", "jh"])


class _Part(NamedTuple):
    """A stretch of a text, from `start` to `end`, and what is said for it; None where it stays as it is."""

    start: int
    end: int
    said: str | None


class Pronunciations:
    """The phones of many words.

    Args:
        phones: names of the phones, such as `ax0`; a phone's place among them is its number.
        words: words, and the names of their phones separated by spaces. Those with capitals are pronounced so only
            where they stand so; a letter and a stop, such as `B.`, is the letter's name.
        tags: what stands in parentheses without being words, such as `(laughs)`.

    Raises:
        ValueError: there are more phones than have a number.
    """

    def __init__(self, phones: Iterable[str], words: Mapping[str, str], tags: Iterable[str] = ()) -> None:
        self.phones, self.words, self.tags = tuple(phones), words, frozenset(tags)
        if len(self.phones) > MOST:
            raise ValueError(f"there are {len(self.phones)} phones; at most {MOST} have a number.")
        self._characters = {phone: chr(FIRST + number) for number, phone in enumerate(self.phones)}

    def spoken(self, text: str) -> str:
        """The text with one character for each phone in the place of every word that is known.

        `{n aa1 r iy0}` gives the phones of a word by their names. Speakers and tags stay as they are. So do words that
        are not known: a model that has learnt letters, too, attempts them.

        Raises:
            ValueError: there are braces around something else than the names of phones.
        """
        return "".join(text[part.start : part.end] if part.said is None else part.said for part in self._parts(text))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """For every character of `spoken(text)` the stretch of the text it stands for; phones share out their word."""
        spans: list[tuple[int, int]] = []
        for start, end, said in self._parts(text):
            count, length = end - start if said is None else len(said), end - start
            spans += (
                (start + number * length // count, start - -(number + 1) * length // count) for number in range(count)
            )
        return spans

    def written(self, spoken: str) -> str:
        """What `spoken` gave, phones by their names in braces; these are read as the same phones."""
        return _PHONES.sub(lambda found: "{" + " ".join(map(self._name, found.group())) + "}", spoken)

    def phones_of(self, word: str) -> list[str] | None:
        """The names of a word's phones; None where it is not known.

        A possessive is known by its word, and capitals that are no word, or have blanks between them, are spelt by
        their names.
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
        """Write a file that `load` reads, whole or not at all: gzipped lines of phones, of tags, and of each word."""
        lines = [" ".join(self.phones), " ".join(sorted(self.tags))]
        lines += [f"{word} {phones}" for word, phones in sorted(self.words.items())]
        with atomic_file(Path(path)) as partial:
            partial.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Pronunciations":
        """Read what `save` has written.

        Raises:
            OSError: it is missing, no file, or may not be read.
            ValueError: it is no such file, or damaged, or unpacks to more than any dictionary holds.
        """
        content = read_bytes(Path(path), PRONUNCIATION_BYTES)
        try:
            phones, tags, *lines = _unpacked(content).decode().split("\n")
            words = dict(line.split(" ", 1) for line in lines)
            _check_phones(phones.split(), words)
            return cls(phones.split(), words, re.findall(r"\([^)]*\)", tags))
        except (EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
            raise ValueError(f"{path} is no file of pronunciations, or damaged ({error}); {REMEDY}.") from error

    def _parts(self, text: str, start: int = 0, end: int | None = None) -> Iterator[_Part]:
        """The stretches of a text, one after the other, with nothing between them."""
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
            what = f"{unknown[0]!r} is no phone" if names else "there is no phone"
            raise ValueError(
                f"text says {found!r}: {what}. Between braces stand phones, separated by spaces, of these: "
                f"{' '.join(self.phones)}. Write other things in parentheses."
            )
        return "".join(self._characters[name] for name in names)

    def _name(self, character: str) -> str:
        number = ord(character) - FIRST
        return self.phones[number] if number < len(self.phones) else "?"


def _check_phones(phones: Sequence[str], words: Mapping[str, str]) -> None:
    """Refuse a list of phones that was cut: some of a hundredth of the words are pronounced with phones beyond it."""
    known = set(phones)
    for word, said in islice(words.items(), 0, None, 100):
        if unknown := [phone for phone in said.split() if phone not in known]:
            raise ValueError(f"{word!r} is pronounced {unknown[0]!r}, and there is no such phone")


def _unpacked(content: bytes) -> bytes:
    """Gzipped lines; no more of them are unpacked than are allowed."""
    with gzip.open(BytesIO(content)) as file:
        unpacked = file.read(PRONUNCIATION_BYTES + 1)
    if len(unpacked) > PRONUNCIATION_BYTES:
        raise ValueError(f"it unpacks to more than {PRONUNCIATION_BYTES} bytes")
    if (lines := unpacked.count(b"\n")) > PRONUNCIATION_WORDS:
        raise ValueError(f"it holds {lines} lines, and at most {PRONUNCIATION_WORDS} are read")
    return unpacked


__all__ = ["FIRST", "MOST", "PHONES", "Pronunciations"]
