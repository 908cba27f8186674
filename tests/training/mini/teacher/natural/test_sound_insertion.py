"""Sounds in clips: where they stand, how loud they are, and that text, audio and labels agree."""

import random

import numpy as np
import pytest

from dia.training.mini.teacher.natural.corpus import Clip
from dia.training.mini.teacher.natural.sound_insertion import with_sound, with_sounds
from dia.training.mini.teacher.natural.teachers.teacher import Label
from dia.training.mini.teacher.sounds import SOUNDS

RATE = 16_000
WORDS = (
    *(("ih0", 0.1, 0.2), ("t", 0.2, 0.3), (",", 0.3, 0.4), (" ", 0.4, 0.5)),
    *(("ih0", 0.5, 0.6), ("z", 0.6, 0.7)),
)


def clip(text="It, is.", labels=WORDS, number=0):
    audio = np.full(round(0.8 * RATE), 3000, np.int16)
    line = {"spoken": text, "speaker": f"v{number}", "voice": "am_michael", "kind": "prose", "split": "train"}
    return Clip(audio, RATE, line, None if labels is None else tuple(Label(*label) for label in labels))


@pytest.fixture(scope="module")
def sounding():
    """A clip with a sound at each of its places, by text."""
    made = [with_sound(clip(), "(beep)", random.Random(seed)) for seed in range(60)]
    return {one.line["spoken"]: one for one in made}


def test_a_sound_stands_before_after_or_between_words_or_alone(sounding):
    assert set(sounding) == {"(beep) It, is.", "It, (beep) is.", "It, is. (beep)", "(beep)"}
    assert {one.line["kind"] for one in sounding.values()} == {"sounds"}


def test_labels_tell_when_sound_and_words_are_heard(sounding):
    for text, one in sounding.items():
        (beep,) = [label for label in one.labels if label.phone == "(beep)"]
        heard = one.audio[round(beep.start * RATE) : round(beep.end * RATE)]
        assert not (heard[200:-200] == 3000).all()
        assert one.labels[-1].end <= len(one.audio) / RATE
        assert [a.end <= b.start + 1e-6 for a, b in zip(one.labels, one.labels[1:], strict=False)].count(False) == 0
        if text == "It, (beep) is.":
            (word,) = [label for label in one.labels if label.phone == "z"]
            assert word.start == pytest.approx(0.6 + len(one.audio) / RATE - 0.8)
            assert beep.start == pytest.approx(0.5 + 0.12)


def test_a_sound_is_about_as_loud_as_the_words(sounding):
    for one in sounding.values():
        assert 0.5 * 3000 <= np.abs(one.audio[one.audio != 3000]).max() <= 3000


def test_where_text_and_labels_have_other_marks_no_sound_stands_between_words():
    texts = {with_sound(clip("It; is."), "(beep)", random.Random(seed)).line["spoken"] for seed in range(60)}
    assert texts == {"(beep) It; is.", "It; is. (beep)", "(beep)"}


def test_a_share_of_the_clips_has_sounds_always_the_same():
    first, second = ([with_sounds(clip(number=number), 0.2) for number in range(300)] for _ in range(2))
    texts = [one.line["spoken"] for one in first]
    assert texts == [one.line["spoken"] for one in second]
    found = [text for text in texts if "(" in text]
    assert 35 < len(found) < 90
    assert all(any(tag in text for text in found) for tag in SOUNDS)


def test_a_clip_without_labels_keeps_its_words():
    silent = clip(labels=None)
    assert with_sounds(silent, 1.0) is silent
