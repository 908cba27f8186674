"""Titles before a name, and abbreviations of places: `St.` and `Dr.` are both."""

import re

from dia.text.english import abbreviation_table as table
from dia.text.english.abbreviation_context import NAME, REACH, Found, Said, stop, weak

STREET_NAME = re.compile(r"(?:[A-Z][A-Za-z'-]+|\d(?:st|nd|rd|th)|\b[A-Z]) $")
_CITY_AND_COMMA = re.compile(r"[A-Z][a-z'-]+, $")


def title(found: Found, spoken: str) -> Said:
    """`Dr. Lee`, `the Dr. said`, but `Thank you, Dr. You saved me.`"""
    return spoken + stop(found.is_last or found.starts(table.PRONOUNS))


def before_name(found: Found, spoken: str) -> Said:
    """`Gen. Lee`, `Ft. Worth`, `the Gen. said`."""
    told = found.previous.lower() in ("the", "our", "my", "his", "her") and re.match(r" [a-z]", found.after)
    return spoken if told or NAME.match(found.after) else None


def sister_or_senior(found: Found, _: str) -> Said:
    """`Sr. Agnes`, but `Sr. Editor` and `John Adams Sr.`"""
    named = found.previous[:1].isupper() or not NAME.match(found.after)
    return weak(found, "Senior") if named or found.next in table.POSITIONS else "Sister"


def saint_or_street(found: Found, _: str) -> Said:
    """`Main St. is` and `Main St. He`, but `St. Louis` and `Old St. Paul's`."""
    named = bool(STREET_NAME.search(found.before)) and found.previous.capitalize() not in table.STARTERS
    saint = found.next.removesuffix("'s") in table.SAINTS or found.previous in table.BEFORE_SAINTS
    if NAME.match(found.after) and (saint or not named) and not (named and found.starts()):
        return "Saint"
    return "Street" + stop(found.ends_if_starter_follows) if named or not found.next else None


def saint_or_street_without_stop(match: re.Match[str]) -> str:
    """`St Mary's`, but `12 Main St Boston`."""
    before, after = match.string[max(0, match.start() - REACH) : match.start()], match.string[match.end() :][:REACH]
    named = bool(re.search(r"\d[\w ]{0,12} [A-Z][a-z'-]+ $", before))
    saint = re.match(r" ([A-Z][a-z]+)", after)
    if saint and (saint[1] in table.SAINTS or not named):
        return "Saint"
    return "Street" if STREET_NAME.search(before) and not re.match(r"[\w'-]", after) else match[0]


def doctor_or_drive(found: Found, _: str) -> Said:
    """`Maple Dr., Apt. 4` and `Maple Dr. He`, but `Dr. Lee` and `Hello, Dr.`"""
    named = bool(STREET_NAME.search(found.before)) and found.previous.capitalize() not in table.STARTERS
    name = NAME.match(found.after) and not found.starts(table.PRONOUNS)
    if not named or name:
        return title(found, "Doctor")
    return "Drive" + stop(found.ends_if_starter_follows)


def state_after_comma(found: Found, spoken: str) -> Said:
    """States whose abbreviation is a word: `Springfield, Ill.`"""
    return weak(found, spoken) if _CITY_AND_COMMA.search(found.before) else None


__all__ = [
    "STREET_NAME",
    "before_name",
    "doctor_or_drive",
    "saint_or_street",
    "saint_or_street_without_stop",
    "sister_or_senior",
    "state_after_comma",
    "title",
]
