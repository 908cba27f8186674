"""Our feature extractor gives the same batches as the stock one, except where the stock one has a fault."""

import numpy as np
import pytest
from transformers.models.dia import feature_extraction_dia as stock

from dia.feature_extraction_dia import DiaFeatureExtractor

SETTINGS = {"sampling_rate": 44100, "hop_length": 64}


def noise(samples, channels=None):
    shape = samples if channels is None else (channels, samples)
    return (np.random.default_rng(samples).random(shape) - 0.5).astype(np.float32)


def both(audio, feature_size=1, **options):
    return (
        extractor(feature_size=feature_size, **SETTINGS)(audio, sampling_rate=44100, **options)
        for extractor in (DiaFeatureExtractor, stock.DiaFeatureExtractor)
    )


@pytest.mark.parametrize(
    "audio",
    [
        noise(640),
        noise(700).astype(np.float64),
        noise(100).tolist(),
        [noise(64), noise(300), noise(65)],
        [noise(64).tolist(), noise(300).tolist()],
    ],
    ids=["array", "float64", "list", "batch", "batch of lists"],
)
@pytest.mark.parametrize(
    "options",
    [{}, {"padding": True}, {"padding": "max_length", "max_length": 1000}, {"truncation": True, "max_length": 128}],
    ids=["default", "longest", "max_length", "truncation"],
)
@pytest.mark.parametrize("kind", ["pt", "np"])
def test_batches_are_the_same(audio, options, kind):
    ours, theirs = both(audio, return_tensors=kind, **options)
    assert set(ours) == set(theirs)
    for key in theirs:
        assert ours[key].dtype == theirs[key].dtype
        np.testing.assert_array_equal(np.asarray(ours[key]), np.asarray(theirs[key]))


def test_stereo_is_averaged_alike():
    ours, theirs = both(noise(500, channels=2), feature_size=2, return_tensors="np")
    np.testing.assert_allclose(ours["input_values"], theirs["input_values"], atol=1e-7)
    np.testing.assert_array_equal(ours["padding_mask"], theirs["padding_mask"])


def test_without_tensors_the_values_are_the_same_list():
    ours, theirs = both([noise(64), noise(300)])
    for one, other in zip(ours["input_values"], theirs["input_values"], strict=True):
        np.testing.assert_array_equal(one, other)


def test_fault_another_sampling_rate_is_refused():
    with pytest.raises(ValueError, match="sampling rate"):
        stock.DiaFeatureExtractor(**SETTINGS)(noise(640), sampling_rate=22050)
    ours = DiaFeatureExtractor(**SETTINGS)(noise(640), sampling_rate=22050, return_tensors="np")
    assert ours["padding_mask"].sum() == 1280


def test_fault_integer_pcm_is_not_scaled():
    pcm = (noise(640) * 32767).astype(np.int16)
    ours, theirs = both(pcm, return_tensors="np")
    assert np.abs(theirs["input_values"]).max() > 1000
    np.testing.assert_allclose(ours["input_values"][0, 0], noise(640), atol=1e-3)


def test_fault_stereo_is_fragile():
    with pytest.raises(ValueError, match="mono"):
        stock.DiaFeatureExtractor(**SETTINGS)(noise(640, channels=2), sampling_rate=44100)
    ours = DiaFeatureExtractor(**SETTINGS)(noise(640, channels=2), return_tensors="np")
    np.testing.assert_allclose(ours["input_values"][0, 0], noise(640, channels=2).mean(0), atol=1e-7)


def test_feature_extractor_files_are_interchangeable_with_stock(tmp_path):
    stock.DiaFeatureExtractor(**SETTINGS).save_pretrained(tmp_path)
    assert DiaFeatureExtractor.from_pretrained(tmp_path).hop_length == 64
    DiaFeatureExtractor(**SETTINGS).save_pretrained(tmp_path)
    assert stock.DiaFeatureExtractor.from_pretrained(tmp_path).hop_length == 64
