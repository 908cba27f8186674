"""Equations and products: 3x - 7 = 5, y = -2x, (x+1)(x-1), (2+3)*4, 10 / 2 = 5, "What is 5-3?"."""

import re

from dia.text.english.numbers.mathematics import power
from dia.text.english.numbers.rules import Rules, before, compiled

_ATOM = (
    r"\(?-?(?:\d{1,9}(?:\.\d{1,4})?[a-z]{0,2}|(?!a [a-z]{3})[A-Za-z])(?![A-Za-z])"
    r"(?:\^-?[\da-z]{1,3})?\)?(?:(?<=\))\^\d)?"
)
_OPERATION = r" ?[-+*/=] ?| (?:plus|minus|times|divided by) |(?<=[\d)])(?=\()"
_ASKED = r"\b(?:[Ww]hat(?:'s| is)|[Hh]ow much is|[Cc]alculate|[Cc]ompute|[Ee]valuate|[Ss]implify|[Ss]olve|[Ww]ork out)"
_ASKED_BEFORE = re.compile(f"{_ASKED} $")
_SUM = r"\([^()]*(?:[-+*/]|plus|minus|times)[^()]*\)"
_PRODUCT = re.compile(rf"{_SUM}(?: ?\*|\^|\()|[\d*)] ?\((?=[^()]*(?:\+|plus|[xyz]))[^()]*[-+ ][^()]*\)")
_END = r"(?=[?.!]|$)(?!\.\d)"


def _expression(match: re.Match[str]) -> str:
    """3x - 7 = 5 → 3 x minus 7 = 5, with the signs that other rules would read as ranges, slashes or dashes."""
    written = match[0]
    if not (_is_algebra(written) or (re.search("[a-z]", written) and _ASKED_BEFORE.search(before(match)))):
        return written
    said = re.sub(r"(?<=[\d)])(?=\()", " times ", written)
    said = re.sub(r"(?<=[\w)]) ?- ?", " minus ", said)
    said = re.sub(r"(?<![\w)^])-", "minus ", said)
    said = re.sub(r"(\d)([a-z]{1,2})(?![a-z])", r"\1 \2", said)
    said = re.sub(r" ?\* ?", " times ", said)
    said = re.sub(r"(?<=\d) / (?=\d)", " divided by ", said)
    said = re.sub(r"(?<=[a-z)]) ?/ ?(?=[\d(])|(?<=\d) ?/ ?(?=[a-z(])", " over ", said)
    return _without_parentheses(said)


def _is_algebra(written: str) -> bool:
    """Whether an expression has an equals sign, a power, a product of parentheses, or two unknowns."""
    if "=" in written or (_PRODUCT.search(written) and written.count("(") == written.count(")")):
        return True
    unknowns = set(re.findall(r"[xyz]", written))
    return bool(unknowns) and ("^" in written or (len(unknowns) > 1 and re.search(r"\d", written) is not None))


def _without_parentheses(said: str) -> str:
    """(x + 1)^2 → x + 1, squared. A parenthesis around the whole, or one that opens elsewhere, is unchanged."""
    if said.count("(") != said.count(")") or (said[0] == "(" and said.find(")") == len(said) - 1):
        return said
    said = re.sub(r"\)\^(\d)", lambda match: f"), {power(match[1])}", said)
    return re.sub(r"\),?(?=.)", ",", said.replace("(", "")).removesuffix(")")


def _asked_difference(match: re.Match[str]) -> str:
    return f"{match[1]} minus " if float(match[2]) > float(match[3]) else match[0]


RULES: Rules = compiled(
    (rf"({_ASKED} (\d{{1,9}}(?:\.\d+)?)) ?- ?(?=(\d{{1,9}}(?:\.\d+)?){_END})", _asked_difference, "-"),
    (rf"({_ASKED} \d{{1,9}}(?:\.\d+)?) ?x ?(?=\d{{1,9}}(?:\.\d+)?{_END})", r"\1 times ", "x"),
    (rf"({_ASKED} \d{{1,9}}(?:\.\d+)?) / (?=\d{{1,9}}(?:\.\d+)?{_END})", r"\1 divided by ", "/"),
    (
        rf"(?=[\d(A-Za-z-])(?<![\w.$£€/@^-]){_ATOM}(?:(?:{_OPERATION}){_ATOM}){{1,12}}(?![\w/-]|\.\d)",
        _expression,
        "=^()xyz",
    ),
)

__all__ = ["RULES"]
