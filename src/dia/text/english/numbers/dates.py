"""Dates: 2024-05-17, 5/17/2024, 17.05.2024, May 17, 17 May 2024, May 3-7. 5/6/2024 is a day in May."""

import re
from collections.abc import Iterator

from dia.text.english.numbers.cardinals import ordinal, year
from dia.text.english.numbers.rules import BEGIN, Rules, after, before, compiled, counts

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MONTH = (
    r"(Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec|JAN|FEB|MAR|APR|MAY|JUNE?|JULY?|AUG|SEPT?|OCT|NOV|DEC|"
    r"jan|feb|apr|june?|july?|aug|sept?|oct|nov|dec|"
    r"mar(?=ch (?:\d\d?,? )?\d{4}\b)|may(?= (?:\d\d?,? )?\d{4}\b))"
    r"(?:uary|ruary|ch|il|ust|ember|ober|UARY|RUARY|CH|IL|UST|EMBER|OBER)?"
)
_ON_A_DAY = re.compile(r"\b(?:on|by|since|until|due|dated?|before|after) $", re.IGNORECASE)
_SURELY_ON_A_DAY = re.compile(
    r"\b(?:(?:due|dated?)(?: on| by)?|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?) $", re.IGNORECASE
)
_NOTHING_DESCRIBED = re.compile(r"[.,;:!?)]|$| (?:at|from|to|and|or|by|in|for|is|was|we|I|you|they|he|she)\b")
_EVERY = re.compile(r"\b(?:this|last|next|every|each|in) $", re.IGNORECASE)
_LENGTH_OF_TIME = re.compile(
    r" (?:second|minute|hour|day|week|month|year|decade)s (?:ago|later|before|earlier|after)\b"
)
_NO_DENOMINATORS = {*range(13, 32)} - {16}
_DAY = r"(\d\d?)(?:st|nd|rd|th)?"
_SLASHED = rf"{BEGIN}(?<!/)(\d\d?)/(\d\d?)/(\d{{4}}|\d\d)(?![\d/])"
_HYPHENATED = rf"{BEGIN}(?<!-)(\d\d?)-(\d\d?)-(\d{{4}})(?![\d-])"
_DATE_LIKE = re.compile(r"\d[/-]\d\d?[/-]\d")
_MONTH_FIRST = re.compile(f"{_SLASHED}|{_HYPHENATED}")


def ambiguous_dates(text: str) -> Iterator[str]:
    """The dates in which both the day and the month may come first, such as 5/6/2024."""
    for match in _MONTH_FIRST.finditer(text) if _DATE_LIKE.search(text) else ():
        first, second = sorted(int(part) for part in match.groups()[:2] + match.groups()[3:5] if part)
        if 1 <= first < second <= len(_MONTHS):
            yield match[0]


def _date(month: int, day: int, written_year: str | None, match: re.Match[str]) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    named = f"{_MONTHS[month - 1]} {ordinal(day)}"
    return named if not written_year else f"{named}, {year(_full_year(written_year))}"


def _full_year(written: str) -> int:
    number = int(written)
    return number if len(written) > 2 else number + (1900 if number >= 70 else 2000)


def iso_date(match: re.Match[str]) -> str:
    """The date in the first three groups of a match: year, month, day."""
    return _date(int(match[2]), int(match[3]), match[1], match)


def _slashed_date(match: re.Match[str]) -> str:
    first, second = int(match[1]), int(match[2])
    return _date(second, first, match[3], match) if first > 12 else _date(first, second, match[3], match)


def _dotted_date(match: re.Match[str]) -> str:
    return _date(int(match[2]), int(match[1]), match[3], match)


def _month_number(name: str) -> int:
    return next(index for index, month in enumerate(_MONTHS, 1) if month[:3].casefold() == name[:3].casefold())


def _month_first(match: re.Match[str]) -> str:
    """April 20 → April twentieth, but not `last April 20 years ago` nor `this May 15 students graduated`."""
    later = after(match)
    counted = _LENGTH_OF_TIME.match(later) or (_EVERY.search(before(match)) and counts(later))
    if counted and match[0][-1].isdigit() and not match[3]:
        return match[0]
    return _date(_month_number(match[1]), int(match[2]), match[3], match)


def _month_and_days(match: re.Match[str]) -> str:
    first, last = int(match[2]), int(match[3])
    if not 1 <= first < last <= 31:
        return match[0]
    said = f"{_MONTHS[_month_number(match[1]) - 1]} {ordinal(first)} to {ordinal(last)}"
    return f"{said}, {year(int(match[4]))}" if match[4] else said


def _day_first(match: re.Match[str]) -> str:
    the, day, month, written_year = match[1] or "the ", int(match[2]), match[3], match[4]
    if not 1 <= day <= 31:
        return match[0]
    named = f"{the}{ordinal(day)} of {_MONTHS[_month_number(month) - 1]}"
    return f"{named}, {year(_full_year(written_year))}" if written_year else named


def _days_and_month(match: re.Match[str]) -> str:
    the, first, last = match[1] or "the ", int(match[2]), int(match[3])
    if not 1 <= first < last <= 31:
        return match[0]
    said = f"{the}{ordinal(first)} to the {ordinal(last)} of {_MONTHS[_month_number(match[4]) - 1]}"
    return f"{said}, {year(int(match[5]))}" if match[5] else said


def _day_of_the_year(match: re.Match[str]) -> str:
    above, below = int(match[1]), int(match[2])
    alone = _NOTHING_DESCRIBED.match(after(match))
    if alone and _SURELY_ON_A_DAY.search(before(match)):
        return _date(above, below, None, match)
    fraction = below <= 10 and (above <= below or not alone)  # more likely
    if match[0] == "9/11" or fraction or not _ON_A_DAY.search(before(match)):
        return match[0]
    return _date(int(match[1]), int(match[2]), None, match)


def _days_of_the_year(match: re.Match[str]) -> str:
    """12/26-1/2 → December twenty-sixth to January second, but not 1/2-3/4."""
    months, days = (int(match[1]), int(match[3])), (int(match[2]), int(match[4]))
    if not (max(days) in _NO_DENOMINATORS and all(1 <= month <= 12 for month in months) and 1 <= max(days) <= 31):
        return match[0]
    return " to ".join(_date(month, day, None, match) for month, day in zip(months, days, strict=True))


def _from_day_to_day(match: re.Match[str]) -> str:
    """From 5/1 to 5/10 → from May first to May tenth, but not from 1/2 to 3/4."""
    months, days = (int(match[2]), int(match[5])), (int(match[3]), int(match[6]))
    pairs = list(zip(months, days, strict=True))
    if all(above < below and below not in _NO_DENOMINATORS for above, below in pairs):
        return match[0]
    if not all(1 <= month <= 12 and 1 <= day <= 31 for month, day in pairs):
        return match[0]
    first, last = (_date(month, day, None, match) for month, day in pairs)
    return f"{match[1]}{first}{match[4]}{last}"


def _month_of_the_year(match: re.Match[str]) -> str:
    """2024-05 → May twenty twenty-four, but not 2004-05, which may be a season."""
    if int(match[2]) == (int(match[1]) + 1) % 100:
        return match[0]
    return f"{_MONTHS[int(match[2]) - 1]} {year(int(match[1]))}"


RULES: Rules = compiled(
    (rf"{BEGIN}(?<!/)(\d\d?)/(\d\d?) ?- ?(\d\d?)/(\d\d?)(?![\d/])", _days_of_the_year, "/"),
    (
        r"\b([Ff]rom |[Bb]etween )(\d\d?)/(\d\d?)( (?:to|until|till|through|and) )(\d\d?)/(\d\d?)(?![\d/])",
        _from_day_to_day,
        "/",
    ),
    (rf"{BEGIN}\b()(\d\d?)-{_MONTH}-(\d{{4}}|\d\d)\b", _day_first, "-"),
    (rf"(?<=\d) ?- ?(?={_MONTH}\.? \d)", " to ", "-"),
    (rf"{BEGIN}(?<![\w-])(19\d\d|20\d\d)-(0[1-9]|1[0-2])\b(?![-.,]\d)", _month_of_the_year, "-"),
    (rf"{BEGIN}(\d{{4}})\.(\d\d)\.(\d\d)(?![\d.])", iso_date, "."),
    (rf"{BEGIN}(\d{{4}})-(\d\d)-(\d\d)(?![\d-])", iso_date, "-"),
    (rf"{BEGIN}(?<!/)(\d{{4}})/(\d\d?)/(\d\d?)(?![\d/])", iso_date, "/"),
    (_SLASHED, _slashed_date, "/"),
    (_HYPHENATED, _slashed_date, "-"),
    (rf"{BEGIN}(\d\d?)\.(\d\d?)\.(\d{{4}})(?!\d|\.\d)", _dotted_date, "."),
    (rf"\b{_MONTH}\.? {_DAY} ?- ?{_DAY}\b(?![:/.-]?\d)(?:,? (\d{{4}})\b)?", _month_and_days, "-"),
    (rf"(?:\b([Tt]he ))?{BEGIN}\b{_DAY} ?- ?{_DAY}(?: of)? {_MONTH}\b(?:,? (\d{{4}})\b)?", _days_and_month, "-"),
    (rf"\b{_MONTH}\.? {_DAY}\b(?!:|,\d|[.]\d)(?:,? (\d{{4}})\b(?!,\d|\.\d))?", _month_first),
    (rf"\b{_MONTH}-(\d\d?)(?:-(\d{{4}}))?\b(?![:.-]?\d)", _month_first, "-"),
    (rf"(?:\b([Tt]he ))?{BEGIN}\b{_DAY}(?: of)? {_MONTH}(?:\b|\.(?= \d))(?:,? (\d{{4}})\b)?", _day_first),
    (rf"{BEGIN}(?<!/)(\d\d?)/(\d\d?)(?![\d/])", _day_of_the_year, "/"),
)

__all__ = ["RULES", "ambiguous_dates", "iso_date"]
