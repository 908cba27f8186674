"""Which characters a script may hold, and what becomes of the others."""

import pytest

from dia.text.characters import SPOKEN_SYMBOLS, plain


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Hello, world!", "Hello, world!"),
        ("“Curly” ‘quotes’", "\"Curly\" 'quotes'"),
        ("a–b — c…", "a-b -- c..."),
        (
            "Café naïve Zürich Łódź Ørsted Straße Æsop smørrebrød",
            "Cafe naive Zurich Lodz Orsted Strasse Aesop smorrebrod",
        ),
        ("e\u0301", "e"),
        ("ﬁne ＡＢＣ！", "fine ABC!"),
        ("2½ ¾ m² ①", "2 1/2  3/4 m^2 1"),
        ("٣ ३", "3 3"),
        ("№ 5", " No.  5"),
        ("a\u00a0b\u2009c\td", "a b c d"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("\ufeffa\u200bb\u00adc\u202e", "abc"),
        ("5 \u03bcm \u2126", "5 \u00b5m \u03a9"),
        ("Ltd™", "Ltd"),
        (SPOKEN_SYMBOLS, SPOKEN_SYMBOLS),
    ],
)
def test_a_text_is_written_in_plain_characters(written, expected):
    assert plain(written) == (expected, ())


def test_emoji_and_pictures_are_left_out_and_named_once():
    text, left_out = plain("Hi 🙂🙂 👍🏽!")
    assert text.split() == ["Hi", "!"]
    assert left_out == ("'🙂' (SLIGHTLY SMILING FACE)", "'👍' (THUMBS UP SIGN)")


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("ab שלום", "'ש' (HEBREW LETTER SHIN) at position 3"),
        ("مرحبا", "ARABIC LETTER MEEM"),
        ("привет", "CYRILLIC SMALL LETTER PE"),
        ("こんにちは", "HIRAGANA LETTER KO"),
        ("中文", "CJK UNIFIED IDEOGRAPH-4E2D"),
        ("한글", "HANGUL SYLLABLE HAN"),
        ("α", "GREEK SMALL LETTER ALPHA"),
    ],
)
def test_letters_of_other_scripts_are_refused_by_name(written, named):
    with pytest.raises(ValueError, match=r"text holds .* Dia speaks English: write it in Latin letters") as raised:
        plain(written)
    assert named in str(raised.value)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x9f"])
def test_control_characters_are_refused_with_their_place(character):
    with pytest.raises(ValueError, match=rf"control character U\+{ord(character):04X} at position 2"):
        plain(f"ab{character}c")


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(ValueError, match="lone surrogate at position 1"):
        plain("a\ud800")


@pytest.mark.parametrize(("given", "message"), [(None, "NoneType"), (b"a", "bytes; decode it"), (["a"], "list")])
def test_what_is_no_str_is_refused(given, message):
    with pytest.raises(TypeError, match=f"text is {message}"):
        plain(given)
