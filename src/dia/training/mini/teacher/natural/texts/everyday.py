"""Everyday lines with numbers, dates, times, money and names, as a user would type them, and short answers."""

import random
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path


@cache
def entries(section: str) -> tuple[str, ...]:
    """The entries of a section of lines.txt, such as "lines" or "places"."""
    found: dict[str, list[str]] = {}
    for row in Path(__file__).with_name("lines.txt").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", row):
            found[heading[1]] = []
        elif not row.startswith("#"):
            found[list(found)[-1]].append(row)
    return tuple(found[section])


def line(rng: random.Random, names: Sequence[str], section: str = "lines") -> str:
    """A line with digits, dates or names, or one of another section with slots."""
    return re.sub(r"\{(\w+)\}", lambda slot: _SLOTS[slot[1]](rng, names), rng.choice(entries(section)))


def answer(rng: random.Random, names: Sequence[str]) -> str:
    """A short answer of one to about six words."""
    words = rng.choice(entries("answers"))
    fate = rng.random()
    if fate < 0.25:
        words = f"{rng.choice(entries('openings'))}, {_lower(words)}"
    elif fate < 0.45:
        words = f"{words}, {rng.choice(names)}"
    elif fate < 0.6:
        words = f"{words}. {rng.choice(entries('answers'))}"
    asking = re.match(r"(who|what|where|when|how|why|which|is|says|since|really|pardon)\b", words.lower())
    return words + ("?" if asking else rng.choice("...!"))


def _lower(words: str) -> str:
    return words if re.match(r"I\b|I'", words) else words[0].lower() + words[1:]


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _number(rng: random.Random) -> int:
    return rng.randrange(10 ** rng.choice((1, 2, 2, 3, 3, 4)))


def _money(rng: random.Random) -> str:
    amount = f"{rng.choice('$$$€£')}{_number(rng):,}"
    return f"{amount}.{rng.randrange(100):02d}" if rng.random() < 0.5 else amount


def _time(rng: random.Random) -> str:
    hour, minute = rng.randint(1, 12), rng.choice((0, 5, 10, 15, 20, 25, 30, 40, 45, 50, rng.randrange(60)))
    return rng.choice(
        (f"{hour}:{minute:02d}", f"{hour}:{minute:02d} {rng.choice(('am', 'pm'))}", f"{hour} o'clock", f"{hour} pm")
    )


def _date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randrange(12), rng.randint(1800, 2035)
    return rng.choice(
        (
            f"{entries('months')[month]} {day}, {year}",
            f"{month + 1}/{day}/{year}",
            f"{_ordinal(day)} of {entries('months')[month]}",
        )
    )


def _phone(rng: random.Random) -> str:
    digits = [rng.randrange(1, 10) for _ in range(7)]
    return "{}{}{}-{}{}{}{}".format(*digits)


Fill = Callable[[random.Random, Sequence[str]], str]


def _entry_of(section: str) -> Fill:
    return lambda rng, names: rng.choice(entries(section))


# Slots that are filled from a section of lines.txt.
_SECTIONS = {
    "month": "months",
    "weekday": "days",
    "unit": "units",
    "span": "spans",
    "things": "things",
    "place": "places",
    "script": "scripts",
    "machine": "machines",
    "software": "software",
    "open": "open",
    "kind": "kind",
    "task": "tasks",
    "site": "sites",
    "asset": "assets",
}
_SLOTS: dict[str, Fill] = {
    **{slot: _entry_of(section) for slot, section in _SECTIONS.items()},
    "day": lambda rng, names: str(rng.randint(1, 31)),
    "ordinal": lambda rng, names: _ordinal(rng.randint(1, 31)),
    "year": lambda rng, names: str(rng.randint(1700, 2040)),
    "time": lambda rng, names: _time(rng),
    "date": lambda rng, names: _date(rng),
    "money": lambda rng, names: _money(rng),
    "number": lambda rng, names: f"{_number(rng):,}",
    "small": lambda rng, names: str(rng.randint(1, 30)),
    "age": lambda rng, names: str(rng.randint(2, 99)),
    "large": lambda rng, names: f"{rng.randrange(10_000, 9_999_999):,}",
    "decimal": lambda rng, names: f"{rng.randrange(100)}.{rng.randrange(1, 10)}",
    "percent": lambda rng, names: f"{rng.randint(1, 100)}%",
    "digits": lambda rng, names: "-".join(str(rng.randrange(10)) for _ in range(rng.randint(3, 6))),
    "phone": lambda rng, names: _phone(rng),
    "name": lambda rng, names: rng.choice(names),
}
