"""Shards of the teacher's speech: trimmed silence, resuming and reading."""

from itertools import islice

import numpy as np

from dia.training.mini.teacher import speech
from dia.training.mini.teacher.texts import utterances


def _tone(text, speaker):
    """A teacher who hums: longer for longer texts, silence before and after."""
    length = 1000 * len(text)
    quiet = np.zeros(5000, np.int16)
    hum = (8000 * np.sin(np.arange(length) * (0.1 if speaker == "S1" else 0.05))).astype(np.int16)
    return np.concatenate([quiet, hum, quiet])


def test_trimmed_speech_keeps_exactly_a_tenth_of_a_second_on_both_sides():
    clip = speech.trim(_tone("four", "S1"))
    loud = np.flatnonzero(np.abs(clip.astype(int)) > 328)
    assert loud[0] == 1600
    assert len(clip) - 1 - loud[-1] == 1600


def test_trim_adds_quiet_where_the_clip_has_too_little():
    clip = speech.trim(np.full(100, 9000, np.int16))
    assert len(clip) == 100 + 3200
    assert clip[0] == 0


def test_trimmed_silence_is_two_edges():
    assert len(speech.trim(np.zeros(9000, np.int16))) == 3200


def test_synthesis_resumes_after_the_last_whole_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(speech, "SHARD_SIZE", 4)
    spoken = []

    def speak(text, speaker):
        spoken.append(text)
        return _tone(text, speaker)

    speech.synthesise(tmp_path, 8, processes=1, speak=speak)
    speech.synthesise(tmp_path, 12, processes=1, speak=speak)
    assert len(spoken) == 12
    assert speech.shard_numbers(tmp_path) == [0, 1, 2]


def test_a_shard_returns_the_clips_that_were_spoken(tmp_path):
    speech.synthesise(tmp_path, 8, processes=1, speak=_tone)
    clips = list(speech.read_shard(tmp_path, 0))
    assert [clip.text for clip in clips] == [item.text for item in islice(utterances(), 8)]
    np.testing.assert_array_equal(clips[3].audio, speech.trim(_tone(clips[3].text, clips[3].speaker)))
