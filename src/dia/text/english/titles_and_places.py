"""Titles before a name, and abbreviations of places: `St.` and `Dr.` are both."""

import re

from dia.text.english import abbreviation_table as table
from dia.text.english.abbreviation_context import NAME, REACH, Found, Said, stop, weak
from dia.text.english.numbers.rules import listed

STREET_NAME = re.compile(r"(?:[A-Z][A-Za-z'-]+|\d(?:st|nd|rd|th)|\b[A-Z]) $")
_CITY_AND_COMMA = re.compile(r"[A-Z][a-z'-]+, $")
_CALL_AND_COMMA = re.compile(r"(?:^|[.,!?:;]|(?<!\w)[\"'(])[\"')\]]* ?[\"'(]*([A-Z][\w']*), $")
_PERSON_AND_COMMA = re.compile(r"\b([A-Z][\w'-]*)\.? ([A-Z][a-z'-]+), $")
_WORDS_AFTER_A_COMMA = ("OK", "LA")
_AT = "[Ii]n|[Nn]ear|[Aa]round|[Oo]utside|[Vv]isit"
_PLACE_AND_COMMA = re.compile(
    rf"\b(?:{_AT}|[Ff]rom|[Ll]eft|(?:went|moved?|flew|drove|back) to)(?: [A-Z][a-z][\w'.-]*){{1,3}}, $"
)
_IN_CITY = re.compile(rf"\b(?:{_AT})(?: [A-Z][\w'.-]*){{1,3}}, $")
_FIRST_OF_CITY = frozenset(listed("New North South East West Fort Mount Saint Lake Port Upper Bel Glen Old San La El"))
_LAST_OF_CITY = frozenset(
    listed("City Park Spring Springs Mills Beach Heights Hills Falls Grove Village Valley Creek Bay Town Chase County")
)
_CAPITALS = re.compile(r" [A-Z]|, (?!USA?\b|U S)[A-Z]{2,}\b")  # Word, MS Excel; CT, MRI
# What begins a sentence after a title: `I feel`, `I'm`, `My leg`, `It's`; but `Dr. I. Lee`.
_PRONOUN = re.compile(r" [\"']?(?:(?:I|My|Your|His|Our|Their) [a-z]|(?:I|You|He|She|It|We|They|That|There|Let)'[a-z])")
_CLAUSE = re.compile(r" [\"']?[A-Z][a-z']+,? (?:[a-z]|I\b)")


def title(found: Found, spoken: str) -> Said:
    """`Dr. Lee`, `the Dr. said`, but `Thank you, Dr. You saved me.`"""
    return spoken + stop(found.is_last or _ends_title(found))


def _ends_title(found: Found) -> bool:
    """Whether a sentence ends: before a pronoun, after a form of address before a starter, too."""
    if found.starts(table.PRONOUNS) or _PRONOUN.match(found.after):
        return True
    return found.before.endswith(", ") and _starts_sentence(found)


def _starts_sentence(found: Found) -> bool:
    """Whether a word that is no name and begins a sentence follows: `Is that`, but not `Will Smith`."""
    name = found.next.capitalize() in table.NAMES_AND_STARTERS
    return found.starts() and not name and bool(_CLAUSE.match(found.after))


def before_name(found: Found, spoken: str) -> Said:
    """`Gen. Lee`, `Ft. Worth`, `the Gen. said`, but `I met Gen. She is nice.`"""
    if found.starts(table.PRONOUNS) or _PRONOUN.match(found.after):
        titled = found.word != "Hon" and (found.before.endswith(", ") or found.previous.lower() in table.DETERMINERS)
        return f"{spoken}." if titled else None
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
    called = found.previous.capitalize() in table.CALLS
    name = NAME.match(found.after) and not (_ends_title(found) or _starts_sentence(found))
    if not named or called or name:
        return title(found, "Doctor")
    return "Drive" + stop(found.ends_if_starter_follows)


def is_called(found: Found) -> bool:
    """Whether the listener is named after a greeting or an answer: `Thanks, Mo.`"""
    call = _CALL_AND_COMMA.search(found.before)
    return call is not None and call[1].capitalize() in table.CALLS


def state(found: Found, spoken: str) -> Said:
    """`in Tex.`, but `Hey, Tex.`"""
    return None if is_called(found) else weak(found, spoken)


def state_after_comma(found: Found, spoken: str) -> Said:
    """States whose abbreviation is a word: `Springfield, Ill.`"""
    return state(found, spoken) if _CITY_AND_COMMA.search(found.before) else None


def postal(found: Found, spoken: str) -> Said:
    """`Austin, TX.`, but `Robert Chen, MD.` and `the mean, SD.`"""
    return weak(found, spoken) if _is_postal(found) else None


def postal_without_stop(match: re.Match[str]) -> str:
    """`Austin, TX, and`, but `Robert Chen, MD, and` and `Word, MS Excel`."""
    found = Found.of(match, match[1])
    listed_one = found.word in table.AMBIGUOUS_POSTAL and _CAPITALS.match(found.after)
    state_name = table.POSTAL.get(found.word)
    return state_name if state_name and not listed_one and _is_postal(found) else found.word


def state_that_is_a_word(match: re.Match[str]) -> str:
    """`He lives in Portland, OR.`, but `Take the bus, OR walk` and `I was in Paris, OK?`"""
    found = Found.of(match, match[1])
    is_state = found.word not in _WORDS_AFTER_A_COMMA and _PLACE_AND_COMMA.search(found.before)
    return table.POSTAL_WORDS[found.word] if is_state else found.word


def _is_postal(found: Found) -> bool:
    if found.word not in table.AMBIGUOUS_POSTAL:
        return bool(re.search("[a-z], $", found.before))
    if not _CITY_AND_COMMA.search(found.before):
        return False
    return found.word != "MD" or bool(re.match(r" \d{5}\b", found.after)) or not _is_person(found)


def _is_person(found: Found) -> bool:
    """Whether two capitalized words stand before a comma that are no city: `Robert Chen, MD`."""
    name = _PERSON_AND_COMMA.search(found.before)
    if name is None or _IN_CITY.search(found.before) or name[1] in table.STARTERS:
        return False
    return name[1] not in _FIRST_OF_CITY and name[2] not in _LAST_OF_CITY


__all__ = [
    "STREET_NAME",
    "before_name",
    "doctor_or_drive",
    "postal",
    "postal_without_stop",
    "saint_or_street",
    "saint_or_street_without_stop",
    "sister_or_senior",
    "state",
    "state_after_comma",
    "state_that_is_a_word",
    "title",
]
