"""The encoding of a file: Unicode, given, or detected and said, or refused."""

import codecs
import time

import pytest

from dia.text.files.decoding import check_encoding, decoded

ENGLISH = "[S1] Don’t be naïve. We met at the café — it was nice.\n[S2] Was it?\n"


@pytest.mark.parametrize(
    "content",
    [
        ENGLISH.encode(),
        ENGLISH.encode("utf-8-sig"),
        ENGLISH.encode("utf-16"),
        codecs.BOM_UTF16_BE + ENGLISH.encode("utf-16-be"),
        ENGLISH.encode("utf-32"),
        codecs.BOM_UTF32_BE + ENGLISH.encode("utf-32-be"),
    ],
)
def test_unicode_needs_no_remark(content):
    found = decoded(content, "a.txt")
    assert (found.text, found.remark) == (ENGLISH, "")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ENGLISH, "cp1252"),
        ("[S1] We met at the café.", "cp1252"),
        ("[S1] Schöne Grüße aus München, lieber Jörg. Wir hören uns später über das Wetter.", "cp1252"),
        ("[S1] Zażółć gęślą jaźń. Dzień dobry, jak się masz? Wszystko w porządku.", "cp1250"),
        ("[S1] Привет, как дела? Всё хорошо, спасибо. Сегодня хорошая погода.", "cp1251"),
        ("[S1] Привет, как дела? Всё хорошо, спасибо. Сегодня хорошая погода.", "koi8_r"),
        ("[S1] Καλημέρα, πώς είσαι σήμερα; Όλα καλά, ευχαριστώ.", "cp1253"),
        ("[S1] 你好，今天天氣很好。", "big5"),
        ("[S1] Ça va très bien, merci. Où êtes-vous allés hier soir ? À bientôt, mon frère.", "mac_roman"),
    ],
)
def test_other_encodings_are_detected_and_said(text, encoding):
    found = decoded(text.encode(encoding), "a.txt")
    assert found.text == text
    assert found.remark.startswith(f"a.txt is read as {encoding}")
    assert found.remark.endswith("; use --encoding to choose another.")


def test_among_encodings_of_latin_letters_the_most_common_is_chosen_and_the_others_are_named():
    found = decoded("[S1] Don't be naïve.".encode("cp1252"), "a.txt")
    assert found.text == "[S1] Don't be naïve."
    assert (
        found.remark
        == "a.txt is read as cp1252 (cp1250 or cp1257 is possible, too); use --encoding to choose another."
    )


def test_a_few_letters_of_a_long_text_are_enough():
    text = "Plain words here, without any accent at all.\n" * 20_000 + "We met at the café.\n" + "Plain words.\n" * 100
    assert decoded(text.encode("cp1252"), "a.txt").text == text


@pytest.mark.parametrize(
    ("content", "candidates"),
    [
        ("[S1] It costs £5 at most.".encode("cp1252"), ("cp1252", "cp437")),
        ("[S1] Don't be naïve. We met at the café.".encode("cp437"), ("cp1252", "cp437")),
        ("[S1] שלום, מה שלומך היום? הכל בסדר.".encode("cp1255"), ("cp1251", "cp1255")),
    ],
)
def test_an_uncertain_encoding_is_refused_with_its_candidates(content, candidates):
    with pytest.raises(
        ValueError, match=r"^a\.txt is not UTF-8: byte \d+ is 0x[0-9A-F]{2}, and its encoding is unc"
    ) as raised:
        decoded(content, "a.txt")
    assert all(candidate in str(raised.value) for candidate in candidates)
    assert "Choose one with --encoding" in str(raised.value)


def test_bytes_in_no_encoding_are_refused():
    with pytest.raises(ValueError, match=r"its encoding cannot be detected\. Save the script as plain text"):
        decoded(bytes(range(128, 256)) * 3, "a.txt")


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "UTF8", "utf-8-sig", "shift_jis"])
def test_a_given_encoding_is_used(encoding):
    text = "[S1] こんにちは" if encoding == "shift_jis" else "[S1] Café."
    found = decoded(text.encode(encoding), "a.txt", encoding)
    assert (found.text, found.remark) == (text, "")


def test_bytes_that_are_not_in_the_given_encoding_are_refused():
    with pytest.raises(ValueError, match=r"a\.txt is not ASCII: byte 8 is 0xE9\. Choose the encoding"):
        decoded(b"[S1] Caf\xe9.", "a.txt", "ascii")


@pytest.mark.parametrize("name", ["cp125", "nonsense", "base64", "hex", "", "a\0b"])
def test_an_unknown_encoding_is_refused(name):
    with pytest.raises(ValueError, match=r"the encoding .* is unknown"):
        check_encoding(name)
    with pytest.raises(ValueError, match=r"the encoding .* is unknown"):
        decoded(b"Hi.", "a.txt", name)


def test_a_binary_file_is_refused_in_any_encoding():
    with pytest.raises(ValueError, match=r"a\.txt is a PDF document"):
        decoded(b"%PDF-1.7", "a.txt", "cp1252")


def test_detection_is_fast():
    content = ENGLISH.encode("cp1252") * 20_000
    started = time.process_time()
    decoded(content, "a.txt")
    assert time.process_time() - started < 3
