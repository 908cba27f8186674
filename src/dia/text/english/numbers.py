"""Write numbers as English words: dates, times, phone numbers, money, measures, ranges, fractions, years, ordinals.

Expects plain text (`dia.text.characters`) with single spaces. Independent of tags, abbreviations and other symbols.
Reads numbers as in American English: 5/6/2024 is a day in May, and 101 has no "and".
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from dia.text.english.units import CURRENCIES, MEASURES, SCALES

_LONGEST = 15  # digits read as one number; num2words supports more, but listeners cannot follow
_LONGEST_BARE = 9  # digits without separators; longer ones are identifiers, read digit by digit
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MONTH = r"(Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)(?:uary|ruary|ch|il|ust|ember|ober)?"
_BEGIN = r"(?<!\d)(?<!\d[.,])"
_NUMBER = rf"{_BEGIN}((?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?|\.\d+)"
_PLAIN_DENOMINATORS = {*range(2, 11), 12, 16, 32, 64, 100, 1000}


@lru_cache(maxsize=4096)
def cardinal(number: int) -> str:
    """1234 → one thousand two hundred thirty-four."""
    from num2words import num2words  # imported here because it loads all its languages

    return str(num2words(number)).replace(",", "").replace(" and ", " ")


@lru_cache(maxsize=4096)
def ordinal(number: int) -> str:
    """23 → twenty-third."""
    from num2words import num2words

    return str(num2words(number, to="ordinal")).replace(",", "").replace(" and ", " ")


def digits(written: str) -> str:
    """007 → zero zero seven; other characters are ignored."""
    return " ".join(cardinal(int(digit)) for digit in written if digit.isdigit())


def amount(written: str) -> str:
    """1,234.50 → one thousand two hundred thirty-four point five zero."""
    whole, _, fraction = written.replace(",", "").partition(".")
    long = len(whole) > (_LONGEST if "," in written else _LONGEST_BARE)
    leading_zero = len(whole) > 1 and whole[0] == "0"
    words = digits(whole) if long or leading_zero else cardinal(int(whole or "0"))
    return f"{words} point {digits(fraction)}" if fraction else words


def year(number: int) -> str:
    """1905 → nineteen oh five, 2000 → two thousand, 2024 → twenty twenty-four."""
    century, rest = divmod(number, 100)
    if not 1100 <= number <= 2099 or (century == 20 and rest < 10):
        return cardinal(number)
    return f"{cardinal(century)} {'hundred' if not rest else f'oh {cardinal(rest)}' if rest < 10 else cardinal(rest)}"


def in_words(text: str) -> str:
    """Write every number of a text in words; other text is unchanged."""
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    return text


def _date(month: int, day: int, written_year: str | None, match: re.Match[str]) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    named = f"{_MONTHS[month - 1]} {ordinal(day)}"
    return named if not written_year else f"{named}, {year(_full_year(written_year))}"


def _full_year(written: str) -> int:
    number = int(written)
    return number if len(written) > 2 else number + (1900 if number >= 70 else 2000)


def _iso_date(match: re.Match[str]) -> str:
    return _date(int(match[2]), int(match[3]), match[1], match)


def _slashed_date(match: re.Match[str]) -> str:
    first, second = int(match[1]), int(match[2])
    return _date(second, first, match[3], match) if first > 12 else _date(first, second, match[3], match)


def _dotted_date(match: re.Match[str]) -> str:
    return _date(int(match[2]), int(match[1]), match[3], match)


def _month_number(name: str) -> int:
    return next(index for index, month in enumerate(_MONTHS, 1) if month[:3] == name[:3])


def _month_first(match: re.Match[str]) -> str:
    return _date(_month_number(match[1]), int(match[2]), match[3], match)


def _day_first(match: re.Match[str]) -> str:
    the, day, month, written_year = match[1] or "the ", int(match[2]), match[3], match[4]
    if not 1 <= day <= 31:
        return match[0]
    named = f"{the}{ordinal(day)} of {_MONTHS[_month_number(month) - 1]}"
    return f"{named}, {year(int(written_year))}" if written_year else named


def _telephone(match: re.Match[str]) -> str:
    groups = [digits(group) for group in re.findall(r"\d+", match[0])]
    return ("plus " if match[0].startswith("+") else "") + ", ".join(groups)


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    half = (match[4] or "").replace(".", "").upper()
    if hour > 23 or minute > 59:
        return f"{cardinal(hour)} to {cardinal(minute)}"
    words = _clock(hour, minute, half)
    if match[3]:
        words += f" and {cardinal(int(match[3]))} second{'' if int(match[3]) == 1 else 's'}"
    return f"{words} {half}".rstrip()


def _clock(hour: int, minute: int, half: str) -> str:
    if minute:
        return f"{cardinal(hour)} {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    if half:
        return cardinal(hour)
    return "midnight" if hour == 0 else f"{cardinal(hour)} o'clock" if hour <= 12 else f"{cardinal(hour)} hundred"


def _money_before(match: re.Match[str]) -> str:
    return _money(match[1], match[2], match[3]) + (" per " if match[4] else "")


def _money_after(match: re.Match[str]) -> str:
    return _money(match[2], match[1], None)


def _money(symbol: str, written: str, scale: str | None) -> str:
    one, many, one_cent, many_cents = CURRENCIES[symbol]
    if scale:
        return f"{amount(written)} {SCALES[scale]} {many}"
    whole, _, fraction = written.replace(",", "").partition(".")
    if len(fraction) != 2 or not one_cent or len(whole) > _LONGEST:
        return f"{amount(written)} {one if written == '1' else many}"
    units, cents = int(whole or "0"), int(fraction)
    parts = [f"{cardinal(units)} {one if units == 1 else many}"] if units or not cents else []
    parts += [f"{cardinal(cents)} {one_cent if cents == 1 else many_cents}"] if cents else []
    return " and ".join(parts)


def _measure(match: re.Match[str]) -> str:
    written, unit, power, per = match[1], match[2], match[3], match[4]
    one, many = MEASURES[unit]
    square = {"2": "square ", "3": "cubic "}.get(power or "", "")
    words = f"{amount(written)} {square}{one if written == '1' else many}"
    return f"{words} per {MEASURES.get(per, (per,))[0]}" if per else words


def _feet_and_inches(match: re.Match[str]) -> str:
    feet, inches = int(match[1]), int(match[2])
    return f"{cardinal(feet)} {'foot' if feet == 1 else 'feet'} {cardinal(inches)} inch{'' if inches == 1 else 'es'}"


def _decade(match: re.Match[str]) -> str:
    number = int(match[1])
    words = year(number) if number >= 100 else cardinal(number) if number else "two thousand"
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def _fraction(match: re.Match[str]) -> str:
    whole, above, below = match[1], int(match[2]), int(match[3])
    if below not in _PLAIN_DENOMINATORS or not 0 < above < below:
        return (
            f"{amount(whole)} {cardinal(above)} {cardinal(below)}" if whole else f"{cardinal(above)} {cardinal(below)}"
        )
    name = {2: "half", 4: "quarter"}.get(below) or ordinal(below)
    if not whole and below == 2 and re.match(r" an?\b", match.string[match.end() : match.end() + 4]):
        return name
    if not whole:
        return f"{cardinal(above)} {name}{'' if above == 1 else 's'}"
    return f"{amount(whole)} and {'a' if above == 1 else cardinal(above)} {name}{'' if above == 1 else 's'}"


def _power(match: re.Match[str]) -> str:
    exponent = int(match[2])
    return match[1] + ({2: " squared", 3: " cubed"}.get(exponent) or f" to the power of {cardinal(exponent)}")


def _number(match: re.Match[str]) -> str:
    written = match[0]
    if written.count(".") > 1:
        words = " point ".join(amount(part) for part in written.split("."))
    elif re.fullmatch(r"\d{4}", written) and written[0] != "0":
        words = year(int(written))
    elif written.startswith("."):
        words = f"point {digits(written)}"
    else:
        words = amount(written)
    start, end = match.span()
    before, after = match.string[max(start - 1, 0) : start], match.string[end : end + 1]
    return f"{' ' if before.isalnum() else ''}{words}{' ' if after.isalnum() else ''}"


def _ordinal(match: re.Match[str]) -> str:
    figures = match[1].replace(",", "")
    return ordinal(int(figures)) if len(figures) <= _LONGEST else digits(figures)


def _either(names: Iterable[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


_UNIT = _either(MEASURES)
_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (rf"{_BEGIN}(\d{{1,3}}) (?=000\b)", r"\1,"),
        (rf"{_BEGIN}(\d{{4}})-(\d\d)-(\d\d)(?![\d-])", _iso_date),
        (rf"{_BEGIN}(?<!/)(\d\d?)/(\d\d?)/(\d{{4}}|\d\d)(?![\d/])", _slashed_date),
        (rf"{_BEGIN}(\d\d?)\.(\d\d?)\.(\d{{4}})(?!\d|\.\d)", _dotted_date),
        (rf"\b{_MONTH}\.? (\d\d?)(?:st|nd|rd|th)?\b(?!:|,\d|[.]\d)(?:,? (\d{{4}})\b(?!,\d|\.\d))?", _month_first),
        (
            rf"(?:\b([Tt]he ))?{_BEGIN}\b(\d\d?)(?:st|nd|rd|th)?(?: of)? {_MONTH}(?:\b|\.(?= \d))(?:,? (\d{{4}})\b)?",
            _day_first,
        ),
        (r"(?<![\w+])\+\d{1,3}(?:[ .-]\(?\d{1,5}\)?){2,5}(?!\d)", _telephone),
        (rf"{_BEGIN}(?:\+?\d{{1,2}}[ .-])?(?:\(\d{{3}}\) ?|\d{{3}}[.-])\d{{3}}[ .-]\d{{4}}(?!\d)", _telephone),
        (rf"{_BEGIN}(?<!-)\d{{3}}-\d{{4}}(?![\d-])", _telephone),
        (rf"{_BEGIN}\d+(?:-\d+){{2,}}", _telephone),
        (rf"{_NUMBER} ?- ?(?=[$€£¥]?\d)", r"\1 to "),
        (rf"{_BEGIN}(?<!:)(\d\d?):(\d\d)(?::(\d\d))?(?: ?([AaPp]\.?[Mm])\b)?(?![\d:])", _time),
        (rf"{_BEGIN}(\d\d?) ?([ap]m|[AP]M)\b", lambda match: f"{cardinal(int(match[1]))} {match[2].upper()}"),
        (rf"{_BEGIN}(\d+):(?=\d)", r"\1 to "),
        (r"(?<![\w)-])-(?=[$€£¥]?\.?\d)", "minus "),
        (rf"({_either(CURRENCIES)}) ?{_NUMBER}(?: ?({_either(SCALES)})\b)?(/(?=[A-Za-z]))?", _money_before),
        (rf"{_NUMBER} ?({_either(CURRENCIES)})(?!\w)", _money_after),
        (rf"{_BEGIN}(\d)'(\d\d?)\"", _feet_and_inches),
        (rf"{_BEGIN}'?(\d0|\d{{3}}0)'?s\b", _decade),
        (rf"{_NUMBER} ?({_UNIT})(?:\^?([23]))?(?:/({_UNIT}|[a-z]{{3,}}))?(?![\w^])", _measure),
        (rf"{_BEGIN}(\d{{1,3}}(?:,\d{{3}})+|\d+)(?:st|nd|rd|th)\b", _ordinal),
        (r"(?<!\w)'(?=\d\d\b)", ""),
        (rf"(?:{_BEGIN}(?<!/)(\d{{1,6}}) )?{_BEGIN}(?<!/)(\d{{1,4}})/(\d{{1,4}})(?![\d/])", _fraction),
        (r"(\w)\^(\d{1,4})(?!\d)", _power),
        (rf"{_BEGIN}(\d+)x\b", lambda match: f"{amount(match[1])} times"),
        (rf"{_BEGIN}(\d+) ?x ?(?=\d)", r"\1 by "),
        (r"(?<=[A-Za-z])-(?=\d)", " "),
        (r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)*|(?<!\w)\.\d+", _number),
    )
)

__all__ = ["amount", "cardinal", "digits", "in_words", "ordinal", "year"]
