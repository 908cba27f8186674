"""The dictionary of English words."""

import pytest

from dia.text.english.dictionary import is_word


@pytest.mark.parametrize("word", ["well", "Known", "grandchildren", "women"])
def test_english_words_are_known(word):
    assert is_word(word)


@pytest.mark.parametrize("word", ["wellknown", "grandchil", "", "(laughs)"])
def test_other_words_are_not(word):
    assert not is_word(word)
