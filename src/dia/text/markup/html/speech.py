"""The elements of SSML that say how words are spoken, as the marks and words of a script.

Follows Speech Synthesis Markup Language 1.1, https://www.w3.org/TR/speech-synthesis11/.
"""

import re
from collections.abc import Callable, Mapping

from dia.text.tags import PHONES_IN_BRACES
from dia.text.turns import LONGEST_PAUSE

# Seconds of silence. SSML leaves the lengths to the implementation.
STRENGTHS = {"none": 0.0, "x-weak": 0.15, "weak": 0.3, "medium": 0.7, "strong": 1.0, "x-strong": 1.5}
_TIME = re.compile(r"\+?(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9}) *(ms|s)", re.IGNORECASE)
_ARPABET = {"x-cmu", "cmu", "arpabet", "x-arpabet", "x-cmu-arpabet", "cmu-arpabet", "x-amazon-arpabet"}
_ORDINALS = {"1": "st", "2": "nd", "3": "rd"}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def pause_mark(attributes: Mapping[str, str], source: str) -> str:
    """The mark for a `<break>`: `[pause:700ms]`, or an empty text if it has no length.

    Raises:
        ValueError: the time or the strength is invalid.
    """
    seconds = _seconds(attributes, source[:60])
    if seconds > LONGEST_PAUSE:
        raise ValueError(f"{source[:60]} is longer than the maximum of {LONGEST_PAUSE:g} s. Shorten it.")
    return f" [pause:{round(1000 * seconds)}ms] " if round(1000 * seconds) else ""


def _seconds(attributes: Mapping[str, str], source: str) -> float:
    if time := attributes.get("time", "").strip():
        length = _TIME.fullmatch(time)
        if length is None:
            raise ValueError(f'{source} has no valid length. Write <break time="700ms"/> or <break time="1.5s"/>.')
        return float(length[1]) / (1000 if length[2].lower() == "ms" else 1)
    strength = attributes.get("strength", "medium").strip().lower()
    if strength not in STRENGTHS:
        raise ValueError(f"{source} has no valid strength. Write one of {', '.join(STRENGTHS)}.")
    return STRENGTHS[strength]


def phones_of(attributes: Mapping[str, str]) -> str | None:
    """The phones of a `<phoneme>` in braces, as a script has them; None if they are not ARPAbet."""
    phones = " ".join(re.split(r"[\s.|-]+", attributes.get("ph", "").strip().lower()))
    phones = re.sub(r"\b(?:ah0|ax)\b", "ax0", phones)  # the vowel at the end of "comma"
    alphabet = attributes.get("alphabet", "").strip().lower()
    if alphabet and alphabet not in _ARPABET:
        return None
    written = f"{{{phones}}}"
    return written if PHONES_IN_BRACES.fullmatch(written) else None


def said_as(words: str, attributes: Mapping[str, str]) -> str:
    """The words of a `<say-as>`, written so that English normalization reads them as it demands."""
    kind = attributes.get("interpret-as", "").strip().lower().removeprefix("vxml:")
    rule = _SAID.get(kind)
    return rule(" ".join(words.split()), attributes.get("format", "").strip().lower()) if rule else words


def _characters(words: str, format: str) -> str:
    return " ".join(words.replace(" ", ""))


def _ordinal(words: str, format: str) -> str:
    digits = words.replace(",", "")
    if not digits.isdecimal():
        return words
    return digits + ("th" if digits[-2:-1] == "1" else _ORDINALS.get(digits[-1], "th"))


def _digits(words: str, format: str) -> str:
    """A telephone number: its digits, with a comma between groups."""
    groups = (" ".join(group) for group in re.findall(r"\+|\d+|[A-Za-z]+", words))
    return ", ".join(groups).replace("+, ", "plus ")


def _date(words: str, format: str) -> str:
    """A date in figures, in the order of the format, such as `dmy`: `4/5/2020` → `May 4, 2020`."""
    figures = re.findall(r"\d+", words)
    order = re.sub(r"[^dmy]", "", re.sub(r"(.)\1+", r"\1", format))
    if re.fullmatch(r"\d{8}", words) and order in ("ymd", ""):
        figures, order = [words[:4], words[4:6], words[6:]], "ymd"
    if not re.fullmatch(r"[\d\s/.-]+", words) or len(figures) != len(order) or len(set(order)) != len(order):
        return words
    parts = dict(zip(order, figures, strict=True))
    month = int(parts.get("m", "1"))
    if not 1 <= month <= len(_MONTHS):
        return words
    name = f"{_MONTHS[month - 1]} " if "m" in parts else ""
    day = parts.get("d", "").lstrip("0")
    day = day if name else _ordinal(day, "")
    comma = ", " if day and "y" in parts else ""
    return f"{name}{day}{comma}{parts.get('y', '')}".strip()


def _cardinal(words: str, format: str) -> str:
    """A number, with the commas without which four digits might be a year."""
    plain = re.fullmatch(r"(-?)(\d{1,30})(\.\d{1,30})?", words.replace(",", ""))
    return f"{plain[1]}{int(plain[2]):,}{plain[3] or ''}" if plain else words


def _bleep(words: str, format: str) -> str:
    return " (beep) "


_SAID: Mapping[str, Callable[[str, str], str]] = {
    **dict.fromkeys(("characters", "character", "spell-out", "verbatim", "letters", "digits"), _characters),
    "ordinal": _ordinal,
    "date": _date,
    **dict.fromkeys(("telephone", "phone"), _digits),
    **dict.fromkeys(("cardinal", "number"), _cardinal),
    **dict.fromkeys(("expletive", "bleep"), _bleep),
}

__all__ = ["STRENGTHS", "pause_mark", "phones_of", "said_as"]
