"""Plurals of figures: the 1990s, two 747s, AK-47s, 1s and 0s, 100s of people, $20s. `5s` is also five seconds."""

import re

from dia.text.english.numbers.cardinals import code, year
from dia.text.english.numbers.rules import BEGIN, Rules, after, before, compiled

_SECONDS = re.compile(
    r"\b(?:wait(?:s|ed|ing)?|for|in|took|takes?|after|every|within|last(?:s|ed)?|than|only|of|about|under|over|sleep)"
    r" $",
    re.IGNORECASE,
)
_LONG = re.compile(
    r" (?:timeout|delay|clip|video|ad|pause|interval|timer|exposure)s?\b|"
    r" (?:or (?:less|more|so)|later|ago|apart|long|each|per|left)\b"
)
_SEVERAL = (
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|these|those|some|several|many|few|all|both|dozen|"
    r"pair of)"
)
_MANY = re.compile(rf"{_SEVERAL} $|\b(?:Boeing|Airbus|Porsche|Ferrari|[Pp]ocket) $", re.IGNORECASE)
_NAMED = re.compile(r"\b(?:(?i:the|my|your|his|her|our|their)|[a-z]+ [A-Z][a-z']+) $")
# After a word of one number, a singular noun may follow: the 5s mark.
_NO_NOUN = re.compile(
    r"[.,;:!?]|$| (?:and|or|were|are|have|had|do|did|in|on|of|at|to|from|with|that|who|which|will|would|can|could)\b"
)
_ERA = re.compile(r" (?:AD|CE|BC|BCE)\b")


def _decade(match: re.Match[str]) -> str:
    number = int(match[1])
    if len(match[1]) == 2 and "'" not in match[0] and _are_seconds(match):
        return match[0]
    return _many(year(number) if number else "two thousand")


def _are_seconds(match: re.Match[str]) -> bool:
    return bool(_SECONDS.search(before(match)) or _LONG.match(after(match)))


def _many(words: str) -> str:
    """twenty → twenties, six → sixes, seven forty-seven → seven forty-sevens."""
    if words.endswith("y"):
        return f"{words[:-1]}ies"
    return f"{words}es" if words.endswith("x") else f"{words}s"


def _plural(match: re.Match[str]) -> str:
    """Two 747s → two seven forty-sevens, but `it took 5s` and `the 5s mark`."""
    earlier, later = before(match), after(match)
    model = len(match[1]) > 2 and not match[1].endswith("0")
    named = _NAMED.search(earlier) and (model or _NO_NOUN.match(later))
    century = match[1].endswith("00") and _ERA.match(later)
    plural = (_MANY.search(earlier) or named or century) and not _LONG.match(later)
    return _many(code(match[1])) if plural else match[0]


def _glued(match: re.Match[str]) -> str:
    """AK-47s → AK forty-sevens, but `sub-4s` and `T-5s` are seconds."""
    prefix, figure = match.groups()
    seconds = prefix in ("sub-", "T-") and len(figure) == 1
    decade = prefix.islower() and prefix.endswith("-") and figure.endswith("0")  # mid-1990s
    if seconds or decade:
        return match[0]
    joined = prefix if before(match, 1) == "-" else f"{prefix.rstrip('-')} "
    return f"{joined}{_many(code(figure))}"


def _pair(match: re.Match[str]) -> str:
    """1s and 0s → ones and zeros."""
    return match[0] if _are_seconds(match) else match[0].replace("1s", "ones").replace("0s", "zeros")


def _power_of_ten(match: re.Match[str]) -> str:
    """100s of → hundreds of, 10,000s of → tens of thousands of."""
    zeros = match[0].count("0")
    ones = ("ones", "tens", "hundreds")[zeros % 3]
    scale = ("", "thousands", "millions", "billions")[zeros // 3]
    return scale if scale and ones == "ones" else f"{ones} of {scale}" if scale else ones


def _bills(match: re.Match[str]) -> str:
    """$20s → twenties, $100s → hundreds; $10s of millions → tens of millions of dollars."""
    return _power_of_ten(match) if match[1].strip("0") == "1" else _many(code(match[1]))


_OF_MANY = r"(?= of (?:[a-z]{1,20} )?(?:people|men|women|children|[a-z]{2,20}s)\b)"
RULES: Rules = compiled(
    (r"\$(1\d?0{0,6})s of (thousand|million|billion)s\b", r"\1s of \2s of dollars", "$"),
    (r"[$€£](\d{1,4})s\b", _bills, "$€£"),
    (rf"{BEGIN}1(?:0{{1,2}}|0?0?(?:,?000){{1,3}})s\b{_OF_MANY}", _power_of_ten),
    (rf"{BEGIN}1(?:0?0?(?:,000){{1,3}})s\b", _power_of_ten, ","),
    (r"(?<=\biPhone )([456])s\b", r"\1 S"),
    (rf"{BEGIN}\b(\d\d?) ?x ?(\d\d?)s\b(?![/^-])", lambda match: f"{match[1]} by {_many(code(match[2]))}", "x"),
    (r"\b([A-Za-z]{1,10}-?)(\d{1,4})s\b(?![/^-])", _glued),
    (rf"{BEGIN}\b[01]s (?:and|or) [01]s\b", _pair),
    (rf"{BEGIN}'?(\d0|\d{{3}}0)'?s\b", _decade),
    (rf"{BEGIN}\b(\d{{1,4}})s\b(?![/^-])", _plural),
)

__all__ = ["RULES"]
