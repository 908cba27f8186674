"""Letters of other scripts in an English text: π is "pi", Привет is "Privet", a text in Russian is refused.

Independent of punctuation, signs, words and numbers.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from dia.text.characters.edited import Edit, EditedText

_GREEK = re.compile(r"GREEK (?:SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)")
_LONGEST_SYMBOL = 2  # Greek letters in a row that are symbols, such as ΔΔ; longer runs are Greek words


_LETTERS = re.compile(r"[^\W\d_]+")


class InLatin(NamedTuple):
    """A text without letters of other scripts, and the words that were transliterated, each with its Latin form."""

    text: EditedText
    transliterated: dict[str, str]


def in_latin(text: EditedText, foreign: Iterable[str]) -> InLatin:
    """Write letters of other scripts in Latin letters: the names of Greek symbols, the sounds of other words.

    Args:
        text: the text.
        foreign: its letters that are not Latin.

    Raises:
        ValueError: most letters of the text are not Latin.
    """
    found = list(_words_of(foreign).finditer(text.text))
    _refuse_another_language([word for word in found if not _is_symbols(word[0])], text.text)
    transliterated: dict[str, str] = {}
    edits = list[Edit]()
    for word in found:
        if _is_symbols(word[0]):
            edits.append(Edit(word.start(), word.end(), _spaced(_names(word[0]), word)))
        elif said := _transliterated(word[0]):
            edits.append(Edit(word.start(), word.end(), said))
            transliterated[word[0]] = said
    return InLatin(text.edited(edits), transliterated)


def _words_of(foreign: Iterable[str]) -> re.Pattern[str]:
    """Matches words of these letters with their accents, and phrases of such words."""
    letters = re.escape("".join(foreign))
    word = rf"[{letters}][{letters}\u0300-\u036f\u0591-\u05c7\u064b-\u0655\u0900-\u0dff\u0e30-\u0e4e]*"
    return re.compile(rf"{word}(?: {word})*")


def _is_symbols(phrase: str) -> bool:
    words = phrase.split(" ")
    return all(len(word) <= _LONGEST_SYMBOL for word in words) and all(
        _greek_name(letter) for word in words for letter in word
    )


def _greek_name(letter: str) -> str | None:
    """π → pi; None if it is not a Greek letter without accents."""
    name = _GREEK.fullmatch(unicodedata.name(unicodedata.normalize("NFKC", letter), ""))
    return {"LAMDA": "lambda"}.get(name[1], name[1].lower()) if name else None


def _names(phrase: str) -> str:
    return " ".join(name for letter in phrase if (name := _greek_name(letter)))


def _spaced(name: str, word: re.Match[str]) -> str:
    """Separate a name from letters and digits beside it: 2πr → 2 pi r."""
    earlier, later = word.string[max(word.start() - 1, 0) : word.start()], word.string[word.end() : word.end() + 1]
    return f"{' ' if earlier.isalnum() else ''}{name}{' ' if later.isalnum() else ''}"


def _transliterated(phrase: str) -> str:
    from anyascii import anyascii  # imported here because it is rarely needed

    said = anyascii(phrase)
    return said if any(character.isalpha() for character in said) else ""


def _refuse_another_language(words: list[re.Match[str]], text: str) -> None:
    foreign = sum(character.isalpha() for word in words for character in word[0])
    if not foreign or 2 * foreign <= sum(map(len, _LETTERS.findall(text))):
        return
    first = words[0].start()
    name = unicodedata.name(text[first], f"U+{ord(text[first]):04X}")
    raise ValueError(
        f"text contains more letters of another script than Latin ones, such as {text[first]!r} ({name}) at position "
        f"{first}. Dia speaks English; write it in Latin letters, or use a model trained on the language."
    )


__all__ = ["InLatin", "in_latin"]
