"""Convert Unicode text to the plain characters that a script may contain. Independent of words, numbers and tags."""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from dia.text.characters.edited import EditedText
from dia.text.characters.letters import InLatin, in_latin

# Symbols outside ASCII that `spoken_form` replaces with words.
SPOKEN_SYMBOLS = "€£¥¢₹₩₽₺฿₱₫₴₦₪₿‰°\u00b5\u03a9"

_STAND_INS = {
    **dict.fromkeys("\r\v\f\x85\u2028\u2029", "\n"),
    **dict.fromkeys("‘’‚‛′´ʼʻ＇", "'"),
    **dict.fromkeys("“”„‟″«»‹›「」『』", '"'),
    **dict.fromkeys("ˈˌːˑ", ""),
    **dict.fromkeys("∆△", " delta "),
    **dict.fromkeys("‐‑‒–−", "-"),
    **dict.fromkeys("•‣⁃◦▪▫●■", "\n- "),  # bullets
    **dict.fromkeys("—―⸺⸻", "--"),
    **dict.fromkeys("™®", ""),
    **{symbol: symbol for symbol in SPOKEN_SYMBOLS},
    "\n": "\n",
    "\t": " ",
    "\u03bc": "\u00b5",
    "⁄": "/",
    "∕": "/",
    "∙": " times ",
    "≦": " is at most ",
    "≧": " is at least ",
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
    "円": " yen ",
    "∛": " the cube root of ",
    "∞": " infinity ",
    "≡": " is equivalent to ",
    "≅": " is about ",
    "∝": " is proportional to ",
    "∓": " minus or plus ",
    "∑": " the sum of ",
    "∏": " the product of ",
    "∫": " the integral of ",
    "∂": " partial ",
    "∈": " in ",
    "∠": " angle ",
    "¬": " not ",
    "→": " to ",
    "⇒": " implies ",
    "♯": " sharp ",
    "♭": " flat ",
    "∼": "~",
    "～": "~",
    "∗": "*",
    "⋅": " times ",
    "˚": "\u00b0",
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
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni")
# Signs whose replacement depends on what is beside them: the signs, where they stand, and the replacement.
_IN_CONTEXT = (
    (
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ",
        re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ][⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ]*"),
        lambda run: f"^{run[0].translate(_SUPERSCRIPTS)}",
    ),
    ("º∘ᵒ", re.compile(r"(?<=\d)( ?)[º∘ᵒ]"), lambda sign: f"{sign[1]}\u00b0"),
    ("¶", re.compile(r"¶(?= ?\d)"), lambda sign: " paragraph "),
    ("−", re.compile(r"(?<!\S)−(?=[\d.$€£¥])"), lambda sign: "minus "),
    ("−", re.compile(r"(?<=\S) − (?=\S)"), lambda sign: " minus "),
    ("×", re.compile(r"(?<=\d)×(?=\d)"), lambda sign: "x"),
    ("\u2009\u202f", re.compile(r"(?<=\d)[\u2009\u202f](?=\d{3}(?!\d))"), lambda space: ","),
)
_SILENT = ("Cf", "Mn", "Mc", "Me", "Sk")  # joiners, separate accents, skin tones
_LATIN = re.compile(r"LATIN (SMALL|CAPITAL) LETTER ([A-Z])(?: WITH .*)?")
_NOT_PLAIN = re.compile(r"[^\n\x20-\x7e]")
_NEVER_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")  # controls, lone surrogates
_LINE_ENDS = dict.fromkeys(map(ord, "\r\v\f\x85\u2028\u2029"), "\n")


class Plain(NamedTuple):
    """A text in plain characters.

    Attributes:
        text: the text.
        omitted: the names of the characters that it omits, such as emoji.
        transliterated: the words of other scripts that are written in Latin letters, each with its Latin form.
    """

    text: str
    omitted: tuple[str, ...] = ()
    transliterated: tuple[tuple[str, str], ...] = ()


def plain(text: str) -> Plain:
    """Convert a text to ASCII and `SPOKEN_SYMBOLS`: straight quotes, no accents, 1/2 for ½. Line breaks are kept.

    Greek symbols become their names, words of other scripts are transliterated.

    Raises:
        TypeError: text is not a str.
        ValueError: most letters of the text are of another script, or it contains a control character, a lone
            surrogate or a letter that cannot be transliterated.
    """
    if checked(text).isascii() and not _NOT_PLAIN.search(text):
        return Plain(text)
    written, words = _in_context(text)
    stand_ins = _stand_ins(written.text)
    for character, stand_in in stand_ins.items():
        if stand_in is None:
            _reject_letters_and_controls(character, text)
    omitted = (_named(character) for character, stand_in in stand_ins.items() if stand_in is None)
    said = written.text.replace("\r\n", "\n").translate(_table(stand_ins))
    return Plain(said, tuple(omitted), tuple(words.items()))


def source_positions(text: str) -> Sequence[int]:
    """For each character of `plain(text).text`, the position in `text` of the character that it replaces."""
    if text.isascii() and "\r\n" not in text:
        return range(len(text))
    written = _in_context(text)[0]
    table, positions, start = _table(_stand_ins(written.text)), list[int](), 0
    for found in _NOT_PLAIN.finditer(written.text):
        at = found.start()
        positions += written.positions[start:at]
        start = at + 1
        if found[0] != "\r" or written.text[start : start + 1] != "\n":  # \r\n is a single line break
            positions += [written.positions[at]] * len(table[ord(found[0])])
    return [*positions, *written.positions[start:]]


def _in_context(text: str) -> InLatin:
    """The text after the replacements that depend on more than one character."""
    written, found = EditedText.of(text), dict.fromkeys(_NOT_PLAIN.findall(text))
    for signs, pattern, stand_in in _IN_CONTEXT:
        if not found.keys().isdisjoint(signs):
            written = written.sub(pattern, stand_in)
    foreign = [character for character in found if _is_foreign_letter(character)]
    return in_latin(written, foreign) if foreign else InLatin(written, {})


def _is_foreign_letter(character: str) -> bool:
    return unicodedata.category(character)[0] == "L" and _written(character) is None


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
