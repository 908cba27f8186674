"""Write every figure of a text in words: the rules of every kind, in their order, around each figure.

Expects plain text (`dia.text.characters.unicode`) with single spaces. Independent of tags and abbreviations.
"""

import re
from collections.abc import Iterator

from dia.text.english.numbers import algebra, codes, dates, mathematics, measures, money, plurals, times
from dia.text.english.numbers.cardinals import amount, digits, early_year, written_ordinal, year
from dia.text.english.numbers.rules import BEGIN, Rules, after, applied, before, compiled, counts

_BEFORE, _AFTER = 6, 3  # words before and after a figure that its rules may look at
_FIGURE = re.compile(r"\d")
_YEAR_FOLLOWS = re.compile(
    r"\b(?:in|since|by|of|from|until|till|after|before|during|around|year|spring|summer|fall|autumn|winter|the|my|your|"
    r"his|her|its|our|their|this|that|early|late|mid|(?:jan|febr)uary|march|april|may|june|july|august|"
    r"(?:septem|octo|novem|decem)ber)(?: |, )$|'s $",
    re.IGNORECASE,
)
_IN_YEAR = re.compile(
    r"\b(?:[Ii]n|[Ss]ince|[Uu]ntil|[Yy]ear|[Bb]efore|[Aa]fter|[Dd]uring|[Aa]round|[Oo]f|[Cc]irca|AD) $"
)
# What many do and a year does not: 1850 fell ill.
_DONE_BY_MANY = re.compile(
    r" (?:(?:fell|were|are|got) (?:ill|sick|hurt|injured|killed|dead|missing|present|saved|arrested|sold|found|left)|"
    r"died|have|attended|applied|survived|signed|voted|perished|drowned|escaped|enrolled|registered|responded|participated|"
    r"remained|live|lived|work|worked|suffered)\b"
)
_ERA = re.compile(r" (?:AD|CE|BC|BCE)\b")
_TROOPS = "regiment|battalion|brigade|division|corps|infantry|cavalry|army|edition"  # the 2d regiment


_MANY = (
    "people|users|views|subscribers|followers|jobs|homes|customers|tonnes|tons|barrels|copies|viewers|voters|visitors|"
    "children|women|men|Americans|Britons|Europeans|households|workers|students|patients|passengers|downloads"
)


def in_words(text: str) -> str:
    """Write every number of a text in words; other text is unchanged. The running time is linear."""
    parts, end = [], 0
    for start, stop in _stretches(text):
        parts += [text[end:start], applied(_RULES, text[start:stop])]
        end = stop
    return "".join([*parts, text[end:]])


def _stretches(text: str) -> Iterator[tuple[int, int]]:
    """The parts of a text that contain figures, with the words around them."""
    start = stop = -1
    figure = _FIGURE.search(text)
    while figure:
        if figure.start() >= stop:
            begin = _words_back(text, figure.start())
            if start >= 0 and begin > stop:
                yield start, stop
                start = -1
            start = begin if start < 0 else start
        stop = _words_on(text, figure.end())
        token_end = text.find(" ", figure.end())
        figure = _FIGURE.search(text, token_end) if token_end >= 0 else None
    if start >= 0:
        yield start, stop


def _words_back(text: str, position: int) -> int:
    for _ in range(_BEFORE + 1):
        position = text.rfind(" ", 0, position)
        if position < 0:
            return 0
    return position + 1


def _words_on(text: str, position: int) -> int:
    for _ in range(_AFTER + 1):
        position = text.find(" ", position) + 1
        if not position:
            return len(text)
    return position - 1


def _number(match: re.Match[str]) -> str:
    written = match[0]
    if written.count(".") > 1:
        words = " point ".join(amount(part) for part in written.split("."))
    elif 3 <= len(written) <= 4 and written.isdigit() and written[0] != "0":
        words = _year_or_amount(match)
    elif written.startswith("."):
        words = f"point {digits(written)}"
    else:
        words = amount(written)
    earlier, later = before(match, 1), after(match, 1)
    space = " " if earlier.isalnum() or (earlier == "," and before(match, 2)[0].isalnum()) else ""
    return f"{space}{words}{' ' if later.isalnum() else ''}"


def _year_or_amount(match: re.Match[str]) -> str:
    number, earlier, later = int(match[0]), before(match), after(match)
    if len(match[0]) == 3:
        return early_year(number) if _ERA.match(later) else amount(match[0])
    if (counts(later) or _DONE_BY_MANY.match(later)) and not _YEAR_FOLLOWS.search(earlier):
        return amount(match[0])
    return early_year(number) if number < 1100 and _IN_YEAR.search(earlier) else year(number)


_SCALES = {"k": "thousand", "m": "million", "M": "million", "B": "billion"}


def _scaled(match: re.Match[str]) -> str:
    return f"{amount(match[1])} {_SCALES[match[2]]}"


_LAST: Rules = compiled(
    (r"(?<=[A-Za-z])'(?=\d\d\b(?!'))|(?<=\b[QH]\d)'(?=\d\d\b)", " '", "'"),  # Q4'23
    (r"(?<!\w)'00\b", "two thousand", "'"),
    (r"(?<!\w)'0(?=[1-9]\b)", "oh ", "'"),
    (r"(?<!\w)'(?=\d\d\b)", "", "'"),
    (rf"{BEGIN}(\d{{1,3}}(?:\.\d)?)(k)\b(?![/-])", _scaled, "k"),
    (rf"{BEGIN}(\d{{1,3}}(?:\.\d{{1,2}})?)([MB])(?=\+? (?:[a-z]{{2,20}}s|{_MANY})\b)", _scaled, "MB"),
    (r"(?<=[A-Za-z])-(?=\d)|(?<=\d)-(?=[A-Z]\b)", " ", "-"),
    (r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)*|(?<![\w.])\.\d+", _number),
)
_ORDINALS: Rules = compiled(
    (rf"(?<=\b[Tt]he ){BEGIN}(\d*[23])d(?= (?:of|day|{_TROOPS})\b)", lambda match: written_ordinal(match[1]), "d"),
    (rf"{BEGIN}(\d*[23])d(?= (?:inst|ult|{_TROOPS})\b)", lambda match: written_ordinal(match[1]), "d"),
    (rf"{BEGIN}(\d{{1,3}}(?:,\d{{3}})+|\d+)(?:st|nd|rd|th|ST|ND|RD|TH)\b", lambda match: written_ordinal(match[1])),
)
_RULES: Rules = (
    *money.GROUPS,
    *times.RULES,
    *dates.RULES,
    *codes.RULES,
    *algebra.RULES,
    *mathematics.RANGES,
    *times.CLOCK,
    *plurals.RULES,
    *mathematics.SIGNS,
    *money.RULES,
    *compiled((rf"{BEGIN}(\d{{1,3}}(?:\.\d{{1,2}})?)(m)(?=\+? (?:{_MANY})\b)", _scaled)),
    *measures.RULES,
    *_ORDINALS,
    *mathematics.RULES,
    *_LAST,
)

__all__ = ["in_words"]
