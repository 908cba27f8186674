"""Removing markup: every format keeps the places of words, takes linear time, and says what it leaves out."""

import re
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from random_scripts import steady

from dia.text.characters.edited import EditedText
from dia.text.markup import TEXT_FORMATS, without_markup
from dia.text.script import parse

FORMATS = ["plain", "markdown", "html"]
MARKDOWN = [
    *("alpha", "beta", "gamma", " ", "  ", "\n", "\n\n", "\n    ", "\n- ", "\n1. ", "\n> ", "# ", "\n---\n", "\t"),
    *("*", "**", "_", "~~", "`", "``", "[", "]", "](http://x.y)", '](<a b> "t u")', "[ref]", "\n[ref]: http://z\n"),
    *("\\", "\\*", "&amp;", "<b>", "</b>", "<br>", "\n<div>\n", "|", "\n| a | b |\n|---|---|\n| c | d |\n", "\\|"),
    *("![img](x.png)", "<http://q.r>", "!", "é", "\r\n", "(", ")", "{", "word:", "\n```\n", "  \n"),
]
# What a format knows, alone and unclosed.
UNITS = [
    *("[", "[a](", "[a][", "[^1]: ", "[1]", "(", "(laughs ", "*", "*a ", "**a", "_a", "~~a", "`", "```\n", "<", "<a "),
    *("<a href='", '<a b="', "<!--", "<![CDATA[", "<script>", "<b>", "</b>", "<sup>", "<p>", "&", "&amp;", "a-\n"),
    *("\n- 1 -\n", "a\f", "\f", "1\n", "a¹", "# ", "> ", "- ", "|a\n|-", "-|-\n", "\\", "\r", "<laugh>", "(pause)"),
]


def without(text: str, text_format: str = "plain") -> EditedText:
    return without_markup(EditedText.of(text), text_format)[0]


@pytest.mark.parametrize("text_format", TEXT_FORMATS)
def test_words_without_markup_are_unchanged(text_format):
    text = "It was late. She left, and he (sadly) stayed: 5 - 3 = 2."
    if text_format in FORMATS:
        assert without(text, text_format).text == text


@steady
@given(st.lists(st.sampled_from(MARKDOWN), max_size=25).map("".join))
def test_markdown_has_the_words_that_its_parser_finds_at_their_places(text):
    edited = without(text, "markdown")
    assert all(
        text[at] == letter for letter, at in zip(edited.text, edited.positions, strict=True) if letter.isalpha()
    )
    found = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        if token.type == "html_block":
            found.append(re.sub(r"</?(?:b|br|div|a b|http://q\.r)>", "", token.content).replace("&amp;", ""))
        found += [child.content for child in token.children or () if child.type in ("text", "code_inline")]
    assert re.findall("[a-zé]", edited.text) == re.findall("[a-zé]", "".join(found))


@pytest.mark.parametrize("text_format", FORMATS)
@pytest.mark.parametrize(
    "written",
    [
        "He said <b>hello</b> to <i>all</i>.",
        "Fish &amp; <br>chips<break time='1s'/> and peas.",
        "Seen <a href='http://x.y'>here</a>, and <b>there</b>.",
    ],
)
def test_places_refer_to_the_authors_text(text_format, written):
    edited = without(written, text_format)
    assert list(edited.positions) == sorted(edited.positions)
    for word in re.finditer("[a-z]{3,}", edited.text):
        if word[0] != "pause":
            assert written.startswith(word[0], edited.position(word.start()))


@pytest.mark.parametrize("text_format", FORMATS)
@pytest.mark.parametrize("unit", UNITS)
def test_malformed_text_takes_linear_time(text_format, unit):
    text = "Hello. " + unit * (4000 // len(unit))
    started = time.process_time()
    with suppress(ValueError):  # a third speaker or no words
        parse(text, text_format=text_format)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("text_format", FORMATS)
@pytest.mark.parametrize("nested", [("[", "]"), ("<b>", "</b>"), ("*", "*"), ("(", ")"), ("> ", "")])
def test_deep_nesting_is_read(text_format, nested):
    before, after = nested
    assert "word" in parse(before * 1000 + "word" + after * 1000, text_format=text_format).spoken


@pytest.mark.parametrize(
    "text", ["", " \n", "<p></p>", "<!-- a -->", "---\na: b\n---\n", "![a](b.png)", "**", "&nbsp;"]
)
@pytest.mark.parametrize("text_format", FORMATS)
def test_text_that_is_only_markup_has_no_words(text, text_format):
    if text_format == "plain" and text.startswith("---"):
        text = "---"
    if text_format == "html" and text.startswith(("!", "-")):
        return
    with pytest.raises(ValueError, match="contains no words"):
        parse(text, text_format=text_format)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('Wait <break time="long"/> here.', r'<break time="long"/> has no valid length\. Write <break time="700ms"/>'),
        ('Wait <break strength="big"/> here.', "has no valid strength. Write one of none, x-weak, weak, medium"),
        ('Wait <break time="99s"/> here.', r'<break time="99s"/> is longer than the maximum of 60 s\. Shorten it'),
    ],
)
def test_an_invalid_break_is_an_error_that_shows_it(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_what_is_left_out_is_reported_once():
    text = "<speak><prosody rate='slow'>One</prosody> <prosody>two</prosody> <voice name='x'>three.</voice></speak>"
    (warning,) = parse(text).warnings
    assert warning.startswith("<prosody>, <voice>: not supported")
    (warning,) = parse("A.\n\n```py\nx\n```\n\nB.\n\n    y\n", text_format="markdown").warnings
    assert warning.startswith("a block of code is left out.")


def test_markup_is_removed_in_any_language_and_words_stay():
    assert parse("**Schöne** <b>Grüße</b> &amp; [mehr](http://x.de).[1]", frontend="none").spoken == (
        "[S1] Schöne Grüße & mehr."
    )
    assert (
        parse("<p>Wasser-\nfall</p><p>5 €</p>", frontend="none", text_format="html").spoken == "[S1] Wasser- fall 5 €"
    )


def test_without_normalization_only_the_markup_of_a_file_is_removed():
    assert parse("**Hi** &amp; [1] <b>you</b>.", normalize=False).spoken == "[S1] **Hi** &amp; [1] <b>you</b>."
    assert parse("<p>Hi &amp; 5 <b>you</b>.</p>", normalize=False, text_format="html").spoken == "[S1] Hi & 5 you."


def test_a_turn_shows_its_words_without_markup_and_spans_the_authors_text():
    written = "# Title\n\n> **[S1]** It costs *$5* &amp; tax."
    _, turn = parse(written, text_format="markdown").turns
    assert (turn.text, turn.shown) == ("It costs five dollars and tax.", "It costs $5 & tax.")
    assert written[slice(*turn.span)] == "It costs *$5* &amp; tax."


def test_a_page_of_html_is_recognized_in_plain_text():
    assert parse("<!DOCTYPE html><title>T</title><p>One\ntwo</p><p>Three</p>").spoken == "[S1] One two. Three"
