"""A codec's folder is checked before it is loaded, and its weights after."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_codec import tiny_codec

from dia.codec.checkpoint import load_codec


@pytest.fixture
def folder(tmp_path):
    tiny_codec().save_pretrained(tmp_path)
    return tmp_path


def changed(folder, **settings):
    data = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**data, **settings}))


def test_a_valid_codec_is_loaded(folder):
    original = tiny_codec().state_dict()
    assert all(torch.equal(weight, original[name]) for name, weight in load_codec(folder).state_dict().items())


def test_a_codec_in_a_subfolder_is_loaded(folder):
    assert load_codec(folder.parent, subfolder=folder.name).config.n_codebooks == 3


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"n_codebooks": 10**9}, "n_codebooks=1000000000 must be"),
        ({"encoder_hidden_size": 10**9}, "encoder_hidden_size"),
        ({"downsampling_ratios": [2] * 60}, "number of downsampling_ratios=60"),
        ({"downsampling_ratios": [10**9, 1]}, "downsampling_ratios=1000000000"),
        ({"upsampling_ratios": [2, 3]}, r"upsampling_ratios \[2, 3\] are not"),
        ({"hidden_size": 5}, "hidden_size is 5"),
        ({"sampling_rate": 1}, "sampling_rate=1 must be"),
        ({"model_type": "encodec"}, "has model_type 'encodec'"),
        ({"to_dict": 1}, "'to_dict' is not a setting"),
        ({"codebook_dim": "wide"}, "codebook_dim"),
        ({"n_codebooks": 4}, r"quantizer\.quantizers\.3\..* is missing"),
        ({"n_codebooks": 2}, r"contains quantizer\.quantizers\.2\."),
    ],
)
def test_inconsistent_settings_are_rejected_by_file_and_name(folder, settings, told):
    changed(folder, **settings)
    with pytest.raises(ValueError, match=rf"config\.json.*{told}|{told}.*config\.json"):
        load_codec(folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(OSError, match=file):
        load_codec(folder)


def test_a_missing_tensor_is_an_error(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["decoder.conv1.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"model\.safetensors .*decoder\.conv1\.weight \[.*\] is missing"):
        load_codec(folder)


def test_non_finite_weights_are_rejected(folder):
    weights = load_file(folder / "model.safetensors")
    weights["decoder.conv1.weight"][0, 0, 0] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ValueError, match=r"model\.safetensors contains NaN or infinite weights in decoder\.conv1\.weight"
    ):
        load_codec(folder)
