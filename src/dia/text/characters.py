"""Which characters a script may hold, and the plain ones that stand for the others.

Knows Unicode. Knows nothing of words, numbers or tags.
"""

import re
import unicodedata
from typing import NamedTuple

# Not ASCII, but read aloud by name: `spoken_form` finds words for them.
SPOKEN_SYMBOLS = "€£¥¢₹₩₽°\u00b5\u03a9"

_STAND_INS = {
    **dict.fromkeys("\r\v\f\x85\u2028\u2029", "\n"),
    **dict.fromkeys("‘’‚‛′´ʼʻ＇", "'"),
    **dict.fromkeys("“”„‟″«»‹›「」『』", '"'),
    **dict.fromkeys("‐‑‒–−", "-"),
    **dict.fromkeys("—―⸺⸻", "--"),
    **dict.fromkeys("™®", ""),
    **{symbol: symbol for symbol in SPOKEN_SYMBOLS},
    "\n": "\n",
    "\t": " ",
    "\u03bc": "\u00b5",
    "⁄": "/",
    "№": " No. ",
    "。": ". ",
    "、": ", ",
    "¿": "",
    "¡": "",
    "©": " copyright ",
    "§": " section ",
    "×": " times ",
    "÷": " divided by ",
    "±": " plus or minus ",
    "≈": " about ",
    "≠": " is not equal to ",
    "≤": " is at most ",
    "≥": " is at least ",
    "√": " the square root of ",
    "∞": " infinity ",
    "ß": "ss",
    "ẞ": "SS",
    "æ": "ae",
    "Æ": "Ae",
    "œ": "oe",
    "Œ": "Oe",
    "ð": "th",
    "Ð": "Th",
    "þ": "th",
    "Þ": "Th",
    "ŋ": "ng",
    "Ŋ": "Ng",
    "ı": "i",
}
_SILENT = ("Cf", "Mn", "Mc", "Me", "Sk")  # joiners, accents that stand alone, skin tones
_LATIN = re.compile(r"LATIN (SMALL|CAPITAL) LETTER ([A-Z])(?: WITH .*)?")
_NOT_PLAIN = re.compile(r"[^\n\x20-\x7e]")


class Plain(NamedTuple):
    """A text in plain characters, and the names of those that could not be kept: emoji and other pictures."""

    text: str
    left_out: tuple[str, ...]


def plain(text: str) -> Plain:
    """Write a text in ASCII and `SPOKEN_SYMBOLS`: quotes straightened, accents dropped, ½ as 1/2, lines kept.

    Raises:
        TypeError: text is no str.
        ValueError: it holds a letter of another script, a control character or half a surrogate pair.
    """
    if not isinstance(text, str):
        hint = "; decode it first, as in text.decode('utf-8')" if isinstance(text, bytes) else "; pass a str"
        raise TypeError(f"text is {type(text).__name__}{hint}.")
    text = text.replace("\r\n", "\n")
    strange = list(dict.fromkeys(_NOT_PLAIN.findall(text)))
    written = {character: _written(character) for character in strange}
    for character in strange:
        if written[character] is None:
            _refuse_letters_and_controls(character, text)
    table = {ord(character): " " if stand_in is None else stand_in for character, stand_in in written.items()}
    return Plain(
        text.translate(table), tuple(_named(character) for character in strange if written[character] is None)
    )


def _written(character: str) -> str | None:
    """What stands for a character; None where nothing does."""
    if character in _STAND_INS:
        return _STAND_INS[character]
    if " " <= character <= "~":
        return character
    category = unicodedata.category(character)
    if category in _SILENT:
        return ""
    if category[0] == "Z":
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if unicodedata.decomposition(character):
        return _decomposed(character)
    if category[0] == "P":
        return " "
    if latin := _LATIN.fullmatch(unicodedata.name(character, "")):
        return latin[2].lower() if latin[1] == "SMALL" else latin[2]
    return None


def _decomposed(character: str) -> str | None:
    parts = [_written(part) for part in unicodedata.normalize("NFKD", character)]
    written = "".join(part for part in parts if part is not None)
    if None in parts:
        return None
    kind = unicodedata.decomposition(character).partition(" ")[0]
    if kind == "<fraction>":
        return f" {written}"
    return f"^{written}" if kind == "<super>" and written.isdigit() else written


def _refuse_letters_and_controls(character: str, text: str) -> None:
    category, place = unicodedata.category(character), text.index(character)
    if category == "Cc":
        raise ValueError(
            f"text holds the control character U+{ord(character):04X} at position {place}; "
            f"save the script as plain UTF-8 text."
        )
    if category == "Cs":
        raise ValueError(f"text holds a lone surrogate at position {place}; decode it as UTF-8.")
    if category[0] == "L":
        raise ValueError(
            f"text holds {_named(character)} at position {place}; Dia speaks English: write it in Latin letters."
        )


def _named(character: str) -> str:
    return f"{character!r} ({unicodedata.name(character, f'U+{ord(character):04X}')})"


__all__ = ["SPOKEN_SYMBOLS", "Plain", "plain"]
