"""Which words of the author each stretch of a spoken text says: in "five dollars" it is `$5`.

Knows written and spoken words of one turn. Knows nothing of turns, nor of the rules by which words became others.
"""

import re
from collections.abc import Iterator, Sequence
from string import punctuation
from typing import NamedTuple

from dia.text.normalization import spoken_form
from dia.text.tags import MAYBE_SOUND, PHONES_IN_BRACES

UNSPELT = "…"  # shown for a word that is given by its phones alone

_WRITTEN = re.compile(rf"(?:{PHONES_IN_BRACES.pattern}|\S)+")
_TOKEN = re.compile(rf"(?:{PHONES_IN_BRACES.pattern}|{MAYBE_SOUND.pattern}|\S)+")
_PHONES = "{}"
_EDGES = punctuation + "“”„‘’‚«»…—–¿¡"
_REACH = 24  # words, written and spoken together, within which readings that depend on their neighbours agree again
_IN_A_ROW = 2  # words that have to agree before it counts: one may do so by chance


class Word(NamedTuple):
    """What the author wrote, one word or several that are read as one, and the part of the spoken text that says it.

    Attributes:
        shown: as it was written, with its punctuation.
        start: where what is said for it begins in the spoken text.
        end: where that ends.
        first: the number of its first word among those of what is shown, from 0.
    """

    shown: str
    start: int
    end: int
    first: int


def written_words(written: str) -> tuple[list[str], list[int]]:
    """The words of a text as they are shown, and where each begins in it.

    Phones in braces are not shown: of `Nari{n aa1 r iy0}` it is `Nari`, and of `{n aa1 r iy0}` alone `UNSPELT`.
    """
    found = list(re.finditer(r"\S+", written) if "{" not in written else _WRITTEN.finditer(written))
    return [PHONES_IN_BRACES.sub(_spelling, word[0]) for word in found], [word.start() for word in found]


def aligned(shown: str, spoken: str) -> list[Word]:
    """The words of what is shown, in order, each with its part of the spoken text.

    Every word of the spoken text belongs to exactly one of them, and so does every word of what is shown. What is
    written but not said, such as a dash, belongs to the word before it.

    Words that are the same, or are read so when they stand alone, are found to belong together; those between them
    form a group (`5 km` for "five kilometers" is two words, `$ 5` for "five dollars" one). Takes time in proportion to
    the length of the texts.

    Args:
        shown: what the author wrote, with single blanks between words.
        spoken: the same in spoken form.
    """
    tokens, said = list(_TOKEN.finditer(shown)), list(_TOKEN.finditer(spoken))
    pairs = _Pairing([token[0] for token in tokens], [_key(token[0]) for token in said])
    words: list[Word] = []
    blanks, counted = 0, 0
    for group in _whole(pairs.groups()):
        begin, start, end = tokens[group.first].start(), said[group.start].start(), said[group.end - 1].end()
        blanks, counted = blanks + shown.count(" ", counted, begin), begin
        label = " ".join(token[0] for token in tokens[group.spoken_from : group.spoken_to])
        words.append(Word(label or shown, start, end, blanks))
    return words or [Word(shown, 0, len(spoken), 0)]


class _Group(NamedTuple):
    """Written words from `spoken_from` to before `spoken_to` are said by the spoken ones from `start` to before `end`.

    `first` is where its written words begin together with those that are not said.
    """

    first: int
    spoken_from: int
    spoken_to: int
    start: int
    end: int


def _whole(groups: Iterator[_Group]) -> list[_Group]:
    """The groups, with those that have no written word, or say nothing, given to the one before or to the next."""
    whole: list[_Group] = []
    first, start = 0, 0  # of what is still to be given to the next
    for group in groups:
        unsaid, unwritten = group.start == group.end, group.spoken_from == group.spoken_to
        if not (unsaid or unwritten):
            whole.append(group._replace(first=first, start=start))
        elif whole and unwritten:
            whole[-1] = whole[-1]._replace(end=group.end)
        if whole:
            first, start = group.spoken_to, group.end
    return whole


class _Pairing:
    """Goes through written and spoken words together.

    Args:
        written: the words of what is shown.
        said: the spoken words, by `_key`.
    """

    def __init__(self, written: Sequence[str], said: Sequence[str]) -> None:
        self._written, self._said = written, said
        self._keys = [_key(word) for word in written]
        self._alone: dict[str, list[str]] = {}

    def groups(self) -> Iterator[_Group]:
        """All words of both, in order."""
        place, at = 0, 0
        while place < len(self._written):
            many, length = 1, self._agreeing(place, at)
            if length is None:
                many, length = self._apart(place, at)
            if self._one_by_one(place, at, many, length):
                yield from (_Group(place + n, place + n, place + n + 1, at + n, at + n + 1) for n in range(many))
            else:
                yield _Group(place, place, place + many, at, at + length)
            place, at = place + many, at + length
        if at < len(self._said):
            yield _Group(place, place, place, at, len(self._said))

    def _agreeing(self, place: int, at: int) -> int | None:
        """How many spoken words from `at` on the written word says; None where it says others."""
        key, said = self._keys[place], self._said[at] if at < len(self._said) else ""
        if said and (key == said or (said == _PHONES and UNSPELT in self._written[place])):
            return 1
        alone = self._read(self._written[place])
        return len(alone) if self._said[at : at + len(alone)] == alone else None

    def _read(self, word: str) -> list[str]:
        """How a written word is read alone."""
        if word not in self._alone:
            try:
                said = spoken_form(word)
            except ValueError:  # letters that English does not have
                said = word
            self._alone[word] = [_key(token[0]) for token in _TOKEN.finditer(said)] if _has_words(said) else []
        return self._alone[word]

    def _apart(self, place: int, at: int) -> tuple[int, int]:
        """How many written and spoken words it is to where they agree again: as few as may be."""
        left, unsaid = len(self._written) - place, len(self._said) - at
        if not unsaid:
            return left, 0
        for both in range(1, _REACH + 1):
            for many in range(max(0, both - unsaid), min(both, left) + 1):
                if self._agree_again(place + many, at + both - many):
                    return many, both - many
        many = min(_REACH // 2, left)
        return many, unsaid if many == left else many * unsaid // left

    def _one_by_one(self, place: int, at: int, many: int, length: int) -> bool:
        """Whether each written word of a group says one spoken word: as many are spoken, and none of those that are
        read as one of them stands elsewhere, as in `$ 5`."""
        if many != length or many == 1:
            return False
        said = self._said[at : at + length]
        alone = [self._read(word) for word in self._written[place : place + many]]
        return all(read[:1] == [own] or not set(read) & set(said) for read, own in zip(alone, said, strict=True))

    def _agree_again(self, place: int, at: int) -> bool:
        """Whether several words in a row agree, or all that are left."""
        agreeing = 0
        while place < len(self._written) and agreeing < _IN_A_ROW:
            length = self._agreeing(place, at)
            if length is None:
                return False
            place, at, agreeing = place + 1, at + length, agreeing + bool(length)
        return agreeing == _IN_A_ROW or at == len(self._said)


def _spelling(phones: re.Match[str]) -> str:
    return "" if phones.string[: phones.start()][-1:].isalnum() else UNSPELT


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _key(word: str) -> str:
    """By what words are compared: without punctuation at their ends, in small letters; all phones in braces alike."""
    return _PHONES if "{" in word and PHONES_IN_BRACES.search(word) else word.strip(_EDGES).casefold()


__all__ = ["UNSPELT", "Word", "aligned", "written_words"]
