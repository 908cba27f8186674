"""The abbreviations of written English: what they stand for, and when the full stop after one ends a sentence.

`expanded("Dr. Lee lives in the U.S. It is big.")` is "Doctor Lee lives in the U S. It is big.": a full stop that does
not end a sentence is dropped. The words are in `dia.text.english.abbreviation_table`.

Expects plain text (`dia.text.characters.unicode`). A line break ends a sentence (`dia.text.english.lines`).
"""

import re
from collections.abc import Callable
from string import digits

from dia.text.characters.edited import EditedText
from dia.text.english import abbreviation_table as table
from dia.text.english import scripture
from dia.text.english.abbreviation_context import NAME, Found, Said, stop, weak
from dia.text.english.numbers.rules import applied, compiled, either
from dia.text.english.numbers.units import MEASURES
from dia.text.english.references import apartment, figure, limit, number, reference
from dia.text.english.titles_and_places import (
    STREET_NAME,
    before_name,
    doctor_or_drive,
    postal,
    postal_without_stop,
    saint_or_street,
    saint_or_street_without_stop,
    sister_or_senior,
    state,
    state_after_comma,
    state_that_is_a_word,
    title,
)

_LONGEST_PART = 2  # letters between the stops of an abbreviation that is spelt
_COUNT = re.compile(
    r"(?:\d|\b(?:a few|several|many|"
    + "|".join(table.SMALL_NUMBERS)
    + r"))[ -]?(?:square |cubic )?$|\b(?:square|cubic) $"
)
_WORD_AFTER_NUMBER = re.compile(r"[a-z] in$|\bone gal$")  # three in. Two left
_ONE = re.compile(r"(?:(?<![\d.,])1|\bone)[ -]?(?:square |cubic )?$")
_AMOUNT_BEFORE = re.compile(rf"(?:\d|\u00b0|\b(?:\w+ty-)?(?:{'|'.join(table.NUMBER_WORDS)})) ?$")
_AT_FIRST = re.compile(r"\b(?:At|By|Around|About|Before|After|Until|Since|From) (?:about |around )?[\d:]+ ?$")
_PLACE_OR_EMPLOYER = re.compile(
    r"\b(?:at|for|by|from|with|to|on|in|joined|left|founded|bought|sold|sued)(?: [A-Z\d&][\w'&-]*\.?,?){1,4} $"
)
_SUBJECT_AND_VERB = re.compile(
    r" [A-Z][a-z'-]+ (?:is|was|has|had|will|would|can|could|does|did|said|says|went|came|lives|lived|works|worked|"
    r"wants|wanted|likes|liked|loves|loved|thinks|knows|knew|took|made|never|always|also|then|just)\b"
)
_MONTH_BEFORE = re.compile(
    r"\b(?:in|since|until|till|by|from|last|next|this|early|late|mid|through|during|every|each|before|after|of|for|due|"
    r"(?:from|between) \S+ (?:to|and)|(?:Nov|Dec|Feb)[a-z]*\.? (?:to|and|or)) $"
    r"|\d(?:st|nd|rd|th)? ?$|[/-] ?$|(?:^|[.!?:;][\"')]* )$",
    re.IGNORECASE,
)
_DAY_CONTEXT = re.compile(
    r"\b(?:[Oo]n|every|each|last|next|this|until|till|by|from|to|and|or|since|[Cc]losed|[Oo]pen) $|[.,/-] ?$"
)
_PART_OF_DAY = re.compile(r" ?(?:morning|afternoon|evening|night|at \d|\d|-)|, ?[A-Z]")


def expanded(text: str) -> str:
    """The text with abbreviations in full; of the full stops after them, those that end a sentence are kept."""
    return applied(_RULES, text)


def expanded_in_place(text: EditedText) -> EditedText:
    """`expanded`, with the position of each character."""
    present = set(text.text)
    for pattern, stand_in, signs in _RULES:
        if not signs or not present.isdisjoint(signs):
            before, text = text, text.sub(pattern, stand_in)
            present = present if text is before else set(text.text)
    return text


def _with_stop(match: re.Match[str]) -> str:
    """Expand one abbreviation that has a full stop."""
    word = match[1]
    if len(word) > 1 and "." not in word and word not in _READINGS and not word.isupper():
        return match[0]
    found = Found.of(match, word)
    said = _said(found)
    if said is None:
        return match[0]
    follows = found.after[:1]
    return f"{said} " if said[-1:] != "." and follows.isalnum() else said


def _said(found: Found) -> Said:
    capitals = found.word.isupper() and not (found.word in table.POSTAL and found.before.endswith(", "))
    for name in dict.fromkeys((found.word, found.word.capitalize() if capitals else found.word)):
        for spoken, rule in _READINGS.get(name, ()):
            if (said := rule(found, spoken)) is not None:
                return said if name == found.word or "." in name else said.upper()
    if "." in found.word:
        if len(found.word.rpartition(".")[2]) > _LONGEST_PART:  # b.png
            return None
        return found.word.replace(".", " ") + stop(found.ends_if_starter_follows)
    return _initial(found) if len(found.word) == 1 and found.word.isupper() else None


def _initial(found: Found) -> Said:
    """A single capital: of a name, `J. Smith`, or the end of a sentence, `plan B. Then`."""
    if found.is_last or found.after[:1].isalpha():
        return None
    if _AMOUNT_BEFORE.search(found.before):
        return None
    previous = found.previous
    labeled = previous.lower() in table.LETTERED or previous.rstrip(".") in table.REFERENCES
    pronoun = found.word == "I" and previous[:1].islower() and previous != "by"
    spelt = bool(re.search(r"(?<![\w.])[A-Z] $", found.before))  # U S. China: the end of letters without stops
    another = re.match(r" [A-Z]\.", found.after)
    if not another and (labeled or pronoun or spelt or found.ends_if_starter_follows):
        return None
    return found.word


def _strong(found: Found, spoken: str) -> Said:
    """`etc.`: before any capital, a sentence ends."""
    return spoken + stop(found.ends_if_any_capital_follows)


def _company(found: Found, spoken: str) -> Said:
    """`Inc.`, as in `He works at Apple Inc. Tim is his boss.`, where a subject and a verb begin a sentence."""
    clause = _PLACE_OR_EMPLOYER.search(found.before) and _SUBJECT_AND_VERB.match(found.after)
    return f"{spoken}." if clause else weak(found, spoken)


def _street(found: Found, spoken: str) -> Said:
    return _company(found, spoken) if STREET_NAME.search(found.before) else None


def _half_day(found: Found, spoken: str) -> Said:
    """`5 p.m. Then` ends a sentence, `5 p.m. Monday` does not, nor does `At 5 p.m. John left.`"""
    goes_on = found.next in table.AFTER_TIMES or _AT_FIRST.search(found.before)
    return spoken + stop(found.is_last or (found.ends_if_any_capital_follows and not goes_on))


def _never_last(found: Found, spoken: str) -> Said:
    return spoken + stop(found.is_last)


def _unit(found: Found, spoken: str) -> Said:
    """`6 ft. tall`; `dia.text.english.numbers.cardinals` reads the units that it knows."""
    if found.word == "min" and found.previous in ("a", "another") and found.ends_if_any_capital_follows:
        return "minute."
    if not _COUNT.search(found.before) or found.after[:1].isalnum():
        return None
    if _WORD_AFTER_NUMBER.search(f"{found.before}{found.word}") and found.ends_if_any_capital_follows:
        return None
    one, _, many = spoken.partition("/")
    known = found.word in MEASURES and found.before.rstrip(" -")[-1:].isdigit()
    said = found.word if known else one if _ONE.search(found.before) else many
    return said + stop(found.ends_if_any_capital_follows)


def _versus(found: Found, spoken: str) -> Said:
    """`Roe v. Wade`."""
    return spoken if found.previous[:1].isupper() and NAME.match(found.after) else None


def _circa(found: Found, spoken: str) -> Said:
    """`c. 1350`, `(b. 1950)`, `est. 1999`."""
    return spoken if re.match(r" \d{3,4}\b", found.after) else None


def _edition(found: Found, _: str) -> Said:
    """`2nd ed.`, `ed. by Lee`."""
    if re.search(r"\d(?:st|nd|rd|th) $", found.before):
        return "edition" + stop(found.ends_if_starter_follows)
    return "edited" if found.after.startswith(" by ") else None


def _and_others(found: Found, spoken: str) -> Said:
    return weak(found, spoken) if found.previous == "et" else None


def _month_or_name(found: Found, spoken: str) -> Said:
    """`in Jan. She left`, `Jan. 5` and `the Jan. sale`, but `I met Jan. She is nice.`"""
    if found.ends_if_any_capital_follows and not _MONTH_BEFORE.search(found.before):
        return None
    return weak(found, spoken)


def _day(found: Found, spoken: str) -> Said:
    """`Sun.` and `Sat.`, which are words, too: `on Sun. at noon`."""
    context = _DAY_CONTEXT.search(found.before) or _PART_OF_DAY.match(found.after)
    return weak(found, spoken) if context else None


# A word may have several kinds: the first whose rule applies decides.
_KINDS: tuple[tuple[dict[str, str], Callable[[Found, str], Said]], ...] = (
    ({"St": ""}, saint_or_street),
    ({"Dr": ""}, doctor_or_drive),
    ({"Sr": ""}, sister_or_senior),
    (table.UNITS, _unit),
    (table.NUMBERS, number),
    (table.REFERENCES, reference),
    (table.LIMITS, limit),
    (table.FIGURES, figure),
    (table.APARTMENTS, apartment),
    (table.STATES, state),
    (table.POSTAL, postal),
    (table.WORDS_AND_STATES, state_after_comma),
    (table.STREETS, _street),
    (table.BEFORE_NAMES, before_name),
    (table.TITLES, title),
    (table.COMPANIES, _company),
    (table.DAYS_AND_WORDS, _day),
    (table.MONTHS_AND_NAMES, _month_or_name),
    (table.MONTHS_AND_DAYS, weak),
    (table.HALF_DAYS, _half_day),
    (table.STRONG, _strong),
    (table.WEAK, weak),
    (table.NEVER_LAST, _never_last),
    ({"v": "versus"}, _versus),
    ({"c": "about", "b": "born", "d": "died", "est": "established"}, _circa),
    ({"est": "estimated"}, _never_last),
    ({"ed": ""}, _edition),
    ({"al": "al"}, _and_others),
)
_READINGS = {
    word: [(words[word], rule) for words, rule in _KINDS if word in words]
    for word in {word for words, _ in _KINDS for word in words}
}


def _without_stop(match: re.Match[str]) -> str:
    word = match[0]
    said = table.WITHOUT_STOP.get(word)
    return said if said is not None else table.WITHOUT_STOP[word.capitalize()].upper()


def _named(day: str) -> str:
    return table.MONTHS_AND_DAYS.get(day) or table.DAYS_AND_WORDS.get(day, day)


def _days(match: re.Match[str]) -> str:
    """Mon-Fri → Monday to Friday."""
    between = {"-": "to", "&": "and", "/": "and"}.get(match[2].strip(), match[2].strip())
    return f"{_named(match[1])} {between} {_named(match[3])}"


_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?<!\w...)(?:rs?|s)?"
_MONTH = "Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec"
# Patterns begin with what they look for, which is fast.
_RULES = (
    *scripture.RULES,
    *compiled(
        (r"(?<=[a-z]s)/min(?:\.(?= [a-z])|(?!\w))", "/minute", "/"),
        (r"\bN\u00b0\.? ?(?=\d)", "number ", "\u00b0"),
        (r"([AaEeIiPp])(?<![\w.].)\. (?=[egm]\.)", r"\1.", "."),
        (
            r"(?<=\d )([NSEW])\.? (?=[A-Z][a-z]+\b|\d{1,3}(?:st|nd|rd|th)\b)",
            lambda match: f"{table.DIRECTIONS[match[1]]} ",
            digits,
        ),
        (
            r"([Ss]q|[Cc]u)(?<!\w..)\. ?(?=(?:ft|in|yd|mi|m|km|cm)\b)",
            lambda match: table.AREAS[match[1].lower()],
            ".",
        ),
        (r"\b(?<![.@/\\-])((?:[A-Za-z]{1,2}\.){0,6}[A-Za-z]{1,8})\.(?![a-z_@\\])(?!/\w)", _with_stop, "."),
        (r"(?<=\d-)([A-Za-z]{1,5})\.(?= [a-z])", _with_stop, "-"),
        (r"Ph\.D\.s\b", "PhDs", "."),
        (r"([A-Z](?<![\w.].)\.(?:[A-Z]\.){1,5})s\b", lambda match: f"{match[1].replace('.', ' ').rstrip()}s", "."),
        (r"[A-Z](?<![\w.].)(?:\.[A-Z]){1,6}(?![\w.])", lambda match: match[0].replace(".", " "), "."),
        (r"St(?<!\w..)\b(?![.'-])", saint_or_street_without_stop, "S"),
        (
            rf"\b(?<![.-])(?:{either(table.TITLES_WITHOUT_STOP)})"
            r"(?= (?!Alpha\b|Beta\b|Congo)[A-Z][a-z']|[ ,](?:and|or|&) )",
            _without_stop,
            "CDFGLMPRS",
        ),
        (rf"(?<=[A-Za-z)] )(?:{either(table.NAMES_WITHOUT_STOP)})\b(?![.'-])", _without_stop, "ABCEHIJLPRS"),
        (rf"\b(?<![.-])(?:{either(table.WORDS_WITHOUT_STOP)})\b(?![.'-])", _without_stop),
        (rf"({_DAY})\.? ?(-|/|&|(?<= )(?:to|through|thru|and|or)(?= )) ?({_DAY})\b(?!\w)", _days, "MTWFS"),
        (
            rf"({_DAY})(?<![Tt]he ...)\b"
            rf"(?=,? (?:at )?(?:\d{{1,2}}(?!\d|(?:st|nd|rd|th)?,? \d{{5}})|(?:{_MONTH})[a-z]*\.? \d))",
            lambda match: _named(match[1]),
            digits,
        ),
        (r"(?<=[a-z], )([A-Z]{2})\b(?![.'-])", postal_without_stop, ","),
        (
            rf"(?<=[a-z], )(?:{either(table.POSTAL_WORDS)})(?= \d{{5}}\b)",
            lambda match: table.POSTAL_WORDS[match[0]],
            digits,
        ),
        (
            rf"(?<=[a-z], )({either(table.POSTAL_WORDS)})(?=[.,;:!?)]|$)",
            state_that_is_a_word,
            ",",
        ),
    ),
)

__all__ = ["expanded", "expanded_in_place"]
