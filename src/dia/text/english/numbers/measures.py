"""Measures: 5 km/h, 20 m², 5 kg/m³, 25°C, 6'2", 51°N, a 5-km run, hours/day."""

import re

from dia.text.english.numbers.cardinals import amount, cardinal, ordinal
from dia.text.english.numbers.mathematics import fraction, power
from dia.text.english.numbers.rules import BEGIN, NUMBER, Rules, after, before, compiled, either
from dia.text.english.numbers.units import MEASURES, SECONDS, WITHOUT_NUMBER

_UNIT = either(MEASURES)
_POWER = r"(?:\^?([23]))?"
_PERS = rf"(?:/(?:(?:{_UNIT})(?:\^?[23])?(?![\w^])|[a-z]{{3,12}}\b)){{0,2}}"
_PER_WORD = "second|minute|hour|day|night|week|month|year|person|head|capita|mile|serving|child|student|employee"
_DIRECTIONS = {"N": "north", "S": "south", "E": "east", "W": "west"}
_LENGTHS = ("m", "km", "cm", "mm", "ft", "mi")
# What a measure describes: a 6.1" screen, 500 mg tablets.
_OBJECT = (
    r"screen|monitor|display|TV|pipe|ruler|nail|screw|bolt|pan|dish|board|blade|wheel|tire|tablet|capsule|pill|dose|can|"
    r"bottle|bag|pack|package|box|jar|camera|battery|drive|disk|engine|motor|cable|run|race|walk|relay|dash|sprint|bulb|"
    r"adapter|charger|speaker|lens|inseam|waist"
)
DESCRIBED = re.compile(rf" (?:{_OBJECT})s?\b")
_HALF = r"(?: 1/2| [13]/4)?"
_SWAP = {"": "", "2": "square ", "3": "cubic "}
_AFTERWARDS = {"2": " squared", "3": " cubed"}


def _measure(match: re.Match[str]) -> str:
    written, hyphen, unit, squared, pers = match.groups()
    one, many = MEASURES[unit]
    described = re.search(r"\b[Aa]n? $", before(match, 4)) or DESCRIBED.match(after(match))
    alone = written == "1" or hyphen == "-" or bool(described)
    return f"{amount(written)} {_SWAP[squared or '']}{one if alone else many}{_per(pers)}"


def _per(written: str | None) -> str:
    """/m^3 → per cubic meter, /s^2 → per second squared, /kg/day → per kilogram per day."""
    said = ""
    for unit, squared in re.findall(r"/([^/^\d]+)\^?([23]?)", written or ""):
        name = MEASURES.get(unit, (unit,))[0]
        said += " per " + (f"{name}{_AFTERWARDS.get(squared, '')}" if unit in SECONDS else f"{_SWAP[squared]}{name}")
    return said


def _per_unit(match: re.Match[str]) -> str:
    """500/mm^3 → five hundred per cubic millimeter."""
    unit, squared = match[1] or match[3], match[4] or ""
    return f" per {_SWAP[squared]}{MEASURES[unit][0]}"


def _after_power(match: re.Match[str]) -> str:
    """10^8 m/s → 10 to the power of eight meters per second."""
    exponent, unit, squared, pers = match.groups()
    return f" {power(exponent)} {_SWAP[squared or '']}{MEASURES[unit][1]}{_per(pers)}"


def _feet_and_inches(match: re.Match[str]) -> str:
    """6'2" → six feet two inches, a 5'10" man → a five foot ten man."""
    feet, inches, part = int(match[1]), int(match[2]), match[3].strip()
    above, _, below = part.partition("/")
    said = fraction(match[2], int(above), int(below)) if part else cardinal(inches)
    if re.search(r"\b[Aa]n? $", before(match, 4)) and re.match(r" [A-Za-z]", after(match)):
        return f"{cardinal(feet)} foot {said}"
    return (
        f"{cardinal(feet)} {'foot' if feet == 1 else 'feet'} {said} inch{'' if match[2] == '1' and not part else 'es'}"
    )


def _age(match: re.Match[str]) -> str:
    """a 5yo → a five-year-old, she is 18 y.o. → she is eighteen years old."""
    described = re.search(r"\b(?:[Aa]n?|[Tt]he|[Mm]y|[Oo]ur|[Hh]is|[Hh]er) $", before(match, 8))
    stop = "." if match[0].endswith(".") and re.match(r"$| [A-Z]", after(match)) else ""
    return f"{amount(match[1])}{'-year-old' if described else ' years old' if match[1] != '1' else ' year old'}{stop}"


def _stones(match: re.Match[str]) -> str:
    """12st → twelve stone, but 21st and 101st are ordinals."""
    is_ordinal = match[1].endswith("1") and not match[1].endswith("11") and not match[2]
    return match[0] if is_ordinal else f"{cardinal(int(match[1]))} stone{match[2] or ''}"


def _direction(match: re.Match[str]) -> str:
    return f"{match[1]} {_DIRECTIONS[match[2]]}"


def _degrees(match: re.Match[str]) -> str:
    """40°26'46"N → forty degrees twenty-six minutes forty-six seconds north."""
    degrees, minutes, seconds, direction = match.groups()
    parts = [(degrees, "degree"), (minutes, "minute"), (seconds, "second")]
    said = " ".join(f"{amount(number)} {unit}{'' if number == '1' else 's'}" for number, unit in parts if number)
    return f"{said} {_DIRECTIONS[direction]}" if direction else said


def _alone(match: re.Match[str]) -> str:
    """per m^2 → per square meter."""
    return match[1] + _SWAP[match[3] or ""] + MEASURES[match[2]][0]


def _unit_alone(match: re.Match[str]) -> str:
    """kg/m^3 → kilograms per cubic meter, km^2 → square kilometers."""
    unit, squared, pers = match.groups()
    sure = unit in WITHOUT_NUMBER if not pers else len(match[0]) > 3 or match[0] == "m/s"  # not s/m
    return _SWAP[squared or ""] + MEASURES[unit][1] + _per(pers) if squared or sure else match[0]


def _part(match: re.Match[str]) -> str:
    """1/2 lb → half a pound, 3/4 km → three quarters of a kilometer, 4 1/2 lbs → four and a half pounds."""
    whole, above, below, unit = match.groups()
    said = fraction(whole, int(above), int(below))
    one, many = MEASURES[unit]
    if said is None:
        over = not whole and int(above) > int(below)
        return f"{cardinal(int(above))} over {cardinal(int(below))} {many}" if over else match[0]
    if whole:
        return f"{said} {many}"
    article = "an" if one.startswith(("a", "e", "hour", "i", "o")) else "a"
    return f"{'half' if above + below == '12' else f'{said} of'} {article} {one}"


_AT_A_HEAT = r"\b(?:[Aa]t|to|is|was|hit|of|about|around|over|under|above|below|until|[Hh]eat|[Oo]ven)"
RULES: Rules = compiled(
    (rf"({_AT_A_HEAT} \d{{2,3}}) ?([CF])\b(?=[.,;:!?]|$| (?:for|until|and|or|in|then|oven)\b)", "\\1\u00b0\\2", "CF"),
    (r"(?<=\b\d\d\d)F\b(?= (?:for|oven)\b)", "\u00b0F", "F"),
    (r"(?<=\d) ?fl\.? ?oz(?:\.(?= [a-z])|\b)", " fl oz"),
    (rf"{BEGIN}\b(\d{{1,3}})[ -]?(?:y/o|yo|y\.? ?o\b\.?|YO)(?![\w-])", _age),
    (rf"{BEGIN}\b([4-9]|[1-4]\d)st( \d\d? ?lbs?)?\b", _stones),
    (rf"{BEGIN}1/(\d{{2,4}}) ?s(?:ec)?\b", lambda match: f"one {ordinal(int(match[1]))} of a second", "/"),
    (rf"{BEGIN}(?<!/)(?:(\d{{1,6}}) )?(\d{{1,3}})/(\d{{1,3}}) ?({_UNIT})(?![\w^/-])", _part, "/"),
    (r"(?<=\d)( ?)(?:o|deg\.? ?|\u00b0 )(?=[CF]\b)", "\\1\u00b0"),
    (r"(?<=\d)/100 ?km\b|(?<=[lLh])/100 ?km\b", " per 100 km", "/"),
    (rf"(?<=\d)/({_PER_WORD})\b", r" per \1", "/"),
    (rf"(?<=\d)/({_UNIT})()(?<=[A-Za-z]{{2}})(?![\w^/])|(?<=\d)/({_UNIT})\^([23])(?![\w^/])", _per_unit, "/"),
    (rf"{BEGIN}(\d{{1,3}})\u00b0 ?(\d\d?)'(?: ?(\d\d?(?:\.\d{{1,6}})?)\")?(?: ?([NSEW])\b)?", _degrees, "\u00b0"),
    (r"(\d\u00b0) ?([NSEW])\b(?!\w|')", _direction, "\u00b0"),
    (rf"{BEGIN}(?<!')\b(\d\d?)'-?(\d\d?)({_HALF})(?:\"|''|(?= |[.,;!?]|$)(?<='\d|\d\d))", _feet_and_inches, "'"),
    (rf"{BEGIN}\b(\d\d?)' (\d\d?)({_HALF})\"", _feet_and_inches, "'"),
    (rf"{BEGIN}\b(\d\d?) ?ft ?(\d\d?)({_HALF}) ?in\b(?! \d)", _feet_and_inches),
    (r"(?<=\d)ft(?=\d)", " ft "),
    (rf"{BEGIN}(\d{{1,4}}),(\d\d?)(?=(?: ?\u00b0C| ?%| ?(?:km|kg|cm|mm|m|g|t|l|L|ha|kWh|GB))(?!\w))", r"\1.\2", ","),
    (rf"(?<=\d)\^(-?\d{{1,4}}) ({_UNIT}){_POWER}({_PERS})(?![\w^]|-\w)", _after_power, "^"),
    (rf"(?<!\^){NUMBER}(-| ?)({_UNIT}){_POWER}({_PERS})(?![\w^]|-\w)", _measure),
    (rf"{NUMBER}-({_UNIT})(?=-\w)", lambda match: f"{amount(match[1])}-{MEASURES[match[2]][0]}", "-"),
    (rf"\b(per )({_UNIT}){_POWER}(?![\w^/])", _alone),
    (rf"(?<=[a-z]s)/({_PER_WORD})\b", r" per \1", "/"),
    (r"(?<=\d{3}) K\b(?! ?[A-Z])|(?<=\.\d) K\b", " kelvin"),
    (r"(\d) ?N\b(?=[.,;!?]|$)", r"\1 newtons"),
)
# For texts without figures too.
_FREE = r"(?<![\w/^.'\u00b5$-])(?<!\d )(?<!\bper )"  # not after a number
UNITS: Rules = compiled(
    (
        rf"\b{_FREE}({either({*WITHOUT_NUMBER, *_LENGTHS})})(?:\^([23])\b)?({_PERS})(?![\w/^'-])",
        _unit_alone,
    ),
    (
        rf"{_FREE}({_UNIT})()((?:/(?:{_UNIT})(?:\^?[23])?(?![\w^])){{1,2}})(?![\w/^'-])",
        _unit_alone,
        "/",
    ),
)

__all__ = ["DESCRIBED", "RULES", "UNITS"]
