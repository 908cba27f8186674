"""Rules that replace what is written by what is said: patterns and their stand-ins, applied in order."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

StandIn = str | Callable[[re.Match[str]], str]


class Rule(NamedTuple):
    """Replace every match of a pattern.

    Attributes:
        pattern: what is written.
        stand_in: what is said.
        signs: the pattern matches only texts with one of these signs, so that others need not be searched; "" if any.
    """

    pattern: re.Pattern[str]
    stand_in: StandIn
    signs: str = ""


Rules = tuple[Rule, ...]

BEGIN = r"(?=[\d.+('])(?<!\d)(?<!\d[.,])"  # not inside a number; what may follow comes first, which is fast
NUMBER = rf"{BEGIN}((?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?|\.\d+)"


def compiled(*rules: tuple[str, StandIn] | tuple[str, StandIn, str]) -> Rules:
    """Compile the patterns of rules, each with its stand-in and, if it needs one, its signs."""
    return tuple(Rule(re.compile(rule[0]), rule[1], rule[2] if len(rule) == 3 else "") for rule in rules)


def applied(rules: Rules, text: str) -> str:
    """Replace every match of each rule, one rule after another."""
    present = set(text)
    for pattern, stand_in, signs in rules:
        if not signs or not present.isdisjoint(signs):
            changed = pattern.sub(stand_in, text)
            if changed != text:
                text, present = changed, set(changed)
    return text


def either(names: Iterable[str]) -> str:
    """A pattern that matches any of the names, the longest first."""
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


_COUNTED = re.compile(
    r" (?!(?:was|is|has|as|this|its|us|plus|minus|thus|yes|always|perhaps|across|does|vs|less|besides|unless)\b)"
    r"(?:people|men|women|children|[a-z]{2,20}s)\b"
)


def counts(text: str) -> bool:
    """Whether a text that follows a number shows it to be an amount, since a plural comes next: ` birds`."""
    return bool(_COUNTED.match(text))


def listed(names: str) -> tuple[str, ...]:
    """The words of a list that is written with spaces."""
    return tuple(names.split())


def before(match: re.Match[str], reach: int = 32) -> str:
    """The characters directly before a match."""
    return match.string[max(match.start() - reach, 0) : match.start()]


def after(match: re.Match[str], reach: int = 32) -> str:
    """The characters directly after a match."""
    return match.string[match.end() : match.end() + reach]


__all__ = [
    "BEGIN",
    "NUMBER",
    "Rule",
    "Rules",
    "StandIn",
    "after",
    "applied",
    "before",
    "compiled",
    "counts",
    "either",
    "listed",
]
