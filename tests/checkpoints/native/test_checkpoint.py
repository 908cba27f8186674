"""Nari Labs checkpoints are found, read and converted to the Hugging Face layout; damaged files are named."""

import json
from pathlib import Path

import pytest
import torch
from native_checkpoints import first_generation, second_generation, tiny_model, to_native, write
from safetensors.torch import save_file

from dia import DiaConfig, DiaForConditionalGeneration
from dia.checkpoints.native import checkpoint as native
from dia.checkpoints.native.layout import layout

GENERATIONS = pytest.mark.parametrize("generation", [first_generation, second_generation])
FORMS = pytest.mark.parametrize("form", ["safetensors", "sharded", "pth", "bin"])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.json"
    path.write_text(json.dumps(first_generation()))
    return tiny_model(native.read_config(path))


@pytest.fixture
def weights(model):
    return to_native(model.state_dict(), model.config)


def read(tmp_path: Path, data: dict) -> DiaConfig:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(data))
    return native.read_config(path)


def test_both_generations_of_config_are_equal(tmp_path):
    first, second = read(tmp_path, first_generation()), read(tmp_path, second_generation())
    assert first.to_dict() == second.to_dict()


def test_every_number_of_the_first_generation_is_read(tmp_path):
    config = read(tmp_path, first_generation())
    encoder, decoder = config.encoder_config, config.decoder_config
    assert (encoder.num_hidden_layers, encoder.hidden_size, encoder.intermediate_size) == (2, 24, 40)
    assert (encoder.num_attention_heads, encoder.num_key_value_heads, encoder.head_dim) == (3, 3, 10)
    assert (encoder.vocab_size, encoder.max_position_embeddings) == (256, 128)
    assert (decoder.num_hidden_layers, decoder.hidden_size, decoder.intermediate_size) == (3, 32, 56)
    assert (decoder.num_attention_heads, decoder.num_key_value_heads, decoder.head_dim) == (4, 2, 6)
    assert (decoder.cross_num_attention_heads, decoder.cross_num_key_value_heads, decoder.cross_head_dim) == (5, 5, 14)
    assert (decoder.cross_hidden_size, decoder.vocab_size, decoder.num_channels) == (24, 20, 3)
    assert (decoder.eos_token_id, decoder.pad_token_id, decoder.bos_token_id) == (16, 17, 18)
    assert (encoder.norm_eps, decoder.norm_eps, config.delay_pattern) == (2e-5, 2e-5, [0, 2, 3])
    assert encoder.rope_parameters["rope_theta"] == decoder.rope_parameters["rope_theta"] == 5000.0


def test_missing_keys_of_the_first_generation_have_the_native_defaults(tmp_path):
    data = first_generation()
    sizes = {"n_layer": 12, "n_embd": 1024, "n_hidden": 4096, "n_head": 16, "head_dim": 128}
    data["model"] = {"encoder": sizes, "decoder": data["model"]["decoder"], "src_vocab_size": 256}
    data["data"] = {"text_length": 1024, "audio_length": 3072}
    config = read(tmp_path, data)
    assert config.encoder_config.to_dict() == DiaConfig().encoder_config.to_dict()
    assert config.delay_pattern == DiaConfig().delay_pattern
    assert config.decoder_config.eos_token_id == 1024


@pytest.mark.parametrize(
    ("section", "key", "value", "named"),
    [
        ("model", "rope_min_timescale", 2, "model.rope_min_timescale is 2"),
        ("data", "text_pad_value", 3, "data.text_pad_value is 3"),
        ("data", "text_length", None, "data.text_length is missing"),
        ("data", "channels", 4, "delay_pattern has 3 entries"),
    ],
)
def test_a_config_without_a_hugging_face_equivalent_is_refused_by_key(tmp_path, section, key, value, named):
    data = first_generation()
    data[section][key] = value
    with pytest.raises(ValueError, match=named):
        read(tmp_path, data)


def test_a_config_of_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"not a Dia config\.json"):
        read(tmp_path, {"model_type": "bert"})


@GENERATIONS
@FORMS
def test_converting_restores_every_weight(tmp_path, model, weights, generation, form):
    checkpoint = native.find(write(tmp_path, generation(), weights, form))
    converted = checkpoint.state_dict()
    assert converted.keys() == model.state_dict().keys()
    assert all(torch.equal(converted[name], weight) for name, weight in model.state_dict().items())
    assert all(weight.is_contiguous() for weight in converted.values())


def test_the_weights_can_be_converted_to_another_dtype(tmp_path, model, weights):
    converted = native.find(write(tmp_path, first_generation(), weights)).state_dict(dtype=torch.bfloat16)
    for name, weight in model.state_dict().items():
        assert torch.equal(converted[name], weight.to(torch.bfloat16))


def test_the_converted_weights_outlive_the_file(tmp_path, model, weights):
    folder = write(tmp_path, first_generation(), weights, "pth")
    converted = native.find(folder).state_dict()
    (folder / "dia-v0_1.pth").write_bytes(b"")
    assert torch.equal(converted["model.encoder.norm.weight"], model.state_dict()["model.encoder.norm.weight"])


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "model.", "module._orig_mod."])
def test_prefixes_left_by_wrappers_are_removed(model, weights, prefix):
    wrapped = {prefix + name: weight for name, weight in weights.items()}
    assert native.convert_state_dict(wrapped, model.config).keys() == model.state_dict().keys()


def test_a_hugging_face_checkpoint_is_not_native(tmp_path, model):
    model.save_pretrained(tmp_path)
    assert native.find(tmp_path) is None
    assert not native.is_native(tmp_path)


def test_native_tensor_names_take_precedence_over_a_hugging_face_config(tmp_path, model, weights):
    model.config.save_pretrained(tmp_path)
    save_file(weights, tmp_path / "model.safetensors")
    checkpoint = native.find(tmp_path)
    config = checkpoint.config()
    assert config.encoder_config.to_dict() == model.config.encoder_config.to_dict()
    assert config.decoder_config.to_dict() == model.config.decoder_config.to_dict()
    assert config.delay_pattern == model.config.delay_pattern
    assert checkpoint.state_dict().keys() == model.state_dict().keys()


def test_hugging_face_weights_are_preferred_by_default(tmp_path, model, weights):
    model.save_pretrained(tmp_path)
    torch.save(weights, tmp_path / "dia-v1.pth")
    assert native.find(tmp_path) is None
    assert native.find(tmp_path, prefer_native=True).weight_files == (tmp_path / "dia-v1.pth",)


def test_the_layout_of_a_weight_file_is_detected(tmp_path, model, weights):
    torch.save(weights, tmp_path / "native.pth")
    torch.save(model.state_dict(), tmp_path / "ours.pth")
    assert native.is_native(tmp_path / "native.pth")
    assert not native.is_native(tmp_path / "ours.pth")


def test_a_folder_without_config_or_of_something_else_is_not_native(tmp_path):
    assert native.find(tmp_path) is None
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert native.find(tmp_path) is None


def test_a_native_config_without_weights_is_an_error(tmp_path, weights):
    (write(tmp_path, first_generation(), weights) / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"no weights; add model\.safetensors"):
        native.find(tmp_path)


def test_missing_tensors_are_named_with_their_expected_shape(tmp_path, weights):
    del weights["decoder.layers.1.cross_attention.k_proj.weight"]
    checkpoint = native.find(write(tmp_path, first_generation(), weights))
    with pytest.raises(
        ValueError, match=r"model\.safetensors: .* lacks decoder\.layers\.1\.cross_.*k_proj\.weight \(24, 5, 14\)"
    ):
        checkpoint.state_dict()


def test_unexpected_tensors_are_named(model, weights):
    weights["decoder.layers.3.mlp.wo.weight"] = torch.zeros(56, 32)
    with pytest.raises(ValueError, match=r"has decoder\.layers\.3\.mlp\.wo\.weight \(56, 32\)"):
        native.convert_state_dict(weights, model.config)


def test_wrong_shapes_are_named_with_found_and_expected(model, weights):
    name = "encoder.layers.0.self_attention.q_proj.weight"
    weights[name] = weights[name].flatten(1)
    with pytest.raises(ValueError, match=r"q_proj\.weight has shape \(24, 30\), expected \(24, 3, 10\)"):
        native.convert_state_dict(weights, model.config)


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
@pytest.mark.parametrize(("form", "name"), [("safetensors", "model.safetensors"), ("pth", "dia-v0_1.pth")])
def test_a_truncated_file_is_named(tmp_path, weights, form, name, kept):
    file = write(tmp_path, first_generation(), weights, form) / name
    whole = file.read_bytes()
    file.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(ValueError, match=rf"{name} cannot be read: .*download it again"):
        native.find(tmp_path)


def test_a_missing_shard_is_named(tmp_path, weights):
    folder = write(tmp_path, first_generation(), weights, "sharded")
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"model-00002-of-00002\.safetensors is missing, but .* names it; download it again"
    ):
        native.find(folder)


def test_a_pickle_with_code_in_it_is_never_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "config.json").write_text(json.dumps(first_generation()))
    torch.save({"trap": Trap()}, tmp_path / "dia-v0_1.pth")
    with pytest.raises(ValueError, match="objects other than tensors"):
        native.find(tmp_path)
    assert not (tmp_path / "sprung").exists()


def hub_of(source: Path, cache: Path, asked: list[list[str]]):
    """A fake `snapshot_download` that copies the files whose names match."""

    def snapshot_download(repo_id, allow_patterns, **hub):
        asked.append(allow_patterns)
        cache.mkdir(exist_ok=True)
        for file in [file for pattern in allow_patterns for file in source.glob(pattern)]:
            (cache / file.name).write_bytes(file.read_bytes())
        return str(cache)

    return snapshot_download


def test_only_one_format_of_the_weights_is_downloaded(tmp_path, model, weights, monkeypatch):
    source, asked = write(tmp_path / "hub", first_generation(), weights), []
    torch.save(weights, source / "dia-v0_1.pth")
    monkeypatch.setattr(native, "snapshot_download", hub_of(source, tmp_path / "cache", asked))
    checkpoint = native.locate("nari-labs/Dia-1.6B")
    assert checkpoint.state_dict().keys() == model.state_dict().keys()
    assert sorted(file.name for file in (tmp_path / "cache").iterdir()) == ["config.json", "model.safetensors"]


def test_a_hub_repository_with_both_layouts_is_left_to_transformers_by_default(tmp_path, model, weights, monkeypatch):
    source, asked = tmp_path / "hub", []
    model.save_pretrained(source, max_shard_size="20kB")
    torch.save(weights, source / "dia-v1.pth")
    monkeypatch.setattr(native, "snapshot_download", hub_of(source, tmp_path / "cache", asked))
    assert native.locate("nari-labs/Dia-1.6B-0626") is None
    assert asked == [["config.json"]]
    assert native.locate("nari-labs/Dia-1.6B-0626", prefer_native=True).weight_files[0].name == "dia-v1.pth"


def test_a_hub_repository_without_native_weights_is_refused(tmp_path, model, monkeypatch):
    model.save_pretrained(tmp_path / "hub")
    monkeypatch.setattr(native, "snapshot_download", hub_of(tmp_path / "hub", tmp_path / "cache", []))
    with pytest.raises(ValueError, match="someone/dia is not a native Dia checkpoint"):
        native.fetch("someone/dia")


def test_true_shapes_of_1_6b_convert_to_the_shapes_of_the_model():
    config = DiaConfig()
    with torch.device("meta"):
        model = DiaForConditionalGeneration(config)
        stored = {name: torch.empty(row.shape) for row in layout(config) for name in row.sources}
    assert stored["decoder.layers.17.self_attention.q_proj.weight"].shape == (2048, 16, 128)
    assert stored["decoder.layers.17.self_attention.o_proj.weight"].shape == (16, 128, 2048)
    assert stored["decoder.layers.17.mlp.wi_fused.weight"].shape == (2048, 2, 8192)
    assert stored["decoder.embeddings.8.weight"].shape == (1028, 2048)
    assert stored["decoder.logits_dense.weight"].shape == (2048, 9, 1028)
    converted = {name: weight.shape for name, weight in native.convert_state_dict(stored, config).items()}
    assert converted == {name: weight.shape for name, weight in model.state_dict().items()}
    assert sum(shape.numel() for shape in converted.values()) == 1_611_160_576


def anonymous_memory() -> int:
    """Anonymous memory of this process in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return 1024 * int(line.split()[1])


@pytest.mark.real
def test_a_full_size_checkpoint_needs_little_more_memory_than_its_result(tmp_path):
    stored = {
        name: torch.zeros(row.shape, dtype=torch.bfloat16) for row in layout(DiaConfig()) for name in row.sources
    }
    DiaConfig().save_pretrained(tmp_path)
    torch.save(stored, tmp_path / "dia-v1.pth")
    del stored
    before, peak = anonymous_memory(), 0

    def watch(rows):
        nonlocal peak
        for row in rows:
            yield row
            peak = max(peak, anonymous_memory() - before)

    converted = native.find(tmp_path).state_dict(progress=watch)
    assert peak < 1.1 * sum(weight.nbytes for weight in converted.values())
