"""Books of the Bible: `Gen. 1:1` is "Genesis 1:1", and `1 Kings` and `II Kings 4` begin with First and Second."""

import re

from dia.text.english import abbreviation_table as table
from dia.text.english.numbers.rules import Rules, before, compiled, either

_PLACES = ("First", "Second", "Third", "Fourth")
_ONLY_BOOKS = "Chronicles|Corinthians|Thessalonians|Maccabees|Esdras|Nephi"  # nothing else has these names
_NAMES_TOO = "Samuel|Kings|Timothy|Peter|John"
_CHAPTER = r" (?:\d{1,3}\b(?!,\d|%| [a-z]*s\b)|chapters? \d)"
_VERSE = r" \d{1,3}:\d"
_SHORT = {**table.BOOKS, **table.BOOKS_AND_NAMES}
_NUMBERED = [short for short, book in _SHORT.items() if re.fullmatch(f"{_ONLY_BOOKS}|{_NAMES_TOO}", book)]
_CITED = re.compile(
    r"(?:^|[(\[;:\"'] ?|[.!?] |\d,? (?:and |or |to )?|\b(?:in|see|from|of|read|reads|cf|cites?|quotes?|says|per) )$",
    re.IGNORECASE,
)


def _book(match: re.Match[str]) -> str:
    """Matt. 5:3 → Matthew 5:3, but `Thanks, Matt. 5:30 is fine.`"""
    book = match[1]
    if book not in table.BOOKS and not (match[2] and _CITED.search(before(match))):
        return match[0]
    return f"{_SHORT[book]} "


def _place(match: re.Match[str]) -> str:
    number = int(match[1]) if match[1].isdigit() else len(match[1])
    return f"{_PLACES[number - 1]} "


RULES: Rules = compiled(
    (
        rf"\b({either(_SHORT)})(\.?) (?=\d{{1,3}}:\d{{1,3}}\b(?!:\d| ?[AaPp]\.?[Mm]\b))",
        _book,
        ":",
    ),
    (
        rf"(?<![\w.,:/$-])([123]) ?({either(_NUMBERED)})\.? (?=\d{{1,3}}\b(?!,\d|%))",
        lambda match: f"{match[1]} {_SHORT[match[2]]} ",
        "123",
    ),
    (rf"(?<![\w.,:/$-])([1-4]|I{{1,3}}) (?=(?:{_ONLY_BOOKS})\b)", _place),
    (rf"(?<![\w.,:/$-])([123]|II|III) (?=(?:{_NAMES_TOO}){_CHAPTER})", _place),
    (rf"(?<![\w.,:/$-])(I) (?=(?:{_NAMES_TOO}){_VERSE})", _place, "I"),
    (
        r"(?:(?<=\b(?:[Ii]n|of) )|(?<=\b(?:[Rr]ead|[Ff]rom|book) ))([123]) "
        rf"(?=(?:{_NAMES_TOO})(?:$|[.;:!?)\"]|, (?!\d)| and (?!\d)))",
        _place,
        "123",
    ),
    (rf"^([123]) (?=(?:{_NAMES_TOO})\.?$)", _place, "123"),
)

__all__ = ["RULES"]
