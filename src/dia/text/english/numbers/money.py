"""Money: $5, A$10, €1.234,56, ₹1,00,000, CHF 5, 5 kr, $1.5M, $3bn, £2.50, $20/month."""

import re

from dia.text.english.numbers.cardinals import amount, cardinal, is_long
from dia.text.english.numbers.rules import BEGIN, NUMBER, Rules, after, before, compiled, either
from dia.text.english.numbers.units import CURRENCIES, MEASURES, PER, SCALES

_CODES = either(symbol for symbol in CURRENCIES if symbol[0].isalpha() and symbol[-1] not in "$¥")
_SIGNS = either(symbol for symbol in CURRENCIES if not symbol[0].isalpha() or symbol[-1] in "$¥")
_SIGN_CHARACTERS = "".join({symbol[-1] for symbol in CURRENCIES if not symbol[-1].isalpha()} - {"."})
_AMOUNT = rf"{NUMBER}(?: ?({either(SCALES)})\b)?(/[A-Za-z]{{1,12}}(?:\^[23]|\b))?"
_FOLLOWING = either(symbol for symbol in CURRENCIES if not symbol.endswith("$") or symbol == "$")
_CONTINENTAL = (
    "[Ee]uros?|[€₺₽₫]|R\\$|CHF|EUR|kr|zl|DKK|SEK|NOK|PLN|CZK|BRL"  # of countries where a comma begins the decimals
)
_NOUN = re.compile(
    r" (?!(?:a|an|the|of|and|or|in|per|at|to|for|is|was|were|from|with|by|on|than|as|if|but|when|that|this|you|"
    r"he|she|it|we|they|I|so|not|now|today|each|more|less|off|too|only|out|down|up|back|after|before|until|because)\b)[a-z]"
)


def _before(match: re.Match[str]) -> str:
    said = _money(match[1], match[2], match[3], _is_attribute(match) and not match[4])
    space = " " if before(match, 1).isalnum() else ""
    return f"{space}{said}{_per(match[4])}"


def _after(match: re.Match[str]) -> str:
    return _money(match[3], match[1], match[2], False) + _per(match[4])


def _per(written: str | None) -> str:
    if not written:
        return ""
    unit, _, power = written[1:].partition("^")
    if power and unit in MEASURES:
        return f" per {'square' if power == '2' else 'cubic'} {MEASURES[unit][0]}"
    return f" per {PER.get(unit, unit)}"


def _is_attribute(match: re.Match[str]) -> bool:
    """Whether money describes the next word, as in "a $5 ticket"."""
    return bool(re.search(r"\b[Aa]n? $", before(match, 4)) and _NOUN.match(after(match)))


def _money(symbol: str, written: str, scale: str | None, attribute: bool) -> str:
    one, many, one_cent, many_cents = CURRENCIES[symbol]
    if attribute:
        many = one
    if scale:
        return f"{amount(written)} {SCALES[scale]} {many}"
    whole, _, fraction = written.replace(",", "").partition(".")
    if len(fraction) != 2 or not one_cent or is_long(whole):
        return f"{amount(written)} {one if written == '1' else many}"
    units, cents = int(whole or "0"), int(fraction)
    parts = [f"{cardinal(units)} {one if units == 1 else many}"] if units or not cents else []
    parts += [f"{cardinal(cents)} {one_cent if cents == 1 else many_cents}"] if cents else []
    return " and ".join(parts)


def _shillings(match: re.Match[str]) -> str:
    """£3 4s. 6d., 3l. 4s. → three pounds four shillings."""
    counts = (
        (match[1] or match[2], "pound", "pounds"),
        (match[3], "shilling", "shillings"),
        (match[4], "penny", "pence"),
    )
    said = [f"{cardinal(int(count))} {one if count == '1' else many}" for count, one, many in counts if count]
    ends = match[0].endswith(".") and re.match(r" [A-Z]|$", after(match))
    return " ".join(said) + ("." if ends else "")


def _swapped(match: re.Match[str]) -> str:
    """1.234,56 → 1,234.56."""
    return match[0].translate({ord("."): ",", ord(","): "."})


def _continental(match: re.Match[str]) -> str:
    """1 234,56 → 1,234.56."""
    return f"{match[1].replace(' ', ',')}.{match[2]}"


def _joined(match: re.Match[str]) -> str:
    """10 500 → 10,500."""
    return match[0].replace(" ", ",")


def _without_commas(match: re.Match[str]) -> str:
    """1,00,000 → 100,000, in groups of three."""
    return f"{int(match[0].replace(',', '')):,}"


# Written numbers of other countries in the American form.
GROUPS: Rules = compiled(
    (r"([$€£₹¥])-(?=\d)", r"minus \1", "-"),
    (rf"{BEGIN}(\d{{1,4}}),(\d\d?)(?= ?(?:Mio|Mrd|Millionen|Milliarden)\b)", r"\1.\2", ","),
    (r"(?<=\d) ?Mio\b\.?", " million"),
    (r"(?<=\d) ?Mrd\b\.?", " billion"),
    (r"(?<=\d)[.,]-{1,2}(?![\w-])", "", "-"),
    (rf"{BEGIN}\b\d{{1,3}}(?:_\d{{3}}){{1,4}}\b", lambda match: match[0].replace("_", ","), "_"),
    (rf"{BEGIN}(\d{{1,3}}) (?=000(?!\d))", r"\1,"),
    (rf"{BEGIN}\b(\d{{1,3}}(?:[ ,]\d{{3}}){{1,4}}),(\d\d)(?= ?(?:{_CONTINENTAL})(?!\w))", _continental, ","),
    (rf"{BEGIN}\b\d{{1,3}}(?: \d{{3}}){{1,4}}\b(?= ?(?:€|(?:{_CONTINENTAL}|km|kg|m)\b)|,\d\d ?€)", _joined),
    (rf"{BEGIN}\b\d{{1,3}}(?:'\d{{3}}){{1,4}}\b(?!')", lambda match: match[0].replace("'", ","), "'"),
    (rf"{BEGIN}\d{{1,2}}(?:,\d\d){{1,5}},\d{{3}}(?![\d,]\d)", _without_commas, ","),
    (rf"{BEGIN}\b\d{{1,3}}(?:\.\d{{3}}){{1,4}},\d{{1,2}}\b(?!,\d)", _swapped, "."),
    (rf"{BEGIN}\b\d{{1,3}}(?:\.\d{{3}}){{2,4}}\b(?!\.\d)", _swapped, "."),
    (
        rf"(?<![A-Za-z])((?:{_CONTINENTAL}) ?)(\d{{1,3}}(?:\.\d{{3}}){{1,4}})(?![.,]?\d)",
        lambda m: m[1] + m[2].replace(".", ","),
        ".",
    ),
    (rf"{BEGIN}\b\d{{1,3}}(?:\.\d{{3}}){{1,4}}(?= ?(?:{_CONTINENTAL})(?!\w))", _swapped, "."),
    (rf"(?<![A-Za-z])((?:{_CONTINENTAL}|£) ?\d{{1,9}}),(\d\d)(?!\d|[.,]\d)", r"\1.\2", ","),
    (rf"{BEGIN}\b(\d{{1,9}}),(\d\d)(?= ?(?:{_CONTINENTAL})(?!\w))", r"\1.\2", ","),
)
RULES: Rules = compiled(
    (r"\b()()(\d{1,2})s\. (\d{1,2})d\.(?!\w)", _shillings, "s"),
    (r"(?:£ ?(\d{1,6})|\b(\d{1,6})l\.),? (\d{1,2})s\.?(?:,? (\d{1,2})d\.?)?(?!\w)", _shillings, "s"),
    (rf"(?<![A-Za-z])({_SIGNS}) ?{_AMOUNT}", _before, _SIGN_CHARACTERS),
    (rf"([$€£¥]) ?{_AMOUNT}", _before, "$€£¥"),
    (rf"\b(?=[A-Z][A-Zs]|kr|zl|Kc)({_CODES}) ?{_AMOUNT}", _before),
    (rf"{NUMBER} ?(?:({either(SCALES)}) )?({_FOLLOWING})(?!\w)(/[A-Za-z]{{1,12}}(?:\^[23]|\b))?", _after),
)

__all__ = ["GROUPS", "RULES"]
