"""Abbreviations before a number: `Sec. 3`, `App. A`, `Art. I`, `No. 5`."""

import re

from dia.text.english.abbreviation_context import Found, Said

_NUMERAL = re.compile(
    r" ?(?:[Nn]o\. ?\d|[#(]?\d|[IVXLC]{1,7}\b(?!\.[A-Za-z])|[A-Z]\b(?!['.])|[A-Z]\.(?: (?:The|This|It|In|We|See)\b|$))"
)
_DIGIT = re.compile(r" ?#?\d")


def reference(found: Found, spoken: str) -> Said:
    """`Sec. 3`, `App. A` and `Art. I`."""
    return f"{spoken} " if _NUMERAL.match(found.after) and found.after[:1] == " " else number(found, spoken)


def number(found: Found, spoken: str) -> Said:
    """`No. 5`, but `Oh no. 5 are left.`"""
    answer = found.previous.lower() in ("oh", "say", "says", "said")
    return spoken if _DIGIT.match(found.after) and not answer else None


__all__ = ["number", "reference"]
