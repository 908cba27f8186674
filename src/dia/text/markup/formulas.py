r"""Formulas in TeX as words: `$E = mc^2$`, `\( \frac{a}{b} \)`, as language models and papers write them.

Reads the common commands. What numbers and signs mean is left to `dia.text.english`.
"""

import re

from dia.text.characters.edited import EditedText
from dia.text.english.numbers.rules import StandIn, listed
from dia.text.listing import first_names

_TRIGGERS = ("$", "\\(", "\\[")
_FORMULA = re.compile(
    r"\$\$(?P<display>[^$]{1,1000})\$\$"
    r"|\\\[(?P<square>[^$]{1,1000}?)\\\]"
    r"|\\\((?P<round>[^\n]{1,400}?)\\\)"
    r"|(?<![\w$\\])\$(?P<inline>(?![\s$])[^$\n]{1,200}(?<![\s\\]))\$(?![\w$])"
)
_MATHEMATICAL = re.compile(r"[\\^_=<>+{}]|^\s*[A-Za-z]{1,2}\s*$")
_GROUP = r"\{([^{}]*)\}"
_LIMIT = r"(\{[^{}]*\}|\\?\w+)"
# Replaced from the innermost braces outwards.
_NESTED: tuple[tuple[re.Pattern[str], StandIn], ...] = (
    (
        re.compile(rf"\\(sum|prod|int)\s*(?:\\limits\s*)?_{_LIMIT}\s*\^\s*{_LIMIT}"),
        lambda match: f" {_COMMANDS[match[1]].removesuffix(' of')} from {match[2]} to {match[3]} of ",
    ),
    (re.compile(rf"\\[dtc]?frac\s*{_GROUP}\s*{_GROUP}"), r" \1 over \2 "),
    (re.compile(rf"\\sqrt\[([^\[\]]*)\]\s*{_GROUP}"), r" the root of order \1 of \2 "),
    (re.compile(rf"\\sqrt\s*{_GROUP}"), r" the square root of \1 "),
    (re.compile(rf"\\d?binom\s*{_GROUP}\s*{_GROUP}"), r" \1 choose \2 "),
    (re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})"), "\u00b0"),
    (re.compile(r"\^\{\s*(-?\d{1,3}|[A-Za-z])\s*\}"), r"^\1"),
    (re.compile(rf"\^{_GROUP}"), r" to the power of \1 "),
    (re.compile(rf"_{_GROUP}"), r" sub \1 "),
    (
        re.compile(rf"\\(?:text|mathrm|mathbf|mathit|mathbb|mathcal|operatorname|vec|hat|bar|boxed)\s*{_GROUP}"),
        r" \1 ",
    ),
)
_GREEK = listed(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi "
    "varphi chi psi omega"
)
_COMMANDS: dict[str, str] = {
    **{name: name.removeprefix("var") for name in _GREEK},
    **{name.capitalize(): f"capital {name}" for name in _GREEK},
    **{name: name for name in ("sin", "cos", "tan", "log", "exp", "max", "min", "gcd", "det")},
    **dict.fromkeys(("times", "cdot", "ast"), "times"),
    **dict.fromkeys(("le", "leq", "leqslant"), "is at most"),
    **dict.fromkeys(("ge", "geq", "geqslant"), "is at least"),
    **dict.fromkeys(("ne", "neq"), "is not equal to"),
    **dict.fromkeys(("lt",), "is less than"),
    **dict.fromkeys(("gt",), "is greater than"),
    **dict.fromkeys(("approx", "sim", "simeq"), "is about"),
    **dict.fromkeys(("to", "rightarrow", "longrightarrow"), "to"),
    **dict.fromkeys(("implies", "Rightarrow"), "implies"),
    **dict.fromkeys(("ldots", "cdots", "dots"), "and so on"),
    **dict.fromkeys(("iff", "Leftrightarrow"), "if and only if"),
    **{
        "ln": "natural log of",
        "lim": "the limit of",
        "div": "divided by",
        "pm": "plus or minus",
        "mp": "minus or plus",
    },
    **{"equiv": "is equivalent to", "propto": "is proportional to", "infty": "infinity", "partial": "partial"},
    **{"sum": "the sum of", "prod": "the product of", "int": "the integral of", "nabla": "nabla", "in": "in"},
    **{"notin": "not in", "cup": "union", "cap": "intersection", "subset": "is a subset of", "forall": "for all"},
    **{"exists": "there is", "cdotp": "times", "degree": "degrees", "prime": "prime", "mid": "given", "ell": "l"},
    **{"quad": ",", "qquad": ","},
    **dict.fromkeys(("left", "right", "big", "Big", "bigg", "Bigg", "displaystyle", "limits", "nonumber"), ""),
}
_COMMAND = re.compile(r"\\([A-Za-z]+)\*?")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}")
_SIGNS = (
    (re.compile(r"\\\\"), ", "),
    (re.compile(r"\\([%$#&_{}])"), r"\1"),
    (re.compile(r"\\[,;:! ]|[{}&]|~"), " "),
    (re.compile(r"(?<=\w)\s*_\s*(?=\w)"), " sub "),
    (re.compile(r"(?<=\d)!(?!=)|(?<=\b[a-z])!(?!=)"), " factorial"),
    (re.compile(r"(?<![\^\w])\s*-\s*(?=[\w(])|(?<=[\w)])\s*-\s*"), " minus "),
    (re.compile(r"(?<=[\w)])\s*/\s*(?=[\w(])"), " over "),
    (re.compile(r"\s*=\s*"), " equals "),
    (re.compile(r"\s*\+\s*"), " plus "),
    (re.compile(r"\s*<\s*"), " is less than "),
    (re.compile(r"\s*>\s*"), " is greater than "),
    (re.compile(r"\s+"), " "),
)
_DEEPEST = 8


def without_formulas(source: EditedText) -> tuple[EditedText, list[str]]:
    """Replace formulas by words, and warn about commands that are not known."""
    if not any(sign in source.text for sign in _TRIGGERS):
        return source, []
    unknown: dict[str, None] = {}
    said = source.sub(_FORMULA, lambda formula: _words(formula, unknown))
    if not unknown:
        return said, []
    return said, [f"{first_names(list(unknown))}: not read in a formula. Write the formula in words."]


def _words(formula: re.Match[str], unknown: dict[str, None]) -> str:
    written = next(filter(None, formula.groups()))
    if not _MATHEMATICAL.search(written):
        return formula[0]
    said = _ENVIRONMENT.sub(" ", written)
    for _ in range(_DEEPEST):
        before = said
        for pattern, stand_in in _NESTED:
            said = pattern.sub(stand_in, said)
        if said == before:
            break
    said = _COMMAND.sub(lambda command: _command(command, unknown), said)
    for pattern, stand_in in _SIGNS:
        said = pattern.sub(stand_in, said)
    return said.strip()


def _command(command: re.Match[str], unknown: dict[str, None]) -> str:
    if command[1] not in _COMMANDS:
        unknown[command[0]] = None
    return f" {_COMMANDS.get(command[1], '')} "


__all__ = ["without_formulas"]
