"""Formulas in TeX as words; what only looks like one is not touched."""

import pytest

from dia.text import parse
from dia.text.characters.edited import EditedText
from dia.text.markup.formulas import without_formulas


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("$E = mc^2$", "E equals mc^2"),
        (r"\(\frac{1}{2}\)", "1 over 2"),
        (r"$$\frac{\sqrt{x}}{y_1}$$", "the square root of x over y sub 1"),
        (r"$\sum_{i=1}^{n} x_i$", "the sum from i equals 1 to n of x sub i"),
        (r"\[ a \leq b - c \]", "a is at most b minus c"),
        (r"$90^\circ$", "90°"),
        (r"$5! = 120$", "5 factorial equals 120"),
        ("$n$", "n"),
        (r"$P(A \mid B)$", "P(A given B)"),
    ],
)
def test_a_formula_is_read_as_words(written, said):
    found, warnings = without_formulas(EditedText.of(written))
    assert (found.text, warnings) == (said, [])


@pytest.mark.parametrize(
    "written",
    [
        "It costs $5 to $10.",
        "US$20 + A$5 = $18",
        "from $5=£4 to $6=£5",
        r"\[not a link\]",
        "echo $HOME and $PATH",
        "$x or $y",
    ],
)
def test_money_variables_and_brackets_are_no_formulas(written):
    assert without_formulas(EditedText.of(written))[0].text == written


def test_an_unknown_command_is_left_out_with_a_warning():
    script = parse(r"So $x \frobnicate y = 2$ holds.")
    assert script.spoken == "[S1] So x y equals two holds."
    assert script.warnings[0].startswith(r"\frobnicate: not read in a formula.")
