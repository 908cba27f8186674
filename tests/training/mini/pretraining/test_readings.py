"""Words that are spoken otherwise than the dictionary says are phones in the text; stress and weak words are not."""

import pytest

from dia.text.lexicon import Pronunciations
from dia.training.mini.pretraining.readings import as_spoken

KNOWN = Pronunciations(
    ["r", "iy1", "eh1", "d", "iy2", "dh", "ax0", "iy0", "(laughs)"],
    {"read": "r iy1 d", "the": "dh ax0", "reed": "r iy1 d"},
    ["(laughs)"],
)


@pytest.mark.parametrize(
    ("text", "labels", "written"),
    [
        ("Read.", "r iy1 d .", "Read."),
        ("Read.", "r eh1 d .", "{r eh1 d}."),
        ("Reed, read!", "r iy2 d , _ r eh1 d", "Reed, {r eh1 d}!"),
        ("The reed", "dh iy0 _ r iy1 d", "The reed"),
        ("Re-read", "r eh1 d", "Re-read"),
        ("Zyx", "d eh1 d", "Zyx"),
        ("Read (laughs) read", "r eh1 d _ (laughs) _ r iy1 d", "{r eh1 d} (laughs) read"),
        ("Read", "r eh1", "{r eh1}"),
        ("Read", "r iy1", "Read"),
        ("Read", "iy1 d", "Read"),
        ("Read read", "r eh1 d", "Read read"),
        ("Read", "r q1 d", "Read"),
    ],
)
def test_the_text_follows_the_clip(text, labels, written):
    assert as_spoken(text, [" " if label == "_" else label for label in labels.split()], KNOWN) == written
