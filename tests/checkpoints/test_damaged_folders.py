"""A damaged checkpoint is refused before costly work, with the file's name and a remedy, and never partly loaded."""

import json
import shutil
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoint import write_tiny_checkpoint

from dia import MINI
from dia.model import Dia
from dia.modeling_dia import DiaForConditionalGeneration
from dia.quantization.config import quantize
from dia.runtime.warnings import DiaWarning

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
LAYER = "model.decoder.layers.1."


@pytest.fixture
def folder(tmp_path):
    return write_tiny_checkpoint(tmp_path / "tiny")


def change(file, **settings):
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, **settings}))


def change_part(folder, part, **settings):
    data = json.loads((folder / "config.json").read_text())
    data[part].update(settings)
    (folder / "config.json").write_text(json.dumps(data))


def change_weights(folder, alter):
    file = folder / "model.safetensors"
    weights = load_file(file)
    alter(weights)
    save_file(weights, file, {"format": "pt"})


def refused(folder, message, error=ValueError):
    with pytest.raises(error, match=message):
        Dia.from_pretrained(folder)
    with pytest.raises(error, match=message):
        DiaForConditionalGeneration.from_pretrained(folder)


def test_a_complete_folder_generates_speech(folder):
    dia = Dia.from_pretrained(folder)
    with warnings.catch_warnings(action="ignore"):
        assert len(dia.generate("[S1] Hi.", seed=0, max_tokens=12))


def test_missing_settings_do_not_become_those_of_another_size(folder):
    (folder / "config.json").unlink()
    refused(folder, r"tiny/config\.json is missing; download it again", OSError)


def test_missing_weights_are_named(folder):
    (folder / "model.safetensors").unlink()
    refused(folder, r"tiny/model\.safetensors is missing, and there are no other weights", OSError)


def test_weights_that_git_lfs_has_not_fetched_are_named(folder):
    (folder / "model.safetensors").write_text(POINTER)
    refused(folder, r"tiny/model\.safetensors is a Git LFS pointer.*git lfs pull")


def test_truncated_weights_are_named(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-100])
    refused(folder, r"tiny/model\.safetensors cannot be read: it is truncated")


def rename(weights):
    weights["logits_dense.wheight"] = weights.pop("logits_dense.weight")


def another_layer(weights):
    weights.update(
        {name.replace(".1.", ".2."): one.clone() for name, one in weights.items() if name.startswith(LAYER)}
    )


def fewer_layers(weights):
    for name in [name for name in weights if name.startswith(LAYER)]:
        del weights[name]


def transpose(weights):
    weights["logits_dense.weight"] = weights["logits_dense.weight"].T.contiguous()


def whole_numbers(weights):
    weights["logits_dense.weight"] = weights["logits_dense.weight"].long()


def not_a_number(weights):
    weights["model.decoder.norm.weight"][3] = float("nan")


WEIGHTS = {
    rename: r"logits_dense\.weight \[207, 32\] is missing",
    another_layer: r"has model\.decoder\.layers\.2\..*unexpected for .*config\.json",
    fewer_layers: r"model\.decoder\.layers\.1\..*is missing",
    transpose: r"logits_dense\.weight has shape \[32, 207\], expected \[207, 32\]",
    whole_numbers: r"logits_dense\.weight is stored as I64",
    not_a_number: r"contains NaN or infinite weights in model\.decoder\.norm\.weight",
}


@pytest.mark.parametrize("alter", WEIGHTS)
def test_weights_that_do_not_match_or_are_not_finite_are_refused(folder, alter):
    change_weights(folder, alter)
    refused(folder, rf"tiny/model\.safetensors .*{WEIGHTS[alter]}")


def test_an_extra_tensor_changes_nothing(folder):
    before = Dia.from_pretrained(folder).model.state_dict()
    change_weights(folder, lambda weights: weights.update({"speaker_head.weight": torch.zeros(3)}))
    after = Dia.from_pretrained(folder).model.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


@pytest.mark.parametrize("size", ["hidden_size", "num_hidden_layers", "vocab_size", "intermediate_size"])
@pytest.mark.parametrize("part", ["encoder_config", "decoder_config"])
def test_sizes_of_a_billion_are_refused_before_allocation(folder, part, size):
    change_part(folder, part, **{size: 10**9})
    refused(folder, rf"tiny/config\.json: {size}=1000000000 must be a whole number from 1 to")


@pytest.mark.parametrize("size", [("hidden_size", 2**16), ("num_hidden_layers", 500), ("vocab_size", 2**19)])
def test_sizes_that_do_not_match_the_weights_are_refused_by_shape(folder, size):
    change_part(folder, "encoder_config", **dict([size]))
    if size[0] == "hidden_size":
        change_part(folder, "decoder_config", cross_hidden_size=size[1])
    refused(folder, r"model\.safetensors does not match .*config\.json: model\.encoder\.")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model_type": "bert"}, "describes a model of type 'bert'"),
        ({"encoder_config": 5}, "encoder_config"),
        ({"delay_pattern": [0, 10**9, 3]}, "delay_pattern=1000000000"),
        ({"num_labels": 10**9}, "sets 'num_labels'"),
        ({"to_dict": 5}, "sets 'to_dict'"),
        ({"attn_implementation": "x"}, "sets 'attn_implementation'"),
        ({"transformers_weights": "../other.safetensors"}, "sets 'transformers_weights'"),
        ({"quantization_config": "int8"}, "quantization_config"),
    ],
)
def test_unsupported_settings_are_refused_by_name(folder, settings, message):
    change(folder / "config.json", **settings)
    refused(folder, rf"tiny/config\.json.*{message}")


def test_a_damaged_generation_config_is_never_replaced_silently(folder):
    (folder / "generation_config.json").write_text('{"temperature": ')
    refused(folder, r"tiny/generation_config\.json is not valid JSON")


def test_a_missing_generation_config_is_reported(folder):
    (folder / "generation_config.json").unlink()
    with pytest.warns(DiaWarning, match=r"generation_config\.json is missing"):
        dia = Dia.from_pretrained(folder)
    assert dia.model.generation_config.temperature == 1.2


def test_an_index_cannot_name_files_in_other_folders(folder):
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    index = {"metadata": {}, "weight_map": {"logits_dense.weight": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder, r"index\.json names '\.\./model\.safetensors', which is not a file in the same folder")


def test_adapters_without_their_model_are_refused_with_the_remedy(folder):
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "x"}')
    with pytest.raises(OSError, match=r"adapter_config\.json names the base model x: there is no folder x"):
        Dia.from_pretrained(folder)


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_quantized_weights_are_checked(folder, weights):
    model = quantize(DiaForConditionalGeneration.from_pretrained(folder), weights)
    model.save_pretrained(folder)
    Dia.from_pretrained(folder)
    name = "model.decoder.layers.0.mlp.down_proj.scale"
    change_weights(folder, lambda held: held.pop(name))
    refused(folder, rf"model\.safetensors .*{name} \[32.*\] is missing")


def test_random_weights_can_be_requested(folder):
    change_weights(folder, rename)
    model = DiaForConditionalGeneration.from_pretrained(folder, ignore_mismatched_sizes=True)
    assert model.logits_dense.weight.isfinite().all()


# The processor's files


def processor_refused(folder, message, error=ValueError):
    with pytest.raises(error, match=message):
        Dia.from_pretrained(folder)


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        ("processor_config.json", {"delay_pattern": [0, 1, 2]}, "sets delay_pattern to"),
        ("processor_config.json", {"delay_pattern": "x"}, "delay_pattern is 'x'"),
        ("processor_config.json", {"eos_token_id": 1}, "sets eos_token_id to 1"),
        ("processor_config.json", {"audio_tokenizer_subfolder": "../elsewhere"}, "which is not a subfolder"),
        ("processor_config.json", {"feature_extractor": {"sampling_rate": 1}}, "sampling_rate=1 must be"),
        (
            "processor_config.json",
            {"feature_extractor": {"sampling_rate": 8000, "hop_length": 41}},
            "hop_length is 41",
        ),
        ("tokenizer_config.json", {"max_length": -1}, "max_length=-1"),
        ("tokenizer_config.json", {"offset": "x"}, "offset is 'x'"),
        ("tokenizer_config.json", {"pad_token": 5}, "pad_token is 5"),
        ("tokenizer.json", {"post_processor": 1}, "Exception"),
    ],
)
def test_a_processor_that_does_not_match_is_refused_by_file(folder, file, settings, message):
    change(folder / file, **settings)
    processor_refused(folder, rf"{file}.*{message}")


@pytest.mark.parametrize("option", ["bos_token_id", "eos_token_id", "pad_token_id", "delay_pattern"])
def test_an_option_that_the_processor_lacks_is_that_of_the_model(folder, option):
    file = folder / "processor_config.json"
    settings = json.loads(file.read_text())
    wanted = settings.pop(option)
    file.write_text(json.dumps(settings))
    assert getattr(Dia.from_pretrained(folder, device="cpu").processor, option) == wanted


def test_a_tokenizer_with_ids_that_the_model_lacks_is_refused_by_file(tmp_path):
    shutil.copytree(MINI, tmp_path / "mini")
    change(tmp_path / "mini" / "tokenizer_config.json", offset=100)
    with pytest.raises(
        ValueError, match=r"tokenizer_config\.json: the tokenizer has ids up to \d+ and the model \d+ ids"
    ):
        Dia.from_pretrained(tmp_path / "mini", device="cpu")


def test_an_unknown_rope_type_is_refused_by_file(folder):
    change_part(folder, "encoder_config", rope_parameters={"rope_type": 7, "rope_theta": 10_000.0})
    refused(folder, r"config\.json.*rope_type=7 is unknown")


@pytest.mark.parametrize("file", ["processor_config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("deep", ['{"a":' * 100_000, "[" * 100_000])
def test_json_that_is_nested_too_deeply_is_refused_by_file(folder, file, deep):
    (folder / file).write_text(deep)
    processor_refused(folder, file.replace(".", r"\."))


@pytest.mark.parametrize("file", ["processor_config.json", "tokenizer_config.json", "tokenizer.json"])
def test_a_processor_file_that_is_not_json_is_named(folder, file):
    (folder / file).write_text("[")
    processor_refused(folder, rf"{file} is not valid JSON")


def test_a_folder_without_its_codec_is_refused_unless_load_dac_is_false(folder):
    (folder / "processor_config.json").unlink()
    processor_refused(folder, r"processor_config\.json is missing or names no codec.*load_dac=False")
    processor = Dia.from_pretrained(folder, load_dac=False).processor
    assert (processor.delay_pattern, processor.eos_token_id) == ([0, 2, 3], 64)
