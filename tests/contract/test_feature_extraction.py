"""Clips of every type become mono float32 at the codec's rate in whole frames."""

import numpy as np
import pytest
import torch
from ffmpeg import why_data_sets_are_mute

from dia.audio import files as audio_file
from dia.audio.clips import named_clips
from dia.feature_extraction_dia import DiaFeatureExtractor

RATE, HOP = 16000, 64


@pytest.fixture
def extractor():
    return DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP)


def tone(rate=RATE, seconds=0.25):
    return (0.5 * np.sin(2 * np.pi * 300 * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


class Decoder:
    """An object like the audio objects of `datasets`."""

    def __init__(self, array, rate):
        self._items = {"array": array, "sampling_rate": rate}

    def __getitem__(self, key):
        return self._items[key]


CLIP = tone()
PCM = (CLIP * 32767).astype(np.int16)
KINDS = {
    "float32": CLIP,
    "float64": CLIP.astype(np.float64),
    "float16": CLIP.astype(np.float16),
    "int16": PCM,
    "int32": (CLIP.astype(np.float64) * (2**31 - 1)).astype(np.int32),
    "uint8": (CLIP * 127 + 128).astype(np.uint8),
    "list": CLIP.tolist(),
    "tensor": torch.from_numpy(CLIP),
    "bfloat16 tensor": torch.from_numpy(CLIP).bfloat16(),
    "tensor with a gradient": torch.from_numpy(CLIP).requires_grad_(),
    "int16 tensor": torch.from_numpy(PCM),
    "stereo, channels first": np.stack([CLIP * 0.5, CLIP * 1.5]),
    "stereo, channels last": np.stack([CLIP * 0.5, CLIP * 1.5], axis=-1),
    "stereo int16": np.stack([PCM, PCM]),
    "one channel": CLIP[None],
    "dict": {"array": CLIP, "sampling_rate": RATE},
    "decoder": Decoder(CLIP, RATE),
}


@pytest.mark.parametrize("kind", KINDS)
def test_audio_of_any_type_becomes_the_same_waveform(extractor, kind):
    coarse = kind in ("uint8", "float16", "bfloat16 tensor")
    features = extractor(KINDS[kind], return_tensors="np")
    assert features["input_values"].shape == (1, 1, 4032)
    assert features["input_values"].dtype == np.float32
    assert features["padding_mask"].sum() == 4000
    np.testing.assert_allclose(features["input_values"][0, 0, :4000], CLIP, atol=0.01 if coarse else 1e-4)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_files_are_read_by_path_by_str_and_from_bytes(extractor, tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    audio_file.write(path, tone(), RATE)
    for clip in (path, str(path), {"path": str(path), "bytes": None}, {"path": "x", "bytes": path.read_bytes()}):
        waveform = extractor.load(clip)
        assert waveform.shape == (4000,)
        assert np.abs(waveform - CLIP)[500:-500].max() < 0.05


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_audio_at_another_rate_is_resampled(extractor, rate, tmp_path):
    audio_file.write(tmp_path / "a.flac", tone(rate), rate)
    clip = tone(rate)
    ways = [
        extractor.load(clip, sampling_rate=rate),
        extractor.load({"array": clip, "sampling_rate": rate}),
        extractor.load(Decoder(clip, rate)),
        extractor.load(tmp_path / "a.flac"),
        extractor.load(
            {"array": clip, "sampling_rate": rate}, sampling_rate=RATE
        ),  # the clip's own rate takes precedence
    ]
    for waveform in ways:
        assert abs(len(waveform) - 4000) <= 1
        np.testing.assert_allclose(waveform[200:3800], CLIP[200:3800], atol=2e-3)


def test_an_array_without_a_rate_has_the_extractors_rate(extractor):
    np.testing.assert_array_equal(extractor.load(CLIP), CLIP)


def test_a_batch_can_mix_types_and_lengths(extractor, tmp_path):
    audio_file.write(tmp_path / "a.wav", tone(8000, 0.1), 8000)
    features = extractor([CLIP, PCM[:1000], tmp_path / "a.wav", CLIP[:64].tolist()], return_tensors="pt")
    assert features["input_values"].shape == (4, 1, 4032)
    assert features["padding_mask"].sum(-1).tolist() == [4000, 1000, 1600, 64]
    assert features["padding_mask"].dtype == torch.int32
    assert not features["input_values"][1, 0, 1000:].any()


def test_padding_and_truncation_follow_their_arguments(extractor):
    clips = [CLIP[:100], CLIP[:200]]
    fixed = extractor(clips, padding="max_length", max_length=300, return_tensors="np")
    assert fixed["input_values"].shape == (2, 1, 320)
    cut = extractor(clips, truncation=True, max_length=128, return_tensors="np")
    assert cut["padding_mask"].sum(-1).tolist() == [100, 128]
    bare = extractor(clips, padding=False)
    assert [value.shape for value in bare["input_values"]] == [(1, 100), (1, 200)]
    with pytest.raises(ValueError, match="padding and truncation"):
        extractor(clips, padding=True, truncation=True, max_length=128)
    with pytest.raises(ValueError, match="truncation is set without max_length"):
        extractor(clips, truncation=True)


def test_a_list_is_a_batch_unless_it_holds_numbers():
    assert list(named_clips([0.0, 1.0, 2.0], "audio")) == ["audio"]
    assert list(named_clips([torch.tensor(0.0)] * 3, "audio")) == ["audio"]
    assert list(named_clips(np.zeros((2, 9)), "audio")) == ["audio"]
    assert named_clips([[0.0, 1.0]], "audio") == {"audio": [0.0, 1.0]}
    assert named_clips(["a.wav", None], "audio") == {"audio[0]": "a.wav", "audio[1]": None}


@pytest.mark.parametrize(
    ("clip", "error", "message"),
    [
        (np.zeros(0), ValueError, "raw_audio is empty"),
        ([], ValueError, "raw_audio is an empty list"),
        (None, TypeError, "raw_audio is None"),
        ([CLIP, None], TypeError, r"raw_audio\[1\] is NoneType"),
        ([CLIP, 3], TypeError, r"raw_audio\[1\] is int"),
        (["a", 0.5], FileNotFoundError, r"raw_audio\[0\]: the file .* does not exist"),
        ([[0.0, "x"], [1.0]], TypeError, r"raw_audio\[0\] is a list with non-numeric values"),
        (np.array([0.1, np.nan] * 64), ValueError, "NaN or infinite"),
        (np.array([0.1, np.inf] * 64), ValueError, "NaN or infinite"),
        (np.zeros(63), ValueError, "63 samples at 16000 Hz, less than one codec frame of 64"),
        ({"array": np.zeros(100), "sampling_rate": 44100}, ValueError, "less than one codec frame"),
        (np.zeros((6, 1000)), ValueError, r"shape \(6, 1000\).*Pass a batch as a list"),
        (np.zeros((2, 1, 1000)), ValueError, r"shape \(2, 1, 1000\), a batch of 2 clips; pass one of them"),
        (np.array(0.5), ValueError, r"shape \(\)"),
        (np.zeros(100, dtype=complex), ValueError, "complex128"),
        (np.zeros(100, dtype=bool), ValueError, "bool"),
        (np.zeros(100, dtype=np.int64), ValueError, "int64; pass floats"),
        (PCM.astype(np.float32), ValueError, "Divide by the full scale"),
        ({"samples": CLIP}, ValueError, r"a dict with the keys \['samples'\]"),
        ({"array": CLIP}, TypeError, "raw_audio is dict"),
        ({"array": CLIP, "sampling_rate": 0}, ValueError, "the sampling rate is 0"),
        ({"array": CLIP, "sampling_rate": None}, ValueError, "the sampling rate is None"),
        (object(), TypeError, "raw_audio is object; expected an array"),
    ],
)
def test_invalid_clips_are_refused_by_name(extractor, clip, error, message):
    with pytest.raises(error, match=message):
        extractor(clip)


def test_the_error_names_the_length_limit():
    extractor = DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP, max_seconds=0.2)
    with pytest.raises(ValueError, match=r"lasts 0.25 s, but at most 0.2 s"):
        extractor(CLIP)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("sampling_rate", 0),
        ("sampling_rate", True),
        ("sampling_rate", "16000"),
        ("hop_length", 0),
        ("feature_size", 0),
        ("max_seconds", 0),
        ("max_seconds", float("nan")),
        ("max_seconds", float("inf")),
        ("max_seconds", True),
        ("max_seconds", "5"),
        ("padding_side", "middle"),
    ],
)
def test_invalid_options_are_refused_by_name(option, value):
    with pytest.raises((TypeError, ValueError), match=option):
        DiaFeatureExtractor(**{option: value})


def test_it_can_be_saved_and_loaded(tmp_path):
    DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP, max_seconds=3.0).save_pretrained(tmp_path)
    loaded = DiaFeatureExtractor.from_pretrained(tmp_path)
    assert (loaded.sampling_rate, loaded.hop_length, loaded.max_seconds) == (RATE, HOP, 3.0)


def test_options_that_the_file_does_not_have_take_effect(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text('{"sampling_rate": 44100}')
    loaded = DiaFeatureExtractor.from_pretrained(tmp_path, padding_side="left", hop_length=HOP, max_seconds=2.0)
    assert (loaded.sampling_rate, loaded.padding_side, loaded.hop_length) == (44100, "left", HOP)
    assert loaded.max_seconds == 2.0
    with pytest.raises(ValueError, match="hop_length=0"):
        DiaFeatureExtractor.from_pretrained(tmp_path, hop_length=0)


def test_an_audio_object_of_datasets_is_read_directly(extractor, tmp_path):
    datasets = pytest.importorskip("datasets")
    if reason := why_data_sets_are_mute():
        pytest.skip(reason)
    audio_file.write(tmp_path / "a.wav", tone(22050), 22050)
    rows = datasets.Dataset.from_dict({"audio": [str(tmp_path / "a.wav")]})
    item = rows.cast_column("audio", datasets.Audio())[0]["audio"]
    assert abs(len(extractor.load(item)) - 4000) <= 1


def test_opposite_channels_are_refused_because_their_average_is_silence(extractor):
    for clip in (np.stack([CLIP, -CLIP]), np.stack([CLIP, -CLIP], -1), np.stack([PCM, -PCM])):
        with pytest.raises(ValueError, match=r"raw_audio has two channels of opposite polarity.*Pass a single"):
            extractor(clip)
    extractor(np.stack([CLIP, -0.9 * CLIP]))  # as in the stock class: quiet, but not silent
    assert not extractor(np.zeros((2, 4000), np.float32), return_tensors="np")["input_values"].any()


@pytest.mark.parametrize("rate", [1, 7_999, 384_001, 2**63, 16_000.5, float("inf"), float("nan"), True, "16000"])
def test_invalid_rates_are_refused_before_anything_is_resampled(extractor, rate):
    for clip in (CLIP, {"array": CLIP, "sampling_rate": rate}):
        with pytest.raises(ValueError, match="expected a whole number of Hz, 8000 to 384000"):
            extractor.load(clip, sampling_rate=rate)


def test_a_clip_over_the_limit_is_refused_before_it_is_resampled(monkeypatch):
    extractor = DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP, max_seconds=0.2)
    monkeypatch.setattr("soxr.resample", lambda *_, **__: pytest.fail("it was resampled"))
    with pytest.raises(ValueError, match=r"lasts 0.50 s, but at most 0.2 s"):
        extractor.load({"array": CLIP, "sampling_rate": 8_000})


def test_a_list_of_booleans_is_refused(extractor):
    with pytest.raises(TypeError, match="with non-numeric values"):
        extractor([True, False] * 100)


def test_numbers_of_other_types_are_saved_as_plain_ones(tmp_path):
    given = {"sampling_rate": np.int64(16000), "max_seconds": np.float32(3), "hop_length": np.int32(64)}
    DiaFeatureExtractor(**given).save_pretrained(tmp_path)
    loaded = DiaFeatureExtractor.from_pretrained(tmp_path)
    assert (loaded.sampling_rate, loaded.max_seconds, loaded.hop_length) == (16000, 3.0, 64)
