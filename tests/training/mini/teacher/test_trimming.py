"""The silence at both ends of the teacher's speech."""

import numpy as np

from dia.training.mini.teacher.voices import trim


def _tone():
    length = 4000
    quiet = np.zeros(5000, np.int16)
    hum = (8000 * np.sin(np.arange(length) * 0.1)).astype(np.int16)
    return np.concatenate([quiet, hum, quiet])


def test_trimmed_speech_keeps_exactly_a_tenth_of_a_second_on_both_sides():
    clip = trim(_tone())
    loud = np.flatnonzero(np.abs(clip.astype(int)) > 328)
    assert loud[0] == 1600
    assert len(clip) - 1 - loud[-1] == 1600


def test_trim_adds_quiet_where_the_clip_has_too_little():
    clip = trim(np.full(100, 9000, np.int16))
    assert len(clip) == 100 + 3200
    assert clip[0] == 0


def test_trimmed_silence_is_two_edges():
    assert len(trim(np.zeros(9000, np.int16))) == 3200
