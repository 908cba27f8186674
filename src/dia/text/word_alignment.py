"""Align the words that an author wrote with the spoken text of a turn: `$5` with "five dollars".

Independent of the normalization rules.
"""

import re
from collections.abc import Iterator, Sequence
from string import punctuation
from typing import NamedTuple

from dia.text.english.normalization import spoken_form
from dia.text.tags import MAYBE_SOUND, PHONES_IN_BRACES

UNSPELT = "…"  # shown for a word that the author gave only as phones

_WRITTEN = re.compile(rf"(?:{PHONES_IN_BRACES.pattern}|\S)+")
_TOKEN = re.compile(rf"(?:{PHONES_IN_BRACES.pattern}|{MAYBE_SOUND.pattern}|\S)+")
_PHONES = "{}"
_EDGES = punctuation + "“”„‘’‚«»…—–¿¡"
_REACH = 24  # written plus spoken words searched for the next match; a mismatch of context-dependent words is shorter
_IN_A_ROW = 2  # consecutive words that must match: a single one may match by chance


class Word(NamedTuple):
    """One or more words that the author wrote, and their span in the spoken text.

    Attributes:
        shown: the words as written, with punctuation.
        start: the start of the span in the spoken text.
        end: the end of the span.
        first: the index of the first of these words in the shown text.
    """

    shown: str
    start: int
    end: int
    first: int


def written_words(written: str) -> tuple[list[str], list[int]]:
    """The words of a text as they are shown, and the position of each in the text.

    Phones in braces are not shown: `Nari{n aa1 r iy0}` becomes `Nari`, and `{n aa1 r iy0}` alone becomes `UNSPELT`.
    """
    found = list(re.finditer(r"\S+", written) if "{" not in written else _WRITTEN.finditer(written))
    return [PHONES_IN_BRACES.sub(_spelling, word[0]) for word in found], [word.start() for word in found]


def align_words(shown: str, spoken: str) -> list[Word]:
    """The words of the shown text in order, each with its span in the spoken text.

    Every word of both texts belongs to exactly one result. A token that is written but not spoken, such as a dash,
    belongs to the word before it.

    A written word matches spoken words that are equal to it or to its spoken form. The words between matches form a
    group: `5 km` for "five kilometers" gives two results, `$ 5` for "five dollars" one. The running time is linear in
    the length of the texts.

    Args:
        shown: the text as the author wrote it, with single spaces between words.
        spoken: the text in spoken form.
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
    """Written words `spoken_from` to `spoken_to` (exclusive) and their spoken words `start` to `end` (exclusive).

    `first` is the first written word including those that are not spoken.
    """

    first: int
    spoken_from: int
    spoken_to: int
    start: int
    end: int


def _whole(groups: Iterator[_Group]) -> list[_Group]:
    """Merge groups without written or without spoken words into the previous or the next group."""
    whole: list[_Group] = []
    first, start = 0, 0  # of the words to be merged into the next group
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
    """Matches written words with spoken words.

    Args:
        written: the words of the shown text.
        said: the spoken words, as `_key` returns them.
    """

    def __init__(self, written: Sequence[str], said: Sequence[str]) -> None:
        self._written, self._said = written, said
        self._keys = [_key(word) for word in written]
        self._alone: dict[str, list[str]] = {}

    def groups(self) -> Iterator[_Group]:
        """Divide all words of both texts into groups, in order."""
        place, at = 0, 0
        while place < len(self._written):
            many, length = 1, self._match(place, at)
            if length is None:
                many, length = self._mismatch(place, at)
            if self._one_by_one(place, at, many, length):
                yield from (_Group(place + n, place + n, place + n + 1, at + n, at + n + 1) for n in range(many))
            else:
                yield _Group(place, place, place + many, at, at + length)
            place, at = place + many, at + length
        if at < len(self._said):
            yield _Group(place, place, place, at, len(self._said))

    def _match(self, place: int, at: int) -> int | None:
        """The number of spoken words from `at` on that match the written word; None if they do not match."""
        key, said = self._keys[place], self._said[at] if at < len(self._said) else ""
        if said and (key == said or (said == _PHONES and UNSPELT in self._written[place])):
            return 1
        alone = self._read(self._written[place])
        return len(alone) if self._said[at : at + len(alone)] == alone else None

    def _read(self, word: str) -> list[str]:
        """The spoken words of a written word on its own."""
        if word not in self._alone:
            try:
                said = spoken_form(word)
            except ValueError:  # letters of other scripts
                said = word
            self._alone[word] = [_key(token[0]) for token in _TOKEN.finditer(said)] if _has_words(said) else []
        return self._alone[word]

    def _mismatch(self, place: int, at: int) -> tuple[int, int]:
        """The smallest numbers of written and spoken words before the next match."""
        unread, unsaid = len(self._written) - place, len(self._said) - at
        if not unsaid:
            return unread, 0
        for both in range(1, _REACH + 1):
            for many in range(max(0, both - unsaid), min(both, unread) + 1):
                if self._matches_again(place + many, at + both - many):
                    return many, both - many
        many = min(_REACH // 2, unread)
        return many, unsaid if many == unread else many * unsaid // unread

    def _one_by_one(self, place: int, at: int, many: int, length: int) -> bool:
        """Whether each written word of a group stands for one spoken word.

        This requires equal numbers of both, and no written word whose spoken words occur at another position of the
        group, as in `$ 5`.
        """
        if many != length or many == 1:
            return False
        said = self._said[at : at + length]
        alone = [self._read(word) for word in self._written[place : place + many]]
        return all(read[:1] == [own] or not set(read) & set(said) for read, own in zip(alone, said, strict=True))

    def _matches_again(self, place: int, at: int) -> bool:
        """Whether several consecutive words match, or all remaining words."""
        matching = 0
        while place < len(self._written) and matching < _IN_A_ROW:
            length = self._match(place, at)
            if length is None:
                return False
            place, at, matching = place + 1, at + length, matching + bool(length)
        return matching == _IN_A_ROW or at == len(self._said)


def _spelling(phones: re.Match[str]) -> str:
    return "" if phones.string[: phones.start()][-1:].isalnum() else UNSPELT


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _key(word: str) -> str:
    """The form in which words are compared: lowercase, without punctuation at the ends; all phones in braces equal."""
    return _PHONES if "{" in word and PHONES_IN_BRACES.search(word) else word.strip(_EDGES).casefold()


__all__ = ["UNSPELT", "Word", "align_words", "written_words"]
