"""Marks of feet and inches: a 16" pizza, 10' x 12', 8" of snow. In `I read "1984" by Orwell` they are quotation marks.

Works on a whole text, since only what comes before a mark shows whether it closes a quotation.
"""

import re

from dia.text.english.numbers.measures import DESCRIBED
from dia.text.english.numbers.rules import after, before

_REACH = 40  # characters before a mark that decide whether it is a length
_FIGURE = re.compile(r"(?:(?<![\w.])|(?<=x))\d[\d./]{0,7}$")
_FEET_AND_INCHES = re.compile(r"\d' ?\d\d?(?: [13]/[24])?$")  # `dia.text.english.numbers.measures` reads them
_SAYS = re.compile(r",? (?:he|she|I|we|they|you|said|says|asked|told|replied|[A-Z][a-z]+ (?:said|says|asked))\b")
_SIDE = r"\d[\d./]{0,7} ?(?:\"|'|inch(?:es)?|foot|feet)? ?(?:x|by) ?"
_NUMBER = r"(?:\d [\d/]{3,5}|\d[\d./]{0,7})"
_DESCRIBES = re.compile(
    rf"\b(?:an?|the|my|your|his|her|our|their|this|that|one|new) (?:{_SIDE}){{0,2}}{_NUMBER}$",
    re.IGNORECASE,
)
_FEET = re.compile(r"(?<![\d.,/'\u00b0])(?<!\u00b0 )\b(\d{1,3})'(?![\w'])(?! ?\d\d?(?:\"|''))")
_MEASURED = re.compile(r" ?x ?\d| (?:tall|long|wide|deep|high|by|of|above|below|away)\b")
_QUOTE = re.compile(r"(?<!\w)'(?=\w)")


def with_lengths(text: str) -> str:
    """16" → 16 inches, 10' → 10 feet; in the singular if they describe a noun. Quotation marks are unchanged."""
    if "'" in text:
        text = _FEET.sub(_feet, re.sub(r"(?<=\d)'-(?=\d\d?(?: [13]/[24])?\")", "'", text))
    return _with_inches(text) if '"' in text else text


def _feet(match: re.Match[str]) -> str:
    earlier, later = before(match, _REACH), after(match, _REACH)
    if _QUOTE.search(earlier):
        return match[0]
    if _MEASURED.match(later):
        return f"{match[1]} feet"
    side = earlier.endswith((" x ", " by "))
    described = _DESCRIBES.search(earlier + match[1]) and re.match(r" [a-z]", later) and not _SAYS.match(later)
    return f"{match[1]} foot" if described else f"{match[1]} feet" if side else match[0]


def _with_inches(text: str) -> str:
    parts, end, is_open = [], 0, False
    for mark in re.finditer('"', text):
        at = mark.start()
        if _are_inches(text, at, is_open):
            parts += [text[end:at], _inches(text, at)]
            end = at + 1
        else:
            is_open = _opens(text, at)
    return "".join([*parts, text[end:]])


def _are_inches(text: str, at: int, is_open: bool) -> bool:
    """Whether a mark follows a figure and does not close a quotation."""
    earlier = text[max(at - _REACH, 0) : at]
    if not _FIGURE.search(earlier) or _FEET_AND_INCHES.search(earlier):
        return False
    if not is_open:
        return not _SAYS.match(text[at + 1 : at + _REACH])
    following = text.find('"', at + 1)  # "The 8" pipe broke," he said
    return following > 0 and not _opens(text, following) and not text[following - 1].isdigit()


def _opens(text: str, at: int) -> bool:
    return not re.match(r"[\w.,;:!?')\]]", text[at - 1 : at]) and text[at + 1 : at + 2] not in ("", " ", "\n")


def _inches(text: str, at: int) -> str:
    earlier, later = text[max(at - _REACH, 0) : at], text[at + 1 : at + _REACH]
    described = _DESCRIBES.search(earlier) and re.match(r" [A-Za-z]", later) and not _MEASURED.match(later)
    one = described or DESCRIBED.match(later) or re.search(r"(?<![\d./])1$", earlier)
    return f" inch{'' if one else 'es'}{' ' if later[:1].isalnum() else ''}"


__all__ = ["with_lengths"]
