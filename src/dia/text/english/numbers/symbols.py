"""The words of signs that are left when numbers, units and money have been read: & @ + = < > µ and others."""

import re

from dia.text.english.numbers.rules import Rule, Rules, after, before, compiled

SYMBOLS = {
    "&": " and ",
    "@": " at ",
    "+": " plus ",
    "=": " equals ",
    "%": " percent ",
    "‰": " per mille ",
    "$": " dollars ",
    "€": " euros ",
    "£": " pounds ",
    "¥": " yen ",
    "¢": " cents ",
    "₹": " rupees ",
    "₩": " won ",
    "₽": " rubles ",
    "₺": " lira ",
    "฿": " baht ",
    "₱": " pesos ",
    "₫": " dong ",
    "₴": " hryvnias ",
    "₦": " naira ",
    "₪": " shekels ",
    "₿": " bitcoin ",
    "\u00b0": " degrees ",
    "\u00b5": " mu ",
    "\u03a9": " omega ",
    "/": " slash ",
    "<": " less than ",
    ">": " greater than ",
    **dict.fromkeys("()", ", "),
    **dict.fromkeys("#*_~^|\\{}[]`", " "),
}


_BEFORE_A_BOUND = (  # "needs >= 8 GB" has a verb already
    r"\b(?:with|of|than|needs?|requires?|for|to|at|has|have|having|by|in|Python|python|version|takes?|anything|only)\b"
)
_STOP = r"(?= ?(?:$|[.,;:!?)\"'](?!\w)))"
_RIGHT_ARROW = r"(?<![-=<:;8])<?[-=]{1,3}>(?![>=])"
_LEFT_ARROW = r"<(?:[-=]={1,2}|--{1,2}(?![\d.])|-(?=\s|$))(?![->=])"
_ARROW = f"(?:{_RIGHT_ARROW}|{_LEFT_ARROW})"
# A heart ends a sentence of love, thanks or wishes: "The best score is <3." is a comparison.
_FOND = re.compile(
    r"(?:^|[.!?~)]|\b(?:you|u|ya|guys|all|y'all|everyone|everybody|xo+)|"
    r"\b(?:lov(?:e[sd]?|ely|ing)|luv|miss|thanks?|happy|proud|cute|sweet|beautiful|adorable|hugs?|kisses|best)\b"
    r"[^.!?]*(?<! is)(?<! are)(?<! was)(?<! of)(?<! at)(?<! to)(?<! with)(?<!scores)(?<!levels)(?<!values)) ?$",
    re.IGNORECASE,
)


def _heart(match: re.Match[str]) -> str:
    said = before(match, 60)
    if not _FOND.search(said):
        return match[0]
    ends = re.match(r" [A-Z]", after(match)) and re.search(r"\w ?$", said)
    return "." if ends else ""


_KEYS = {"*": "star ", "#": "pound "}
_PRESSED = re.compile(
    r"\b(?:(?:press|hit|dial|push|tap|key in)(?:ed|ing|s)?\b[^.!?]{0,40}|(?:enter|followed by|then) )$", re.IGNORECASE
)
_DIALED = re.compile(r"\b(?:dial|press|call)(?:ed|ing|s)?\b[^.!?]{0,24}$", re.IGNORECASE)


def _key(match: re.Match[str]) -> str:
    named = re.match(r" (?:key|sign|button|symbol)\b", after(match))
    return _KEYS[match[0]].rstrip() if named or _PRESSED.search(before(match, 60)) else match[0]


def _dialed(match: re.Match[str]) -> str:
    """*67 → star 67, *123# → star 123 pound."""
    if not _DIALED.search(before(match, 40)):
        return match[0]
    return re.sub(r"[*#]", lambda sign: f" {_KEYS[sign[0]]}", match[0]).strip()


_GRADED = re.compile(
    r"(?:\b(?:an?|grades?(?: is| was| of)?:?|straight|from|got|scored|earned|average|type(?: is)?)|"
    r"\b[A-D](?: plus| minus|[+-]),?(?: (?:to|or|and)(?: an?)?)?) [\"'(]?$"
)


def _grade(match: re.Match[str]) -> str:
    return f"{match[1]} minus" if _GRADED.search(before(match)) else match[0]


BEFORE_NUMBERS: Rules = compiled(
    (
        r"\b([A-DFO]|AB)-(?=[.,;:!?)\"']|$| (?:in|on|for|to|or|and|but|student|average|grade|range|at|because|with|"
        r"that|which|from|blood|donor)\b)(?! (?:and|or|to) (?:an? )?[A-Za-z]{1,2}-\w)",
        _grade,
        "-",
    ),
    (rf"^ ?{_ARROW}| ?{_ARROW}{_STOP}", "", "<>"),
    (_RIGHT_ARROW, " to ", ">"),
    (_LEFT_ARROW, " from ", "<"),
    (r"\b(I|[Ww]e) <3(?= [A-Za-z])|\b(i) <3(?= (?:you|u|my|this|it|her|him|them|[A-Z]))", r"\1\2 love", "<"),
    (r"^ ?<3(?= (?:you|u|my|this)\b)", "love", "<"),
    (rf" ?(?<!\S)<3+(?: <3+)*(?:{_STOP}|(?= (?:[A-Z]|and\b)))", _heart, "<"),
    (r"(?<![^\s\"'])(?<!\* )[*#](?=[\s.,;:!?)\"']|$)(?! [*\d])", _key, "*#"),
    (r"(?<![\w*#])(?:\*\d{1,4}#?|#\d{1,4}[#*]|\d{1,4}#)(?![\w*#])", _dialed, "*#"),
    (r"# ?(?=\d)", "number ", "#"),
    (r" ?(?<!\w)\+/- ?| ?(?<=\d)\+/- ?", " plus or minus ", "+"),
    (r"~ ?(?=[\d$€£¥.])", "about ", "~"),
    (r"(?<=[a-z\d] )-(?=[A-Za-z](?: |$))", "dash ", "-"),
    (r"(?<=\d) ?\* ?(?=\d)", " times ", "*"),
    (r"(?<=[\d)]) \+ ?(?=\d)(?!\d\d:?\d\d\b)|(?<=\d)\+(?=\d)(?!\d\d:?\d\d\b)", " plus ", "+"),
    (r"\b([fgh])\(([a-z])\)(?= ?=)", r"\1 of \2", "("),
)
AFTER_NUMBERS: Rules = (
    *compiled(
        (r" ?!= ?", " is not equal to ", "!"),
        (r" ?={2,3} ?", " equals ", "="),
        (r"&&", " and ", "&"),
        (r"(?<=[\w)]) \|\| (?=[\w(!])", " or ", "|"),
        (r"(?<=[A-Za-z]{2}) > (?=[A-Z][a-z])", ", ", ">"),  # File > Save
        (r"\$(?=[A-Za-z_])", " ", "$"),  # of a variable or a share
        (rf"({_BEFORE_A_BOUND}) ?>= ?", r"\1 at least ", ">"),
        (rf"({_BEFORE_A_BOUND}) ?<= ?", r"\1 at most ", "<"),
        (r"(?<=[A-Za-z]) ?<= ?", " is at most ", "<"),
        (r"(?<=[A-Za-z]) ?>= ?", " is at least ", ">"),
        (r"\b([A-Za-z]) < ", r"\1 is less than ", "<"),
        (r"\b([A-Za-z]) > ", r"\1 is greater than ", ">"),
        (r"(?<!\w)\u00b5(?!\w)", "mu", "\u00b5"),
        (r"(?<!\w)\u03a9(?!\w)", "omega", "\u03a9"),
    ),
    Rule(re.compile(rf"[{re.escape(''.join(SYMBOLS))}]"), lambda match: SYMBOLS[match[0]]),
)

__all__ = ["AFTER_NUMBERS", "BEFORE_NUMBERS", "SYMBOLS"]
