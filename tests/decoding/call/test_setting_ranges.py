"""Settings of `generate()` are checked by name, as arguments and in generation_config.json."""

import json

import numpy as np
import pytest
import torch
from tiny import ONE, tiny_model

from dia.decoding.call.setting_ranges import check_file_settings

ARGUMENTS = [
    ("max_new_tokens", 10**7, ValueError),
    ("max_length", 2**63, ValueError),
    ("max_length", True, TypeError),
    ("min_length", -1, ValueError),
    ("num_return_sequences", 10**9, ValueError),
    ("num_return_sequences", 0, ValueError),
    ("suppress_tokens", [[]], TypeError),
    ("begin_suppress_tokens", [3, [4]], TypeError),
    ("temperature", float("nan"), ValueError),
    ("temperature", "hot", TypeError),
    ("top_k", 1.5, TypeError),
    ("top_p", 0, ValueError),
    ("min_p", 2, ValueError),
    ("guidance_scale", float("inf"), ValueError),
    ("guidance_scale", -1, ValueError),
    ("do_sample", "yes", TypeError),
    ("suppress_tokens", 5, TypeError),
    ("bad_words_ids", [["x"]], TypeError),
]


@pytest.mark.parametrize(("name", "value", "error"), ARGUMENTS)
def test_a_setting_out_of_range_is_refused_by_name(model, name, value, error):
    with pytest.raises(error, match=name):
        model.generate(**ONE, **{name: value})


def test_numbers_of_other_types_are_as_plain_ones(model):
    clips = [
        model.generate(**ONE, guidance_scale=number(2), top_k=whole(5), max_new_tokens=whole(8), do_sample=False)
        for number, whole in ((float, int), (np.float32, np.int64))
    ]
    assert torch.equal(*clips)


@pytest.fixture
def written(tmp_path):
    def write(**settings):
        (tmp_path / "generation_config.json").write_text(json.dumps(settings))
        return tmp_path / "generation_config.json"

    return write


def test_valid_settings_are_accepted(written):
    published = {"do_sample": True, "guidance_scale": 3.0, "max_length": 3072, "temperature": 1.2, "top_k": 45}
    ids = {"bos_token_id": 1026, "eos_token_id": 1024, "pad_token_id": 1025, "decoder_start_token_id": 1026}
    own = {"closing_tag": False, "carry": "nothing", "pass_seconds": 12.0, "transformers_version": "5.17.0"}
    check_file_settings(written(**published, **ids, **own, top_p=0.95, _from_model_config=True))


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: value} for name, value, _ in ARGUMENTS if value == value and value != float("inf")),
        {"pass_seconds": 1e9},
        {"carry": "all"},
        {"eos_token_id": "x"},
        {"num_beams": 4},
        {"num_return_sequences": 2},
        {"penalty_alpha": 0.6, "top_k": 4},
        {"watermarking_config": {"bias": 2}},
        {"cache_implementation": "paged"},
        {"to_dict": 1},
        {"__class__": 1},
        {"tokenizer_class": "DiaTokenizer"},
    ],
)
def test_unsupported_settings_are_refused_by_file_and_name(written, wrong):
    with pytest.raises(ValueError, match=rf"generation_config\.json.*({'|'.join(wrong)}|its settings)"):
        check_file_settings(written(**wrong))


@pytest.mark.parametrize("name", ["num_return_sequences", "use_cache", "do_sample"])
def test_none_is_the_models_own_setting(name):
    model = tiny_model()
    assert torch.equal(
        model.generate(**ONE, max_new_tokens=20, **{name: None}), model.generate(**ONE, max_new_tokens=20)
    )
