"""The teacher's pronunciations: looked up once for each word, letters by their names, abbreviations spelt out."""

import pytest

from dia.training.mini.teacher import lexicon
from dia.training.mini.teacher.lexicon import OWN, english_words, pronounce, spelt_out

SAID = {
    "hello": ["hh", "ax0", "l", "ow1"],
    "bbc": ["b", "k"],
    "gp": ["g", "p"],
    "shh": ["sh"],
    "it's": ["ih1", "t", "s"],
}
LINES = ["a.", "a EY", "b B IY", "c S IY", "g JH IY", "p P IY", "bbc B IY B IY S IY", "cab K AE B", "it's IH T S"]


@pytest.fixture
def teacher(monkeypatch):
    """A lexicon in which a letter is said by its own name."""
    monkeypatch.setattr(lexicon, "_lexicon", lambda: lambda word: SAID.get(word, [f"{word}1"]))
    monkeypatch.setattr(lexicon, "listed_lines", lambda: LINES)


def test_words_are_said_as_the_lexicon_says_them(teacher):
    found = pronounce(["hello", "it's", "hello"])
    assert found.phones_of("Hello") == SAID["hello"]
    assert found.phones_of("it's") == SAID["it's"]
    assert set(SAID["hello"]) <= set(found.phones)
    assert "(laughs)" in found.tags


def test_letters_are_said_by_their_names(teacher):
    found = pronounce([])
    assert found.words["B."] == "b1"
    assert found.words["A."] == OWN["A."]


def test_abbreviations_are_spelt_out_and_noises_are_not(teacher):
    assert spelt_out() == {"bbc"}
    found = pronounce(["bbc", "gp", "shh"])
    assert [found.words[word] for word in ("bbc", "gp", "shh")] == ["b1 b1 c1", "g1 p1", "sh"]


def test_words_without_a_pronunciation_are_left_out(teacher, monkeypatch):
    monkeypatch.setitem(SAID, "silent", [])
    assert "silent" not in pronounce(["silent", "hello"]).words


def test_english_words_are_letters_and_apostrophes():
    pytest.importorskip("pocketsphinx")
    words = english_words()
    assert 100_000 < len(words) < 150_000
    assert {"hello", "it's", "bbc"} <= set(words)
    assert not any("(" in word or "." in word for word in words)


def test_without_flite_the_remedy_is_reported(monkeypatch):
    def missing(name, mode=0):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(lexicon.ctypes, "CDLL", missing)
    with pytest.raises(OSError, match="apt install flite"):
        pronounce(["hello"])
