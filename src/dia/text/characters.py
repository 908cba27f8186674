"""Convert Unicode text to the plain characters that a script may contain. Independent of words, numbers and tags."""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

# Symbols outside ASCII that `spoken_form` replaces with words.
SPOKEN_SYMBOLS = "€£¥¢₹₩₽₺฿₱₫₴₦₪₿‰°\u00b5\u03a9"

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
_SILENT = ("Cf", "Mn", "Mc", "Me", "Sk")  # joiners, separate accents, skin tones
_LATIN = re.compile(r"LATIN (SMALL|CAPITAL) LETTER ([A-Z])(?: WITH .*)?")
_NOT_PLAIN = re.compile(r"[^\n\x20-\x7e]")
_NEVER_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")  # controls, lone surrogates
_LINE_ENDS = dict.fromkeys(map(ord, "\r\v\f\x85\u2028\u2029"), "\n")


class Plain(NamedTuple):
    """A text in plain characters, and the names of the characters it omits, such as emoji."""

    text: str
    omitted: tuple[str, ...]


def plain(text: str) -> Plain:
    """Convert a text to ASCII and `SPOKEN_SYMBOLS`: straight quotes, no accents, 1/2 for ½. Line breaks are kept.

    Raises:
        TypeError: text is not a str.
        ValueError: text contains a letter of another script, a control character or a lone surrogate.
    """
    checked(text)
    written = _stand_ins(text)
    for character, stand_in in written.items():
        if stand_in is None:
            _reject_letters_and_controls(character, text)
    omitted = (_named(character) for character, stand_in in written.items() if stand_in is None)
    return Plain(text.replace("\r\n", "\n").translate(_table(written)), tuple(omitted))


def source_positions(text: str) -> Sequence[int]:
    """For each character of `plain(text).text`, the position in `text` of the character that it replaces."""
    if text.isascii() and "\r\n" not in text:
        return range(len(text))
    table, positions = _table(_stand_ins(text)), list[int]()
    for position, character in enumerate(text):
        if not (character == "\r" and text.startswith("\n", position + 1)):  # \r\n is a single line break
            positions += [position] * len(table.get(ord(character), character))
    return positions


def unchanged(text: str) -> str:
    """The text with every line break as `\\n` and otherwise unchanged, including its length.

    Raises:
        TypeError: text is not a str.
        ValueError: text contains a control character or a lone surrogate.
    """
    checked(text)
    if invalid := _NEVER_TEXT.search(text):
        _reject_letters_and_controls(invalid[0], text)
    return text.translate(_LINE_ENDS)


def checked(text: object) -> str:
    """The text itself.

    Raises:
        TypeError: text is not a str.
    """
    if not isinstance(text, str):
        hint = "; decode it first, such as by text.decode('utf-8')" if isinstance(text, bytes) else "; pass a str"
        raise TypeError(f"text is {type(text).__name__}{hint}.")
    return text


def _stand_ins(text: str) -> dict[str, str | None]:
    """The replacement of each character of a text that is not plain, in order of appearance."""
    return {character: _written(character) for character in dict.fromkeys(_NOT_PLAIN.findall(text))}


def _table(written: dict[str, str | None]) -> dict[int, str]:
    return {ord(character): " " if stand_in is None else stand_in for character, stand_in in written.items()}


def _written(character: str) -> str | None:
    """The replacement of a character, or None if there is none."""
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


def _reject_letters_and_controls(character: str, text: str) -> None:
    category, position = unicodedata.category(character), text.index(character)
    if category == "Cc":
        raise ValueError(
            f"text contains the control character U+{ord(character):04X} at position {position}; "
            f"save the script as plain UTF-8 text."
        )
    if category == "Cs":
        raise ValueError(f"text contains a lone surrogate at position {position}; decode it as UTF-8.")
    if category[0] == "L":
        raise ValueError(
            f"text contains {_named(character)} at position {position}. Dia speaks English; write it in Latin letters."
        )


def _named(character: str) -> str:
    return f"{character!r} ({unicodedata.name(character, f'U+{ord(character):04X}')})"


__all__ = ["SPOKEN_SYMBOLS", "Plain", "checked", "plain", "source_positions", "unchanged"]
