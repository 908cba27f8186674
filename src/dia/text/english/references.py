"""Abbreviations before a number: `Sec. 3`, `App. A`, `Art. I`, `No. 5`."""

import re

from dia.text.english import abbreviation_table as table
from dia.text.english.abbreviation_context import Found, Said, stop
from dia.text.english.numbers.rules import counts

_NUMERAL = re.compile(
    r" ?(?:[Nn]o\. ?\d|[#(]?\d|[IVXLC]{1,7}\b(?!\.[A-Za-z])|[A-Z]\b(?!['.])|[A-Z]\.(?: (?:The|This|It|In|We|See)\b|$))"
)
# A word that no numeral is followed by, so that I is a pronoun and A an article: `I love`, `A friend`.
_GOES_ON = (
    r"(?!(?:of|is|are|was|to|and|or|in|on|for|from|with|by|at|as|above|below|through|can|will|must|may|"
    r"(?!always\b|perhaps\b|sometimes\b)[a-z]+[^su\W]s)\b)[a-z]"
)
_PRONOUN = re.compile(rf" I(?:'[a-z]| {_GOES_ON})")
_ARTICLE_OR_I_WAS = re.compile(rf" (?:A {_GOES_ON}|I was\b)")
_AMOUNT = re.compile(
    r" \d[\d,.]*(?: (?:more|other|new|good|long|full))? (?:people|stars?|seconds?|minutes?|hours?|days?|weeks?|"
    r"months?|years?|times|dollars|euros|miles|percent|hundred|thousand|million|billion|of (?:us|them|you|my|our)|"
    r"out of)\b"
)
_DIGIT = re.compile(r" ?#?\d")


def reference(found: Found, spoken: str) -> Said:
    """`Sec. 3`, `App. A` and `Art. I`, but `Download the app. I love it.` and `Great app. 5 stars!`"""
    if found.after[:1] != " " or not _NUMERAL.match(found.after):
        return number(found, spoken)
    return None if _is_word(found) else f"{spoken} "


def _is_word(found: Found) -> bool:
    """Whether the abbreviation is an ordinary word or a name at the end of a sentence."""
    if _PRONOUN.match(found.after):
        return True
    if found.word.lower() not in table.WORDS_AND_REFERENCES:
        return False
    if _AMOUNT.match(found.after) or (found.word.islower() and _ARTICLE_OR_I_WAS.match(found.after)):
        return True
    numeral = re.match(r" \d[\d,.]*", found.after)
    determined = found.previous.lower() in table.DETERMINERS
    return determined and (numeral is None or counts(found.after[numeral.end() :]))


def limit(found: Found, spoken: str) -> Said:
    """`max. 5 people`, but `This is Max. 5 people like him.`"""
    name = found.word[0].isupper() and re.fullmatch("[a-z]+", found.previous)
    return None if name else number(found, spoken)


def figure(found: Found, spoken: str) -> Said:
    """`fig. below`, but `I ate a fig. It was good.`"""
    return None if found.is_last or found.starts() else spoken


def apartment(found: Found, spoken: str) -> Said:
    """`my apt. is small`, but `How apt. I agree.`"""
    ends = found.is_last or found.starts()
    return None if ends and found.previous.lower() not in table.DETERMINERS else spoken + stop(ends)


def number(found: Found, spoken: str) -> Said:
    """`No. 5`, but `Oh no. 5 are left.`"""
    answer = found.previous.lower() in ("oh", "say", "says", "said")
    return spoken if _DIGIT.match(found.after) and not answer else None


__all__ = ["apartment", "figure", "limit", "number", "reference"]
