"""Words that are spoken otherwise in a clip than the dictionary has them: such as *read*, *live* and *use*."""

import re
from collections.abc import Sequence

from dia.text.lexicon import Pronunciations
from dia.text.tags import NON_VERBAL_TAGS

# Words whose sound depends on the next word or on the place in the sentence. Their phones are always those of the
# dictionary, so that the model learns from the text around them how they are spoken.
WEAK = {"a", "am", "an", "the", "to"}
_SOUNDS = "|".join(map(re.escape, NON_VERBAL_TAGS))
_WORD = re.compile(rf"(?P<sound>{_SOUNDS})|(?P<given>\{{[^}}]*\}})|(?P<word>[A-Za-z]+(?:['-]+[A-Za-z]+)*)")


def as_spoken(text: str, labels: Sequence[str], known: Pronunciations) -> str:
    """The text, with words that are spoken otherwise than the dictionary says as phones in braces.

    Stress alone makes no difference: it depends on the sentence. If text and labels have another number of words, the
    text is unchanged.

    Args:
        text: words and marks, with sounds.
        labels: names of phones, marks, sounds, and spaces between words.
        known: the dictionary.

    >>> as_spoken("Read it.", ["r", "eh1", "d", " ", "ih0", "t"], Pronunciations(["r", "eh1", "iy1", "d", "ih0", "t"],
    ...     {"read": "r iy1 d", "it": "ih0 t"}))
    '{r eh1 d} it.'
    """
    words = [found for found in _WORD.finditer(text) if found["word"]]
    spoken = _words(labels)
    if len(words) != len(spoken):
        return text
    parts, end = list[str](), 0
    for found, phones in zip(words, spoken, strict=True):
        if _differs(found["word"], phones, known):
            parts += [text[end : found.start()], "{" + " ".join(phones) + "}"]
            end = found.end()
    return "".join([*parts, text[end:]])


def _words(labels: Sequence[str]) -> list[list[str]]:
    """The phones of each word."""
    words: list[list[str]] = [[]]
    for label in labels:
        if label[0].isalpha():
            words[-1].append(label)
        elif words[-1]:
            words.append([])
    return [word for word in words if word]


def _differs(word: str, phones: Sequence[str], known: Pronunciations) -> bool:
    listed = known.phones_of(word)
    if listed is None or "-" in word or word.lower() in WEAK:
        return False
    written, spoken = _unstressed(listed), _unstressed(phones)
    cut_off = spoken in (written[: len(spoken)], written[-len(spoken) :])  # with the silence at an end of the clip
    return not cut_off and set(phones) <= set(known.phones)


def _unstressed(phones: Sequence[str]) -> list[str]:
    return [phone.rstrip("012") for phone in phones]


__all__ = ["as_spoken"]
