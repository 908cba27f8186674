"""Recognition and word accuracy."""

import sys

import numpy as np
import pytest

from dia.synthesis.takes.recognition import pocketsphinx_recognizer, word_accuracy


@pytest.mark.parametrize(
    ("text", "recognized", "part"),
    [
        ("[S1] Good morning! (laughs)", "good morning", 1.0),
        ("[S1] Good morning!", "Good, morning", 1.0),
        ("[S1] It's here. [S2] Don't!", "it's here don't", 1.0),
        ("[S1] One two three four.", "one three four", 0.75),
        ("[S1] One two.", "", 0.0),
        ("[S1] One.", "one one one", -1.0),
        ("(laughs)", "", 1.0),
    ],
)
def test_word_accuracy_is_one_minus_the_word_error_rate(text, recognized, part):
    assert word_accuracy(text, recognized) == part


def test_pocketsphinx_recognizes_nothing_in_silence():
    pytest.importorskip("pocketsphinx")
    hear = pocketsphinx_recognizer()
    assert hear(np.zeros(8000, np.float32), 8000) == ""
    assert hear(np.zeros(0, np.float32), 8000) == ""


def test_if_pocketsphinx_is_missing_the_error_has_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(ImportError, match=r"pip install pocketsphinx"):
        pocketsphinx_recognizer()
