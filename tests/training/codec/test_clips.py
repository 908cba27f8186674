"""Recordings as batches for a codec: any rate, bounded memory, the same batch whenever asked, bad clips reported."""

import random
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile
import torch

from dia.training.codec import clips as clips_module
from dia.training.codec.clips import LEVEL, Clips, cut, leveled, stretches

RATE, HOP = 8000, 40


class Row(NamedTuple):
    name: str
    audio: Any


def tone(seconds, pitch=200.0, level=0.3, rate=RATE):
    return (level * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def rows(count=12, seconds=1.0):
    return [Row(f"clip {i}", {"array": tone(seconds, 100 + 20 * i), "sampling_rate": RATE}) for i in range(count)]


def clips(some, **options):
    return Clips(some, RATE, HOP, **options)


def test_a_batch_holds_leveled_stretches_of_training_clips():
    batch = next(clips(rows()).batches(samples=400, batch=6))
    assert batch.shape == (6, 400)
    assert batch.dtype == torch.float32
    loudness = batch.square().mean(1).sqrt()
    assert loudness.min() > 0.4 * LEVEL
    assert loudness.max() < 1.1 * LEVEL


def test_the_same_batch_comes_whenever_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(clips_module, "POOL_BATCHES", 2)
    monkeypatch.setattr(clips_module, "POOL_SECONDS", 3.0)
    monkeypatch.setattr(clips_module, "LONGEST_SECONDS", 0.8)
    straight = clips(rows()).batches(400, 2)
    first = [next(straight) for _ in range(7)]
    resumed = clips(rows()).batches(400, 2, first=5)
    assert all(torch.equal(next(resumed), batch) for batch in first[5:])
    assert not torch.equal(first[0], first[1])


def test_the_pool_is_bounded_and_changes(monkeypatch):
    monkeypatch.setattr(clips_module, "POOL_SECONDS", 3.0)
    some = clips(rows(40))
    pools = [set(some.pool(number)) for number in range(8)]
    assert all(len(pool) == 3 for pool in pools)
    assert len(set.union(*pools)) > 10


def test_clips_that_all_fit_are_read_once(monkeypatch):
    some, read = clips(rows()), list[str]()
    load = some._extractor.load
    monkeypatch.setattr(some._extractor, "load", lambda audio, name: read.append(name) or load(audio, name=name))
    for number in range(3):
        some.pool(number)
    assert len(read) == len(set(read)) == len(some.train)


def test_a_long_recording_gives_a_stretch_only(monkeypatch):
    monkeypatch.setattr(clips_module, "LONGEST_SECONDS", 2.0)
    some = clips([Row("a", {"array": tone(9.0), "sampling_rate": RATE}), *rows(3)])
    assert max(map(len, some.pool(0).values())) <= 2 * RATE
    assert max(map(len, some.heldout_clips())) <= 2 * RATE


def test_held_out_clips_depend_on_names_only_and_are_never_trained_on():
    some, again = clips(rows(), heldout_share=0.25), clips(rows()[::-1], heldout_share=0.25)
    assert [row.name for row in some.heldout] == [row.name for row in again.heldout]
    assert len(some.heldout) == 3
    assert not {row.name for row in some.heldout} & {row.name for row in some.train}
    assert len(clips(rows(2)).heldout) == 1


def test_clips_come_at_the_codecs_rate_from_files_and_arrays(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.stack([tone(1.0, rate=16000)] * 2, 1), 16000)
    clip = clips(rows(2)).read(Row("a", tmp_path / "a.flac"))
    assert clip.shape == (RATE,)


def test_bad_clips_are_skipped_named_and_counted(tmp_path, capsys):
    (tmp_path / "broken.wav").write_bytes(b"RIFF no sound")
    bad = [
        Row("broken.wav", tmp_path / "broken.wav"),
        Row("missing.wav", tmp_path / "missing.wav"),
        Row("quiet.wav", {"array": tone(1.0, level=1e-5), "sampling_rate": RATE}),
        Row("nan.wav", {"array": np.full(RATE, np.nan, np.float32), "sampling_rate": RATE}),
        Row("short.wav", {"array": tone(0.001), "sampling_rate": RATE}),
        Row("object", object()),
    ]
    some = clips(rows())
    some.train = [*some.train, *bad]
    for number in range(3):
        assert len(some.pool(number)) == 11
    assert set(some.skipped) == {row.name for row in bad}
    output = capsys.readouterr().out
    assert output.count("skipped: ") == len(bad)
    for row in bad:
        assert row.name in output
    assert "quiet.wav is silent" in output


def test_too_little_sound_is_refused_with_what_was_skipped(tmp_path):
    some = clips(rows(3))
    some.train.append(Row("missing.wav", tmp_path / "missing.wav"))
    some.require(2.0)
    with pytest.raises(ValueError, match=r"(?s)2\.0 s of audio to train on.*at least.*1 clips were skipped.*missing"):
        some.require(20.0)


def test_enough_sound_is_known_before_all_is_read(monkeypatch):
    monkeypatch.setattr(clips_module, "POOL_SECONDS", 3.0)
    some = clips(rows(40))
    some.require(20.0)
    assert len(some.pool(0)) == 3


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [(1, {}, "rows contains 1"), (3, {"heldout_share": 0.0}, "heldout_share=0"), (3, {"heldout_share": 1}, "heldout")],
)
def test_a_source_without_two_sides_is_refused(count, options, message):
    with pytest.raises(ValueError, match=message):
        clips(rows(count), **options)


def test_no_readable_clip_on_either_side_is_an_error(tmp_path):
    some = clips(rows(2))
    some.heldout = some.train = [Row("missing.wav", tmp_path / "missing.wav")]
    with pytest.raises(ValueError, match=r"none of the 1 held-out recordings can be read: .*missing\.wav"):
        some.heldout_clips()
    with pytest.raises(ValueError, match="none of the 1 recordings"):
        next(some.batches(400, 1))


def test_leveling_never_clips():
    click = np.zeros(1000, np.float32)
    click[500] = 0.5
    assert np.abs(leveled(click)).max() == pytest.approx(0.95)
    assert np.sqrt(np.mean(leveled(tone(1.0, level=0.01)) ** 2)) == pytest.approx(LEVEL, rel=1e-3)


def test_a_clip_shorter_than_the_stretch_stands_in_silence():
    part = cut(np.ones(30, np.float32), 100, random.Random(0))
    assert part.shape == (100,)
    assert part.sum() == 30


def test_stretches_are_the_same_every_time_and_come_from_every_clip():
    some = [np.full(500, value, np.float32) for value in (1, 2, 3)]
    assert torch.equal(stretches(some, 100, 6), stretches(some, 100, 6))
    assert stretches(some, 100, 6)[:, 0].tolist() == [1, 2, 3, 1, 2, 3]
