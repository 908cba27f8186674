"""The cache of codes: correct codes, complete shards after any interruption, one codec, and the current rows."""

import errno
import itertools
import json
import os

import numpy as np
import pyloudnorm
import pytest
import soundfile
import torch
from tiny_codec import CODES, HOP, RATE, tiny_codec, tiny_processor
from tones import tone
from transformers import DacConfig, DacModel

from dia.runtime.files import atomic
from dia.training.data import encoding
from dia.training.data.code_cache import CodeCache, read_record
from dia.training.data.encoding import encode_rows, shifted
from dia.training.data.source import Row, read_source
from dia.training.mini import encoding as mini_encoding
from dia.training.mini.encoding import encode_corpus, encode_packed, pack, sound_of
from dia.training.mini.teacher.natural import corpus as natural_corpus
from dia.training.mini.teacher.natural.sound_insertion import with_sounds
from dia.voices.recording import LOUDNESS

PROCESSOR = tiny_processor(tiny_codec())


def rows(count, **changes):
    return [Row(f"{n}.wav", f"[S1] Clip {chr(97 + n)}.", tone(0.2, pitch=200 + 40 * n), "ann") for n in range(count)]


def encoded(data, folder, processor=PROCESSOR, **options):
    return encode_rows(data, processor, folder, progress=False, **options)


def contents(cache):
    """What a cache holds, in an order of its own."""
    return sorted((clip.name, clip.text, clip.codes.tolist()) for clip in cache.rows)


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npy")}


def test_rows_become_the_codes_of_each_clip_alone(tmp_path):
    data = rows(5)
    cache = encoded(data, tmp_path, shard_rows=2)
    assert [(clip.name, clip.text, clip.speaker) for clip in cache.rows] == [row[:2] + row[3:] for row in data]
    for row, clip in zip(data, cache.rows, strict=True):
        alone = PROCESSOR.encode_audio(row.audio)[0]
        assert clip.codes.dtype == np.uint16
        assert clip.codes.tolist() == alone.tolist()
        assert clip.seconds == pytest.approx(0.2)


def test_every_further_shift_begins_earlier_by_less_than_a_frame(tmp_path):
    data = rows(3)
    cache = encoded(data, tmp_path, shifts=3)
    assert len(cache) == 9
    lines = [json.loads(line) for path in sorted(tmp_path.glob("*.jsonl")) for line in path.read_text().splitlines()]
    assert [line["shift"] for line in lines[:3]] == [0, 0, 0]
    assert all(0 <= line["shift"] < HOP for line in lines)
    assert any(line["shift"] for line in lines[3:])


def test_files_of_any_rate_and_a_data_set_are_encoded(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(), RATE)
    soundfile.write(tmp_path / "b.flac", np.stack([tone(rate=16000), tone(rate=16000)]).T, 16000)
    datasets = pytest.importorskip("datasets")
    source = datasets.Dataset.from_dict({"audio": [str(tmp_path / name) for name in ("a.wav", "b.flac")]})
    source = source.add_column("text", ["[S1] One.", "[S2] Two."]).cast_column("audio", datasets.Audio())
    first, second = encoded(read_source(source), tmp_path / "codes").rows
    assert first.seconds == second.seconds == 1.0
    assert len(first.codes) == len(second.codes) == -(-RATE // HOP)


def test_memory_is_bounded_by_samples(tmp_path, monkeypatch):
    sizes = []

    def spy(codec, clips):
        sizes.append(sum(clip.size for clip in clips))
        return [np.zeros((clip.size // HOP, 3), np.uint16) for clip in clips]

    monkeypatch.setattr(encoding, "BATCH_SAMPLES", 4000)
    sounds = [encoding.Sound(tone(seconds), {}) for seconds in (0.2, 0.2, 0.2, 0.9, 0.1)]
    encoding.encode_shard(PROCESSOR.audio_tokenizer, sounds, tmp_path, 0, 0, spy)
    assert sizes == [3204, 1602, 7200, 804]


def test_a_stop_at_any_write_loses_nothing_that_was_finished(tmp_path, monkeypatch):
    data, move = rows(4), os.replace
    whole = contents(encoded(data, tmp_path / "whole", shifts=2, shard_rows=2))
    for allowed in itertools.count():
        moves = itertools.count()

        def stop(source, target, allowed=allowed, moves=moves):
            if next(moves) == allowed:
                raise KeyboardInterrupt
            move(source, target)

        folder = tmp_path / f"stopped-{allowed}"
        monkeypatch.setattr(os, "replace", stop)
        try:
            encoded(data, folder, shifts=2, shard_rows=2)
        except KeyboardInterrupt:
            monkeypatch.undo()
            kept = times(folder) if allowed else {}
            again = encoded(data, folder, shifts=2, shard_rows=2)
            assert sum(times(folder)[name] == time for name, time in kept.items()) >= len(kept) - 1
            assert contents(again) == whole
            assert not list(folder.glob(".*"))
        else:
            break
    assert allowed == 1 + 2 * 4


def test_what_a_killed_process_left_behind_is_cleared(tmp_path, monkeypatch):
    encoded(rows(1), tmp_path)
    monkeypatch.setattr(atomic, "_swept", set())  # as in another process, which has not yet looked
    (tmp_path / ".codes-00001-0.npy.0123abcd.partial").write_bytes(b"half")
    (tmp_path / "codes-00001-0.npy").write_bytes(b"codes without lines")
    assert len(encoded(rows(2), tmp_path)) == 2
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_is_named_and_leaves_finished_shards_usable(tmp_path, monkeypatch):
    save, saves = np.save, itertools.count()

    def fill_up(file, array):
        if next(saves) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(file, array)

    monkeypatch.setattr(np, "save", fill_up)
    with pytest.raises(
        OSError, match=r"codes-00002-0\.npy cannot be written: No space left.*MB are free.*Free disk space"
    ):
        encoded(rows(6), tmp_path, shard_rows=2)
    assert len(CodeCache(tmp_path)) == 4
    kept = times(tmp_path)
    assert len(encoded(rows(6), tmp_path, shard_rows=2)) == 6
    assert kept.items() <= times(tmp_path).items()


def test_a_corrected_transcript_costs_no_encoding(tmp_path):
    data = rows(3)
    encoded(data, tmp_path)
    kept, data[1] = times(tmp_path), data[1]._replace(text="[S2] Something else.", speaker="bob")
    cache = encoded(data, tmp_path)
    assert (cache[1].text, cache[1].speaker) == ("[S2] Something else.", "bob")
    assert times(tmp_path) == kept


def test_new_rows_are_encoded_and_dropped_ones_are_gone(tmp_path):
    data = rows(6)
    encoded(data[:4], tmp_path, shard_rows=2, shifts=2)
    kept = times(tmp_path)
    cache = encoded(data[2:], tmp_path, shard_rows=2)
    assert sorted(clip.name for clip in cache.rows) == ["2.wav", "3.wav", "4.wav", "5.wav"]
    assert {name for name in times(tmp_path) if name in kept} == {"codes-00001-0.npy"}


def test_a_changed_recording_is_noticed_even_under_its_old_name(tmp_path):
    data = rows(2)
    encoded(data, tmp_path)
    changed = data[0]._replace(audio=tone(0.3))
    cache = encoded([changed, data[1]], tmp_path)
    assert {clip.name: len(clip.codes) for clip in cache.rows} == {"0.wav": 400, "1.wav": -(-1600 // HOP)}


def test_one_recording_in_two_rows_stays_two_rows(tmp_path):
    data = [Row("a", "[S1] A.", tone()), Row("b", "[S1] B.", tone())]
    for _ in range(2):
        assert [clip.text for clip in encoded(data, tmp_path).rows] == ["[S1] A.", "[S1] B."]


def test_the_cache_of_another_data_set_is_not_changed(tmp_path):
    encoded(rows(2), tmp_path)
    with pytest.raises(ValueError, match="codes of other recordings"):
        encoded([Row("x", "[S1] X.", tone(0.5))], tmp_path)
    assert len(CodeCache(tmp_path)) == 2


def test_codes_of_two_codecs_never_mix(tmp_path):
    encoded(rows(2), tmp_path)
    with pytest.raises(ValueError, match="codes of another codec"):
        encoded(rows(2), tmp_path, tiny_processor(tiny_codec(seed=1)))


def test_another_decoder_leaves_the_codes_valid(tmp_path):
    encoded(rows(2), tmp_path)
    codec = tiny_codec()
    with torch.no_grad():
        next(codec.decoder.parameters()).add_(1)
    assert len(encoded(rows(2), tmp_path, tiny_processor(codec))) == 2


def test_a_cache_says_which_codec_made_it(tmp_path):
    record = encoded(rows(1), tmp_path).codec
    assert (record.sampling_rate, record.hop_length, record.channels, record.codebook_size) == (RATE, HOP, 3, CODES)


def test_a_cache_fits_its_own_codec_only(tmp_path):
    cache = encoded(rows(1), tmp_path)
    cache.check_fits(PROCESSOR)
    cache.check_fits(tiny_processor())
    with pytest.raises(ValueError, match="its weights differ"):
        cache.check_fits(tiny_processor(tiny_codec(seed=1)))
    with pytest.raises(ValueError, match=r"it has 6 samples per frame, the model's 40.*Encode the recordings"):
        cache.check_fits(tiny_processor(tiny_codec((2, 4, 5))))


def test_a_damaged_shard_is_named(tmp_path):
    encoded(rows(1), tmp_path)
    (tmp_path / "codes-00000-0.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match=r"codes-00000-0\.npy is damaged.*codes-00000-0\.jsonl, then encode again"):
        CodeCache(tmp_path)


def test_an_empty_folder_is_no_cache(tmp_path):
    with pytest.raises(ValueError, match="contains no codes"):
        CodeCache(tmp_path)


def test_an_unusable_clip_is_named_and_what_came_before_it_stays(tmp_path):
    data = [*rows(2), Row("gone.wav", "[S1] Hi.", {"path": "gone.wav", "bytes": b"no audio"})]
    with pytest.raises(ValueError, match=r"gone\.wav: 8 bytes cannot be read"):
        encoded(data, tmp_path, shard_rows=1)
    assert len(CodeCache(tmp_path)) == 2


def test_impossible_requests_are_refused(tmp_path):
    with pytest.raises(ValueError, match="rows is empty"):
        encoded([], tmp_path)
    with pytest.raises(ValueError, match="shifts is 0"):
        encoded(rows(1), tmp_path, shifts=0)
    with pytest.raises(ValueError, match="processor has no codec"):
        encoded(rows(1), tmp_path, tiny_processor())


def test_a_shifted_clip_starts_earlier_by_its_own_quiet_edge():
    longer = shifted(np.arange(100, dtype=np.int16), 3, 40) * 32768
    assert longer.size % 40 == 0
    np.testing.assert_allclose(longer[:5], [2, 1, 0, 0, 1])


def test_clips_are_packed_into_rows_with_silence_between_them():
    assert pack([5, 4, 10, 1], 15) == [(0, 0), (0, 9), (1, 0), (1, 14)]


@pytest.fixture
def teachers_codec():
    sizes = {"encoder_hidden_size": 4, "decoder_hidden_size": 16, "downsampling_ratios": [4, 10]}
    torch.manual_seed(0)
    return DacModel(DacConfig(sampling_rate=16_000, n_codebooks=2, codebook_size=16, codebook_dim=4, **sizes)).eval()


@pytest.fixture
def corpus(tmp_path):
    """Eight clips in two shards, of letters that hum; every fourth has no labels."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(2):
        clips = [_hum(f"A, {'bad ' * index}dad.", index) for index in range(4)]
        natural_corpus.write_shard(folder, number, clips, 24_000)
    return folder


def _hum(text, index):
    audio = (9000 * np.sin(np.arange(6000 + 2000 * index))).astype(np.int16)
    line = {"typed": text, "spoken": text, "kind": "prose", "split": "train", "speaker": "S1", "voice": "heart"}
    labels = [["ˈ", 0.1, 0.12], ["A", 0.12, 0.15], [",", 0.15, 0.17], [" ", 0.17, 0.18], ["d", 0.18, 0.2]]
    return (line | ({"labels": labels} if index < 3 else {})), audio


def test_clips_encoded_together_are_encoded_as_alone(teachers_codec):
    clips = [tone(samples / 16_000, rate=16_000) for samples in (1600, 800, 2400)]
    for clip, codes in zip(clips, encode_packed(teachers_codec, clips), strict=True):
        alone = encode_packed(teachers_codec, [clip])[0]
        assert codes.shape == (clip.size // 40, 2)
        assert codes.dtype == np.uint16
        np.testing.assert_array_equal(codes[5:-5], alone[5:-5])


def test_the_cache_of_a_corpus_holds_every_clip_with_labels_at_every_shift(
    teachers_codec, corpus, tmp_path, no_sounds
):
    encode_corpus(teachers_codec, corpus, tmp_path / "codes", variants=2)
    cache = CodeCache(tmp_path / "codes")
    assert len(cache) == 12
    clip = cache[0]
    assert len(clip.codes) * 40 / 16_000 == pytest.approx(clip.seconds, abs=80 / 16_000)
    assert (clip.text, clip.speaker, clip.split, clip.name) == ("A, dad.", "S1", "train", "")
    assert clip.labels.split("\t") == ["ey1", ",", " ", "d"]
    np.testing.assert_allclose(clip.times, [[0.1, 0.15], [0.15, 0.17], [0.17, 0.18], [0.18, 0.2]])
    assert {clip.shift for clip in cache.rows[:3]} == {0}
    assert max(clip.shift for clip in cache.rows) > 0


@pytest.fixture
def no_sounds(monkeypatch):
    monkeypatch.setattr(mini_encoding, "with_sounds", lambda clip: clip)


def test_a_clip_is_resampled_to_the_codec_and_may_have_a_sound(corpus, monkeypatch):
    monkeypatch.setattr(mini_encoding, "with_sounds", lambda clip: with_sounds(clip, 1.0))
    sounds = [sound_of(clip, 16_000) for clip in natural_corpus.read_shard(corpus, 0) if clip.labels]
    for audio, line in sounds:
        assert line["kind"] == "sounds"
        (tag,) = [label for label in line["labels"].split("\t") if label[0] == "("]
        assert tag in line["text"]
        assert line["times"][-1][1] < audio.size / 16_000


def test_clips_have_the_loudness_of_prompts_when_they_are_encoded(tmp_path, no_sounds):
    line, audio = _hum("One.", 2)
    natural_corpus.write_shard(tmp_path, 0, [(line, audio), (line, audio // 8)], 24_000)
    loud, soft = (sound_of(clip, 16_000).audio for clip in natural_corpus.read_shard(tmp_path, 0))
    np.testing.assert_allclose(loud, soft, atol=2e-3)
    long = np.tile(loud, 4)
    assert pyloudnorm.Meter(16_000).integrated_loudness(long.astype(np.float64)) == pytest.approx(LOUDNESS, abs=3)


def test_encoding_a_corpus_resumes_keeps_what_is_there_and_adds_new_shards(teachers_codec, corpus, tmp_path):
    folder = tmp_path / "codes"
    encode_corpus(teachers_codec, corpus, folder)
    kept = times(folder)["codes-00001-0.npy"]
    (folder / "codes-00000-0.jsonl").unlink()
    natural_corpus.write_shard(corpus, 2, [_hum("New.", 1)], 24_000)
    encode_corpus(teachers_codec, corpus, folder)
    assert times(folder)["codes-00001-0.npy"] == kept
    assert json.loads((folder / "codes-00000-0.jsonl").read_text().splitlines()[0])["speaker"] == "S1"
    assert (folder / "codes-00002-0.jsonl").exists()


def test_a_corpus_without_shards_is_an_error(teachers_codec, tmp_path):
    with pytest.raises(ValueError, match="contains no speech"):
        encode_corpus(teachers_codec, tmp_path / "nothing", tmp_path / "codes")


def damaged(folder, name, content):
    encoded(rows(2), folder)
    (folder / name).write_text(content)
    return folder


def test_damaged_lines_and_records_are_named(tmp_path):
    lines = damaged(tmp_path / "a", "codes-00000-0.jsonl", '{"text": "[S1] Hi."')
    with pytest.raises(ValueError, match=r"codes-00000-0\.jsonl is damaged.*Delete it and codes-00000-0\.npy"):
        CodeCache(lines)
    lines = damaged(tmp_path / "b", "codes-00000-0.jsonl", '{"start": 0, "frames": 1}\n')
    with pytest.raises(ValueError, match="'text' is missing in a line"):
        CodeCache(lines)
    record = damaged(tmp_path / "c", "codec.json", '{"weights": "0"}')
    with pytest.raises(ValueError, match=r"codec\.json is damaged"):
        read_record(record)
    np.save(tmp_path / "c" / "codes-00000-0.npy", np.zeros((3, 3), np.uint16))
    with pytest.raises(ValueError, match=r"codes-00000-0\.npy is damaged .codes are missing at its end"):
        CodeCache(record)


def test_rows_of_another_kind_are_refused(tmp_path):
    with pytest.raises(TypeError, match=r"rows\[0\] is dict; expected dia\.training\.data\.source\.Row"):
        encoded([{"audio": tone(), "text": "[S1] Hi."}], tmp_path)


def lines_of(folder):
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(("frontend", "expected"), [("en", "[S1] I owe five euros."), ("none", "[S1] I owe 5 €.")])
def test_transcripts_are_kept_as_the_model_reads_them(tmp_path, frontend, expected):
    data = [rows(1)[0]._replace(text="I owe 5 €.")]
    cache = encoded(data, tmp_path, frontend=frontend)
    assert [(clip.text, clip.frontend) for clip in cache.rows] == [(expected, frontend)]
    cache.check_read(frontend)


def test_transcripts_normalized_differently_are_refused_and_updated_without_encoding(tmp_path):
    data = [row._replace(text="I owe $5.") for row in rows(2)]
    encoded(data, tmp_path)
    with pytest.raises(
        ValueError, match=r"contains transcripts read with text_frontend 'en', and the model .* 'none'"
    ):
        CodeCache(tmp_path).check_read("none")
    kept = times(tmp_path)
    cache = encoded(data, tmp_path, frontend="none")
    assert {clip.text for clip in cache.rows} == {"[S1] I owe $5."}
    assert times(tmp_path) == kept
    cache.check_read("none")


def test_a_cache_of_transcripts_as_they_were_written_is_refused(tmp_path):
    encoded(rows(2), tmp_path)
    (path,) = tmp_path.glob("*.jsonl")
    raw = [{name: value for name, value in line.items() if name != "frontend"} for line in lines_of(tmp_path)]
    path.write_text("".join(json.dumps(line) + "\n" for line in raw))
    for frontend in ("en", "none"):
        with pytest.raises(ValueError, match=r"contains transcripts as they were written.*run encode_rows .* again"):
            CodeCache(tmp_path).check_read(frontend)
    encoded(rows(2), tmp_path).check_read("en")


def test_an_unusable_transcript_is_named_before_anything_is_encoded(tmp_path):
    data = rows(2)
    data[1] = data[1]._replace(text="[S1] Привет.")
    with pytest.raises(
        ValueError,
        match=r"1\.wav: text contains more letters of another script than Latin ones, such as 'П' \(CYRILLIC",
    ):
        encoded(data, tmp_path / "codes")
    assert not (tmp_path / "codes").exists()
