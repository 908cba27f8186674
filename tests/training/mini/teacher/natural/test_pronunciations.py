"""The teachers' pronunciations: their symbols as phones, and the lexicon of words, letters and abbreviations."""

import re

import pytest

from dia.text.tags import PHONES_IN_BRACES
from dia.training.mini.teacher.natural import packages, pronunciations
from dia.training.mini.teacher.natural.pronunciations import (
    CONSONANTS,
    SYLLABIC,
    VOWELS,
    Reader,
    english_words,
    phones_of_labels,
    phones_of_symbols,
    pronounce,
    spelled_out,
)
from dia.training.mini.teacher.natural.teachers.teacher import timed

SAID = {"hello": "həlˈO", "live": "lˈɪv", "Emily": "ˈɛməli", "bbc": "bk", "gp": "ɡp", "shh": "ʃ", "it's": "ɪts"}
LINES = ["a.", "a EY", "b B IY", "c S IY", "g JH IY", "p P IY", "bbc B IY B IY S IY", "cab K AE B", "it's IH T S"]


class Stub:
    """A reader that says a letter by its own name, and words as in `SAID`."""

    def __call__(self, word, tag=""):
        return "lˈIv" if (word, tag) == ("live", "") else SAID.get(word, "ˈi" if len(word) == 1 else "")

    def knows(self, word):
        return word in SAID

    def words(self):
        return {"hello", "b.b.c", "new-born"}

    def spelled(self, capitals):
        return "ˌi" * (len(capitals) - 1) + "ˈi"


@pytest.fixture
def reader(monkeypatch):
    monkeypatch.setattr(pronunciations, "listed_lines", lambda: LINES)
    return Stub()


@pytest.mark.parametrize(
    ("symbols", "phones"),
    [
        ("həlˈO", "hh ax0 l ow1"),
        ("wˈɜɹd", "w er1 d"),
        ("tˈɛmpɹəʧəɹ", "t eh1 m p r ax0 ch er0"),
        ("lˈɪTᵊl", "l ih1 dx el"),
        ("nˌIntˈin", "n ay2 n t iy1 n"),
        ("vˈOTᵻd", "v ow1 dx ix0 d"),
        ("wˈɜːd", "w er1 d"),
        ("kˈɑːnt", "k aa1 n t"),
        ("ˈQnli lˈɒst", "ow1 n l iy0 l aa1 s t"),
    ],
)
def test_symbols_become_phones_with_stress(symbols, phones):
    assert " ".join(phones_of_symbols(symbols)) == phones


def test_every_symbol_has_a_name_that_may_stand_in_braces():
    names = {*CONSONANTS.values(), *SYLLABIC.values(), *(f"{vowel}1" for vowel in VOWELS.values())}
    assert PHONES_IN_BRACES.fullmatch("{" + " ".join(sorted(names)) + "}")


def test_a_phone_lasts_from_its_stress_to_its_last_symbol():
    labels = phones_of_labels(timed("wˈɜɹd .", [1] * 7, 0.1))
    assert [(label.phone, label.start, label.end) for label in labels] == [
        ("w", 0.0, 0.1),
        ("er1", 0.1, pytest.approx(0.4)),
        ("d", pytest.approx(0.4), 0.5),
        (" ", 0.5, pytest.approx(0.6)),
        (".", pytest.approx(0.6), pytest.approx(0.7)),
    ]


def test_words_are_said_as_the_teacher_says_them(reader):
    found = pronounce(["hello", "it's", "hello"], reader)
    assert found.phones_of("Hello") == ["hh", "ax0", "l", "ow1"]
    assert found.phones_of("it's") == ["ih0", "t", "s"]
    assert set(found.phones_of("hello")) <= set(found.phones)
    assert "(laughs)" in found.tags


def test_of_several_pronunciations_the_commonest_is_listed(reader):
    assert pronounce(["live"], reader).words["live"] == "l ih1 v"


def test_unknown_words_are_read_as_names(reader):
    assert pronounce(["emily"], reader).words["emily"] == "eh1 m ax0 l iy0"


def test_letters_and_capitals_are_said_by_the_names_of_letters(reader):
    found = pronounce([], reader)
    assert found.words["B."] == "iy1"
    assert found.words["GPU"] == "iy2 iy2 iy1"


def test_abbreviations_are_spelt_out_and_noises_are_not(reader):
    assert spelled_out() == {"bbc"}
    found = pronounce(["bbc", "gp", "shh"], reader)
    assert [found.words[word] for word in ("bbc", "gp", "shh")] == ["iy2 iy2 iy1", "iy2 iy1", "sh"]


def test_words_without_a_pronunciation_are_left_out(reader):
    assert "silent" not in pronounce(["silent", "hello"], reader).words


def test_english_words_are_letters_and_apostrophes(reader, monkeypatch):
    monkeypatch.setattr(pronunciations, "listed", lambda: ["it's", "a.", "cab"])
    assert english_words(reader) == ["cab", "hello", "it's"]


def test_without_hibari_the_remedy_is_reported(monkeypatch):
    monkeypatch.setattr(packages, "PYTHON_PACKAGES", {"hibari-tts": "0.0.0", "onnxruntime": "0.0.0"})
    with pytest.raises(ImportError, match=r"pip install"):
        Reader()


def test_hibari_reads_a_word_in_front_of_a_consonant():
    pytest.importorskip("hibari")
    read = Reader()
    assert [phones_of_symbols(read(word)) for word in ("the", "to")] == [["dh", "ax0"], ["t", "ax0"]]
    assert phones_of_symbols(read("lives", "VBZ")) != phones_of_symbols(read("lives"))
    assert re.fullmatch(r"y uw2 eh2 s ey1", " ".join(phones_of_symbols(read.spelled("USA"))))
