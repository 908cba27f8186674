"""Clips in changed voices: each voice gets the same ones in all shards, and nothing is made twice."""

import numpy as np
import pytest

from dia.training.mini.teacher.natural import revoicing
from dia.training.mini.teacher.natural.corpus import paths_of, read_shard, shard_numbers, write_shard
from dia.training.mini.teacher.natural.plan import REVOICED
from dia.training.mini.teacher.natural.revoicing import disguise, revoice

RATE = 24_000


def line(text, voice, teacher="kokoro"):
    fields = {"typed": text, "spoken": text, "kind": "prose", "split": "train", "speaker": voice, "teacher": teacher}
    return {**fields, "voice": voice, "tempo": 1.0, "labels": [["a", 0.0, 0.05], ["b", 0.05, 0.1]]}


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Two shards, the second without Kokoro; a voice is changed to half its level."""
    monkeypatch.setattr(revoicing, "changed", lambda waveform, rate, change: waveform / 2)
    audio = (20_000 * np.sin(np.arange(RATE // 10))).astype(np.int16)
    first = [(line("one", "af_bella"), audio), (line("two", "am_adam"), audio), (line("three", "slt", "flite"), audio)]
    dropped = {**line("four", "am_adam"), "dropped": "words"}
    write_shard(tmp_path, 0, [*first, (dropped, audio[:0])], RATE)
    write_shard(tmp_path, 1, [(line("five", "slt", "flite"), audio)], RATE)
    return tmp_path


def test_each_copy_is_a_shard_with_other_voices(corpus):
    revoice(corpus, copies=2)
    assert shard_numbers(corpus) == [0, 1, REVOICED, REVOICED + 1]
    original, _, _ = read_shard(corpus, 0)
    voices = []
    for number in (REVOICED, REVOICED + 1):
        clips = list(read_shard(corpus, number))
        assert [clip.line["spoken"] for clip in clips] == ["one", "two"]
        assert clips[0].labels == original.labels
        assert np.abs(clips[0].audio).max() < 0.8 * np.abs(original.audio).max()
        voices += [clip.line["voice"] for clip in clips]
    assert len(set(voices)) == 4
    assert [voice.split("*")[0] for voice in voices] == ["af_bella", "am_adam"] * 2


def test_what_exists_is_kept_and_what_is_missing_is_made(corpus):
    revoice(corpus, copies=2)
    kept, lost = paths_of(corpus, REVOICED)[1], paths_of(corpus, REVOICED + 1)[1]
    before, content = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    revoice(corpus, copies=2)
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == content


def test_the_pitch_moves_within_what_suits_the_voice():
    women, men = ([disguise(voice, n).change for n in range(200)] for voice in ("af_bella", "am_adam"))
    assert min(one.pitch for one in women) < 0.7 < 1.2 < max(one.pitch for one in women) <= 2**0.35
    assert min(one.pitch for one in men) >= 2**-0.35 - 1e-3
    assert max(one.pitch for one in men) > 1.5
    assert all(0.8 <= one.formants <= 1.2 for one in (*women, *men))


def test_a_number_always_gives_the_same_disguise():
    assert disguise("af_bella", 3) == disguise("af_bella", 3) != disguise("af_bella", 4)
    assert disguise("af_bella", 3) != disguise("af_sky", 3)
