"""Configuration: the published defaults, old files, and invalid values."""

import json
import warnings

import pytest
from huggingface_hub.errors import StrictDataclassError
from tiny import BOS, EOS, PAD, tiny_config, tiny_model

from dia.configuration_dia import DiaConfig, DiaDecoderConfig, DiaEncoderConfig

IDS = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}


def ids_of(config: DiaDecoderConfig) -> dict[str, int]:
    return {name: getattr(config, name) for name in IDS}


def test_the_defaults_are_the_published_model():
    config = DiaConfig()
    encoder, decoder = config.encoder_config, config.decoder_config
    assert (encoder.num_hidden_layers, encoder.hidden_size, encoder.max_position_embeddings) == (12, 1024, 1024)
    assert (decoder.num_hidden_layers, decoder.hidden_size, decoder.max_position_embeddings) == (18, 2048, 3072)
    assert (decoder.num_channels, decoder.vocab_size) == (9, 1028)
    assert ids_of(decoder) == {"eos_token_id": 1024, "pad_token_id": 1025, "bos_token_id": 1026}
    assert config.delay_pattern == [0, 8, 9, 10, 11, 12, 13, 14, 15]
    for part in (encoder, decoder):
        assert part.rope_parameters == {"rope_type": "default", "rope_theta": 10_000.0}


def test_a_config_is_restored_from_its_file(config, tmp_path):
    config.save_pretrained(tmp_path)
    again = DiaConfig.from_pretrained(tmp_path)
    assert again.to_dict() == config.to_dict()
    assert isinstance(again.encoder_config, DiaEncoderConfig)
    assert isinstance(again.decoder_config, DiaDecoderConfig)


def test_parts_can_be_objects_or_dicts(config):
    objects = DiaConfig(
        encoder_config=config.encoder_config, decoder_config=config.decoder_config, delay_pattern=[0, 2, 3]
    )
    assert objects.to_dict() == config.to_dict()


def test_parts_are_read_from_the_file_of_the_whole(config, tmp_path):
    config.save_pretrained(tmp_path)
    assert DiaDecoderConfig.from_pretrained(tmp_path).to_dict() == config.decoder_config.to_dict()


# Old files


def old_file(tmp_path, **changes) -> DiaConfig:
    """A config.json of transformers 4, with token ids and rotary settings at the top level."""
    data = tiny_config().to_dict()
    for part in ("encoder_config", "decoder_config"):
        del data[part]["rope_parameters"]
        data[part].update(rope_theta=5000.0, rope_scaling=None)
        for name in IDS:
            data[part].pop(name, None)
    data.update(IDS, transformers_version="4.53.0", torch_dtype="float32", **changes)
    (tmp_path / "config.json").write_text(json.dumps(data))
    return DiaConfig.from_pretrained(tmp_path)


def test_token_ids_at_the_top_of_an_old_file_reach_the_decoder(tmp_path):
    assert ids_of(old_file(tmp_path).decoder_config) == IDS


def test_token_ids_at_the_top_reach_a_decoder_given_as_an_object():
    decoder = DiaDecoderConfig(vocab_size=1028)
    config = DiaConfig(decoder_config=decoder, eos_token_id=1000, pad_token_id=1001, bos_token_id=1002)
    assert ids_of(config.decoder_config) == {"eos_token_id": 1000, "pad_token_id": 1001, "bos_token_id": 1002}


def test_top_level_rotary_settings_of_an_old_file_are_read(tmp_path):
    config = old_file(tmp_path)
    for part in (config.encoder_config, config.decoder_config):
        assert part.rope_parameters["rope_theta"] == 5000.0
        assert part.rope_parameters["rope_type"] == "default"


def test_an_old_file_makes_a_model_and_reads_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = tiny_model(old_file(tmp_path))
    assert model.generation_config.eos_token_id == EOS


def test_token_ids_changed_after_reading_an_old_file_are_kept(tmp_path):
    config = old_file(tmp_path)
    config.decoder_config.bos_token_id = BOS + 1
    config.save_pretrained(tmp_path / "new")
    assert DiaConfig.from_pretrained(tmp_path / "new").decoder_config.bos_token_id == BOS + 1


# Invalid values

ENCODER_FAULTS = {
    "num_hidden_layers": 0,
    "hidden_size": 0,
    "max_position_embeddings": -1,
    "intermediate_size": 0,
    "vocab_size": 0,
    "norm_eps": 0.0,
    "num_attention_heads": 0,
    "num_key_value_heads": 3,
    "head_dim": 7,
}
DECODER_FAULTS = {
    **ENCODER_FAULTS,
    "num_channels": 0,
    "cross_hidden_size": 0,
    "cross_num_attention_heads": 0,
    "cross_num_key_value_heads": 3,
    "cross_head_dim": 0,
    "eos_token_id": 1028,
    "pad_token_id": -1,
    "bos_token_id": None,
}


@pytest.mark.parametrize(("field", "value"), ENCODER_FAULTS.items())
def test_an_invalid_encoder_is_refused_by_field(field, value):
    with pytest.raises(StrictDataclassError, match=field):
        DiaEncoderConfig(**{field: value})


@pytest.mark.parametrize(("field", "value"), DECODER_FAULTS.items())
def test_an_invalid_decoder_is_refused_by_field(field, value):
    with pytest.raises(StrictDataclassError, match=field):
        DiaDecoderConfig(**{field: value})


@pytest.mark.parametrize(("field", "value"), [("hidden_size", "wide"), ("num_channels", 2.5), ("hidden_act", 3)])
def test_a_value_of_the_wrong_type_is_refused_by_field(field, value):
    with pytest.raises(StrictDataclassError, match=field):
        DiaDecoderConfig(**{field: value})


def test_an_odd_head_width_is_refused_only_with_rotary_positions():
    assert DiaDecoderConfig(cross_head_dim=7).cross_head_dim == 7


def test_token_ids_that_collide_are_refused():
    with pytest.raises(StrictDataclassError, match="they must be distinct"):
        DiaDecoderConfig(eos_token_id=1024, pad_token_id=1024)


def test_a_special_id_among_the_codes_is_refused():
    with pytest.raises(StrictDataclassError, match="must be the lowest"):
        DiaDecoderConfig(bos_token_id=3)


@pytest.mark.parametrize("pattern", [[0, 1], [0] * 10, []])
def test_a_delay_pattern_of_another_length_is_refused(pattern):
    with pytest.raises(StrictDataclassError, match="delay_pattern"):
        DiaConfig(delay_pattern=pattern)


@pytest.mark.parametrize("first", [1, -1])
def test_channel_0_must_have_delay_0(first):
    with pytest.raises(StrictDataclassError, match="delay_pattern"):
        DiaConfig(delay_pattern=[first, 8, 9, 10, 11, 12, 13, 14, 15])


def test_encoder_and_decoder_of_different_width_are_refused():
    with pytest.raises(StrictDataclassError, match="cross_hidden_size=512"):
        DiaConfig(decoder_config={"cross_hidden_size": 512})


def test_two_configs_share_no_state():
    first, second = DiaConfig(), DiaConfig()
    first.delay_pattern[1] = 99
    first.decoder_config.num_channels = 3
    assert second.to_dict() == DiaConfig().to_dict()
