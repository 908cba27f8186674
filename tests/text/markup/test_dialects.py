"""Marks of forums, wikis and notes; the same signs in other texts are not touched."""

import pytest

from dia.text.characters.edited import EditedText
from dia.text.markup.dialects import without_dialects


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("[b]Bold[/b] [url=https://a.example]link[/url]", "Bold link"),
        ("[img]https://a.example/b.png[/img]See", "See"),
        ("[list][*]one[/list]", "-one"),
        ("[list]\n[*] one\n[/list]", "\n- one\n"),
        ("the [[capital city|capital]] of [[France]]", "the capital of France"),
        ("'''Paris'''", "Paris"),
        ("== History ==", "\nHistory\n"),
        ("a ==marked== word", "a marked word"),
        (">!hidden!< and ||hidden||", "hidden and hidden"),
        ("H~2~O", "H2O"),
        ("> [!WARNING]\n> Hot.", "> WARNING:\n> Hot."),
        ("> [!tip] Hot.", "> Hot."),
    ],
)
def test_marks_are_removed(written, left):
    assert without_dialects(EditedText.of(written))[0].text == left


@pytest.mark.parametrize(
    "written",
    [
        "a == b and c == d",
        "x || y || z",
        "[b] is the second",
        "it's ''fine''",
        "see [[1]]",
        "at 10:30:20",
        "a~b",
        "Note:this:that",
    ],
)
def test_other_signs_stay(written):
    assert without_dialects(EditedText.of(written)) == (EditedText.of(written), [])


def test_templates_emoji_names_and_code_are_left_out_with_a_warning():
    left, warnings = without_dialects(EditedText.of("Use {{name}} :thumbsup: [code]x = 1[/code]!"))
    assert left.text == "Use   !"
    assert [warning.partition(":")[0] for warning in warnings] == [
        "a block of code is left out. To have it spoken, write it as words.",
        "{{name}}",
        "",
    ]
