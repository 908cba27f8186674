"""Native codec checkpoints become DacModels with the same output; damaged files are named."""

import numpy as np
import pytest
import torch
from native_codecs import ARGUMENTS, tiny_codec, to_native, write
from transformers import DacModel

from dia.checkpoints.native import dac as native_dac


@pytest.fixture(scope="module")
def codec():
    return tiny_codec()


def converted(path) -> DacModel:
    config, weights = native_dac.read(path)
    model = DacModel(config).eval()
    model.load_state_dict(weights)
    return model


@pytest.mark.parametrize(
    "names", [("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1")]
)
def test_a_native_codec_sounds_the_same_after_conversion(tmp_path, codec, names):
    model = converted(write(tmp_path / "weights.pth", to_native(codec, names)))
    waveform = 0.3 * torch.randn(2, 1, 400, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        codes = codec.encode(waveform).audio_codes
        assert torch.equal(model.encode(waveform).audio_codes, codes)
        ours, theirs = model.decode(audio_codes=codes).audio_values, codec.decode(audio_codes=codes).audio_values
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_the_config_is_read_from_the_metadata(codec):
    config = native_dac.read_config(ARGUMENTS)
    theirs = codec.config.to_dict()
    assert {key: value for key, value in config.to_dict().items() if theirs[key] != value} == {}
    assert config.sampling_rate == 8000
    assert config.hop_length == 40


def test_missing_metadata_defaults_to_the_44_khz_codec():
    config = native_dac.read_config({})
    assert (config.sampling_rate, config.hop_length, config.hidden_size) == (44100, 512, 1024)
    assert (config.n_codebooks, config.codebook_size, config.codebook_dim) == (9, 1024, 8)
    assert (config.encoder_hidden_size, config.decoder_hidden_size) == (64, 1536)


def test_numbers_of_numpy_in_the_metadata_are_read_without_unpickling_code(tmp_path, codec):
    arguments = {**ARGUMENTS, "latent_dim": np.int64(48), "quantizer_dropout": np.float64(0.5)}
    config, _ = native_dac.read(write(tmp_path / "weights.pth", to_native(codec), arguments))
    assert config.quantizer_dropout == 0.5


@pytest.mark.parametrize(
    ("argument", "value", "named"),
    [
        ("decoder_rates", [2, 4, 5], "decoder_rates"),
        ("latent_dim", 64, "latent_dim is 64; DacModel supports only 48"),
        ("codebook_dim", [4, 4, 8], "codebook_dim"),
    ],
)
def test_a_variant_that_transformers_lacks_is_refused_by_argument(tmp_path, codec, argument, value, named):
    path = write(tmp_path / "weights.pth", to_native(codec), {**ARGUMENTS, argument: value})
    with pytest.raises(ValueError, match=named):
        native_dac.read(path)


def test_a_missing_tensor_is_named_with_its_shape(tmp_path, codec):
    native = to_native(codec)
    del native["decoder.model.2.block.3.block.1.weight_g"]
    with pytest.raises(
        ValueError, match=r"weights\.pth: decoder\.model\.2\.block\.3\.block\.1\.weight \(10, 10, 7\) is missing"
    ):
        native_dac.read(write(tmp_path / "weights.pth", native))


def test_an_unexpected_tensor_is_named(tmp_path, codec):
    native = {**to_native(codec), "encoder.block.9.bias": torch.zeros(3)}
    with pytest.raises(ValueError, match=r"encoder\.block\.9\.bias"):
        native_dac.read(write(tmp_path / "weights.pth", native))


def test_a_wrong_shape_is_named_with_the_expected_one(tmp_path, codec):
    native = {**to_native(codec), "encoder.block.0.bias": torch.zeros(5)}
    with pytest.raises(ValueError, match=r"encoder\.block\.0\.bias has shape \(5,\), expected \(6,\)"):
        native_dac.read(write(tmp_path / "weights.pth", native))


@pytest.mark.parametrize("kept", [0, 100, 0.9])
def test_a_truncated_file_is_named(tmp_path, codec, kept):
    path = write(tmp_path / "weights.pth", to_native(codec))
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(ValueError, match=r"weights\.pth cannot be read: .* download it again"):
        native_dac.read(path)


def test_other_files_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="must contain `state_dict` and `metadata`"):
        native_dac.read(tmp_path / "other.pth")
