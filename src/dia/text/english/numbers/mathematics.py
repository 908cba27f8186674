"""Ranges, differences, fractions, ratios and powers: 5-10, 10 - 7 = 3, 1/2, 24/7, 16:9, 10^6, 3 x 4 = 12."""

import re

from dia.text.english.numbers.cardinals import amount, cardinal, code, ordinal, year
from dia.text.english.numbers.rules import BEGIN, NUMBER, Rules, after, before, compiled

_PLAIN_DENOMINATORS = {*range(2, 11), 12, 16, 32, 64, 100, 1000}
_SCORE = re.compile(
    r"\b(?:[Ss]cores?|won|wins?|lost|loses?|beat|lead|led|leads|vote|odds|drew|tied|final|result|ended)\b[^.!?;]*$"
)
_TEAM_BEFORE, _TEAM_AFTER = re.compile(r"\b[A-Z][\w.'-]+ $"), re.compile(r" [A-Z][a-z]")  # Leeds 2 - 1 Hull
_OUT_OF = re.compile(r"\b(?:give|gave|gives|rate|rated|score|scored|got|rating)\b[^.!?;]{0,20}$", re.IGNORECASE)
_A_MARK = re.compile(r" (?:for|from|in my|would)\b|[.,!?]?$|[.,!?] ")  # after a 9/10
_ONE_OF = re.compile(r"\b(?:slide|page|step|part|episode|question|level|round|lap) $", re.IGNORECASE)
_IN_A_SUM = re.compile(r"(?:(?:[\d)]|\b[a-z]) ?[-+*]|=|plus|minus|times) ?$")
_AFTER_EQUALS = re.compile(r" ?(?:[*x/+-] ?\d{1,9} ?)?=")


def _difference(match: re.Match[str]) -> str:
    """10 - 7 → ten minus seven if it is a sum, which the sign of equality or a larger first number shows."""
    first, hyphen, second = match[1], match[2], match[3]
    summed = _AFTER_EQUALS.match(after(match)) or _IN_A_SUM.search(before(match))
    if hyphen == " -":
        return f"{first} minus {second}"
    teams = _TEAM_BEFORE.search(before(match)) and _TEAM_AFTER.match(after(match))
    score = teams or _SCORE.search(before(match, 60))
    larger = hyphen == " - " and _value(first) > _value(second) and not score
    return f"{first} minus {second}" if summed or larger else match[0]


def _value(written: str) -> float:
    return float(written.replace(",", ""))


def _season(match: re.Match[str]) -> str:
    """2019/20 → twenty nineteen to twenty."""
    first, second = int(match[1]), match[2]
    if int(second) % 100 != (first + 1) % 100:
        return match[0]
    return f"{year(first)} to {year(int(second)) if len(second) == 4 else cardinal(int(second))}"


def fraction(whole: str | None, above: int, below: int, plural: str = "s") -> str | None:
    """3/4 → three quarters, 2 1/2 → two and a half; None if it is not read as a fraction."""
    if below not in _PLAIN_DENOMINATORS or not 0 < above < below:
        return None
    name = {2: "half", 4: "quarter"}.get(below) or ordinal(below)
    named = name if above == 1 else f"{name}{plural}"
    if not whole:
        return f"{cardinal(above)} {named}"
    return f"{amount(whole)} and {'a' if above == 1 else cardinal(above)} {named}"


def _fraction(match: re.Match[str]) -> str:
    whole, above, below, later = match[1], int(match[2]), int(match[3]), after(match)
    said = fraction(whole, above, below, "" if re.match(r"-[a-z]", later) else "s")
    if said is None or _is_a_count(match, below) or later.startswith(" time"):
        said = f"{cardinal(above)} {_between(match, above, below)}{cardinal(below)}"
        return f"{amount(whole)} {said}" if whole else said
    return "half" if (whole, above, below) == (None, 1, 2) and re.match(r" an?\b", later) else said


def _is_a_count(match: re.Match[str], below: int) -> bool:
    """9/10 as a mark, 3/20 as a place in a series."""
    stars = below in (5, 10) and re.match(r" stars?\b", after(match))
    earlier, later, above = before(match), after(match), int(match[2])
    scored = (
        0 < above <= below
        and below % 5 == 0
        and (above, below) != (20, 20)
        and above + below != 100
        and _OUT_OF.search(earlier)
    )
    mark = below == 10 and re.search(r"\b[Aa] (?:solid |good |strong )?$", earlier) and _A_MARK.match(later)
    return bool(stars or mark or (scored and not later.startswith(" of ")) or _ONE_OF.search(earlier))


def _between(match: re.Match[str], above: int, below: int) -> str:
    if _ONE_OF.search(before(match)):
        return "of "
    if re.match(r" ?=", after(match, 2)):
        return "divided by "
    if _is_a_count(match, below) or (above in (0, below) and below in (10, 100)):
        return "out of "
    over = (
        above > below and (above, below) != (24, 7) and above + below != 100 and not after(match).startswith(" time")
    )
    return "over " if over else ""


def _power(match: re.Match[str]) -> str:
    return f"{match[1]} {power(match[2])}"


def power(exponent: str) -> str:
    """2 → squared, -3 → to the power of minus three, n → to the power of n."""
    sign, exponent = ("minus ", exponent[1:]) if exponent[0] == "-" else ("", exponent)
    if not sign and exponent in ("2", "3"):
        return "squared" if exponent == "2" else "cubed"
    return f"to the power of {sign}{cardinal(int(exponent)) if exponent.isdigit() else exponent}"


def _charge(match: re.Match[str]) -> str:
    number = f" {cardinal(int(match[1]))}" if match[1] else ""
    return f"{number} {'plus' if match[2] == '+' else 'minus'}"


_LENGTH = r"(?:[cm]?m|ft|in|yd|inch(?:es)?|foot|feet|meters|yards)"
RANGES: Rules = compiled(
    (r"(?<![/\w])(\d{1,2})-(?=(?:1/[2348]|3/[48]|[57]/8|2/3|\d\d?/16)(?!\d))", r"\1 ", "-"),
    (r"\b(\d{4})-0(\d)\b(?![-.,]?\d)", r"\1 to oh \2", "-"),
    (rf"{BEGIN}\b((?:19|20)\d\d)/((?:19|20)?\d\d)\b(?![/\d])", _season, "/"),
    (rf"{NUMBER}( ?- ?){NUMBER}(?![\d-])", _difference, "-"),
    (r"(?<=\d) - (?=[a-z]\b)|(?<=\b[b-hj-z]) - (?=\d)", " minus ", "-"),
    (rf"([$€£¥₹])(?!0\d){NUMBER} ?- ?{NUMBER}(?= ?(?:[kKmMbB]n?|million|billion|trillion)?\b)", r"\2 to \1\3", "-"),
    (r"(?<=\d)((?:k|m|bn|[KMB]| million| billion| trillion)) ?- ?(?=[$€£₹]\d)", r"\1 to ", "-"),
    (r"(?<=\ds)-(?='?\d)", " to ", "-"),
    (r"(?<=\d)( ?(?:[ap]m|[AP]M|[ap]\.m\.|%|°[CF]?|[kcm]?m|kg|st|nd|rd|th|[KMGT]B)) ?- ?(?=\d)", r"\1 to ", "-"),
    (rf"{NUMBER} ?- ?(?=[$€£¥₹]?\d)", r"\1 to ", "-"),
)
SIGNS: Rules = compiled(
    (r"\b0x(?=[\dA-Fa-f])", "zero x "),
    (rf"{BEGIN}(\d+(?:\.\d+)?) ?x ?(?=\d[\d,.]{{0,12}} ?=|10 ?(?:\^|to the power|squared|cubed))", r"\1 times ", "x"),
    (
        rf"{BEGIN}\b(\d{{3,4}}) ?x ?(\d{{3,4}})\b(?![.,]?\d)",
        lambda match: f"{code(match[1])} by {code(match[2])}",
        "x",
    ),
    (rf"{BEGIN}(\d+(?:\.\d+)?(?: ?{_LENGTH})?) ?x ?(?=\.?\d)", r"\1 by ", "x"),
    (rf"{BEGIN}(\d+):(?=\d)", r"\1 to ", ":"),
    (r"(?<![\w)^-])-(?=[$€£¥]?\.?\d)", "minus ", "-"),
)
RULES: Rules = compiled(
    (r"\b(\d(?:\.\d{1,9})?)(?:e|(?<=\.\d)E|E(?=[+-]))\+?(-?\d{1,3})\b", r"\1 times 10^\2"),
    (r"(?<=\d)(?=[a-z]{1,3}\^)(?<=/\d)", " ", "^"),  # 1/2mv^2
    (
        rf"(?:{BEGIN}(?<!/)(\d{{1,6}}) )?{BEGIN}(?<!/)(\d{{1,4}})/(\d{{1,4}})(?:rds|ths|th|rd)?(?![\d/])",
        _fraction,
        "/",
    ),
    (rf"{BEGIN}(\d{{1,3}}\.\d{{1,2}})/(?=(?:4|5|10|20|100)(?:\.0)?\b(?![/\d.]\d))", r"\1 out of ", "/"),
    (r"\b24/7/365\b", "twenty-four seven three sixty-five", "/"),
    (r"\^(\d?)([+-])(?![\w(])", _charge, "^"),
    (rf"{BEGIN}(\d+)x(?= [-+=]| \^|\^)", r"\1 x", "-+=^"),
    (r"(\w)\^(-?\d{1,4}|-?[a-z])(?!\w)", _power, "^"),
    (rf"(?<== ){BEGIN}(\d+)x\b", r"\1 x", "="),
    (rf"{BEGIN}(\d+(?:\.\d{{1,3}})?)x\b(?! ?\d)", lambda match: f"{amount(match[1])} times"),
)

__all__ = ["RANGES", "RULES", "SIGNS", "power"]
