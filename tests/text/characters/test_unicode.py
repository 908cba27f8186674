"""Characters of a script and their plain replacements."""

import pytest
from hypothesis import given
from random_scripts import anything, steady

from dia.text.characters.unicode import SPOKEN_SYMBOLS, Plain, plain, source_positions, unchanged


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
    assert plain(written) == Plain(expected)


def test_emoji_are_omitted_and_named_once():
    text, omitted, _ = plain("Hi 🙂🙂 👍🏽!")
    assert text.split() == ["Hi", "!"]
    assert omitted == ("'🙂' (SLIGHTLY SMILING FACE)", "'👍' (THUMBS UP SIGN)")


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("ab שלום", "'ש' (HEBREW LETTER SHIN) at position 3"),
        ("مرحبا", "ARABIC LETTER MEEM"),
        ("привет", "CYRILLIC SMALL LETTER PE"),
        ("こんにちは", "HIRAGANA LETTER KO"),
        ("中文", "CJK UNIFIED IDEOGRAPH-4E2D"),
        ("한글", "HANGUL SYLLABLE HAN"),
        ("λόγος", "GREEK SMALL LETTER LAMDA"),
        ("Hi, Иван Петрович", "CYRILLIC CAPITAL LETTER I) at position 4"),
    ],
)
def test_a_text_in_another_script_is_rejected_by_name(written, named):
    with pytest.raises(ValueError, match=r"text contains .* Dia speaks English; write it in Latin letters") as raised:
        plain(written)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("The value of π is 3.14.", "The value of pi is 3.14."),
        ("Δt, 2πr, ΔΔG", "delta t, 2 pi r, delta delta G"),
        ("α-helix", "alpha-helix"),
        ("λ", "lambda"),
        ("σ and ς, ϕ, 𝜋", "sigma and sigma, phi, pi"),
    ],
)
def test_greek_symbols_become_their_names(written, expected):
    assert plain(written) == Plain(expected)


@pytest.mark.parametrize(
    ("written", "expected", "transliterated"),
    [
        ("He said Привет мир to me.", "He said Privet mir to me.", (("Привет мир", "Privet mir"),)),
        ("The word λόγος is Greek.", "The word logos is Greek.", (("λόγος", "logos"),)),
        ("He lives in Київ.", "He lives in Kiiv.", (("Київ", "Kiiv"),)),
        ("A pаypal account", "A paypal account", (("а", "a"),)),  # with a Cyrillic letter
    ],
)
def test_words_of_other_scripts_are_transliterated(written, expected, transliterated):
    assert plain(written) == Plain(expected, (), transliterated)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("10⁻³, x², 2ⁿ, Ca²⁺", "10^-3, x^2, 2^n, Ca^2+"),
        ("25˚C, 25ºC, 25 º", "25°C, 25°C, 25 °"),
        ("1º but primº", "1° but primo"),
        ("−5 and 5 − 3", "minus 5 and 5 minus 3"),
        ("well−known, 10−12", "well-known, 10-12"),
        ("1920×1080, a × b", "1920x1080, a  times  b"),
        ("10\u202f000, 5\u2009km", "10,000, 5 km"),
    ],
)
def test_signs_are_read_by_what_is_beside_them(written, expected):
    assert plain(written) == Plain(expected)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x9f"])
def test_control_characters_are_rejected_with_their_position(character):
    with pytest.raises(ValueError, match=rf"control character U\+{ord(character):04X} at position 2"):
        plain(f"ab{character}c")


def test_a_lone_surrogate_is_rejected():
    with pytest.raises(ValueError, match="lone surrogate at position 1"):
        plain("a\ud800")


@pytest.mark.parametrize(("given", "message"), [(None, "NoneType"), (b"a", "bytes; decode it"), (["a"], "list")])
def test_a_text_that_is_not_a_str_is_rejected(given, message):
    with pytest.raises(TypeError, match=f"text is {message}"):
        plain(given)


def test_the_position_of_a_control_character_refers_to_the_original_text():
    with pytest.raises(ValueError, match=r"U\+0007 at position 5"):
        plain("a\r\nb½\x07")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("abc", [0, 1, 2]),
        ("é½x", [0, 1, 1, 1, 1, 2]),
        ("a\u200bb", [0, 2]),
        ("a\r\nb\rc", [0, 2, 3, 4, 5]),
        ("🙂 a", [0, 1, 2]),
        ("2π!", [0, 1, 1, 1, 2]),
        ("abc Да", [0, 1, 2, 3, 4, 4]),
        ("x²⁰", [0, 1, 1, 1]),
    ],
)
def test_every_plain_character_has_its_source_position(written, expected):
    assert list(source_positions(written)) == expected


@steady
@given(anything)
def test_there_are_as_many_positions_as_plain_characters_and_they_never_decrease(text):
    try:
        characters = plain(text).text
    except ValueError:
        return
    found = list(source_positions(text))
    assert len(found) == len(characters)
    assert found == sorted(found)
    assert all(0 <= place < len(text) for place in found)


def test_unchanged_text_differs_only_in_line_breaks():
    assert unchanged("Grüße 5 € 你好 🙂\r\nb\u2028c") == "Grüße 5 € 你好 🙂\n\nb\nc"
    for text, message in (("a\x00", "U.0000"), ("a\x9f", "U.009F"), ("a\udfff", "lone surrogate")):
        with pytest.raises(ValueError, match=message):
            unchanged(text)
    with pytest.raises(TypeError, match="text is bytes"):
        unchanged(b"a")
