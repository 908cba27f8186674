"""Quantized models: quantized in place, while loading, or before saving; saved, moved, refused, and generating."""

import json
import logging

import native_checkpoints
import pytest
import torch
from tiny import PLAIN, texts, tiny_model
from tiny_checkpoint import write_tiny_checkpoint
from torch import nn
from transformers import AutoModelForTextToWaveform

from dia import DiaForConditionalGeneration
from dia.checkpoints.native.checkpoint import read_config
from dia.checkpoints.quantized import StoredTensor, stored_tensors
from dia.cli import main
from dia.model import Dia
from dia.quantization.config import FORMATS, DiaQuantizationConfig, count_weights, quantize
from dia.quantization.linear import QuantizedLinear
from dia.training.lora import with_lora


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@torch.no_grad()
def logits(model):
    return model(**texts(9, 5)).logits


def formats(model):
    """Names of quantized layers by format."""
    found = {"int8": set(), "int4": set()}
    for name, module in model.named_modules():
        if isinstance(module, QuantizedLinear):
            found[module.format].add(name)
    return found


def error(model, exact):
    return float((logits(model) - exact).norm() / exact.norm())


def test_int8_changes_logits_by_little_and_int4_by_more():
    exact = logits(tiny_model())
    assert 0 < error(quantize(tiny_model(), "int8"), exact) < 0.1
    assert error(quantize(tiny_model(), "int8"), exact) < error(quantize(tiny_model(), "int4"), exact) < 0.6


def test_every_matrix_becomes_int8():
    model = quantize(tiny_model(), "int8")
    assert not [module for module in model.modules() if type(module) is nn.Linear]
    assert count_weights(model) == tiny_model().num_parameters()


def test_int4_keeps_the_head_and_the_query_and_key_projections_in_int8():
    found = formats(quantize(tiny_model(), "int4"))
    assert "model.decoder.layers.0.mlp.gate_up_proj" in found["int4"]
    assert {"logits_dense", "model.decoder.layers.1.self_attention.k_proj"} <= found["int8"]


def test_shapes_that_do_not_fit_int4_become_int8_and_a_debug_line_says_so(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    with caplog.at_level(logging.DEBUG, logger="transformers.dia.quantization.config"):
        model = quantize(tiny_model(), "int4")
    odd = model.model.encoder.layers[0].mlp.gate_up_proj
    assert odd.format == "int8"
    assert f"int4 does not support the shape {odd.out_features} x {odd.in_features}" in caplog.text


def test_a_config_may_keep_layers():
    found = formats(quantize(tiny_model(), DiaQuantizationConfig("int8", keep=["o_proj", "logits_dense"])))
    assert found["int8"]
    assert not [name for name in found["int8"] if name.endswith(("o_proj", "logits_dense"))]


@pytest.mark.parametrize("weights", FORMATS)
def test_quantizing_while_loading_equals_quantizing_afterwards(weights, folder):
    after = quantize(DiaForConditionalGeneration.from_pretrained(folder), weights)
    config = DiaQuantizationConfig(weights)
    while_loading = DiaForConditionalGeneration.from_pretrained(folder, quantization_config=config)
    facade = Dia.from_pretrained(folder, quantization=weights, device="cpu", load_dac=False)
    assert torch.equal(logits(while_loading), logits(after))
    assert torch.equal(logits(facade.model), logits(after))
    assert facade.model.generation_config.top_k == 20


@pytest.mark.parametrize("weights", FORMATS)
def test_a_saved_model_gives_the_same_output(weights, folder, tmp_path):
    model = quantize(DiaForConditionalGeneration.from_pretrained(folder), weights)
    before = logits(model)  # the weights are packed now
    model.save_pretrained(tmp_path)
    assert [file.name for file in tmp_path.glob("*.safetensors")] == ["model.safetensors"]
    again = AutoModelForTextToWaveform.from_pretrained(tmp_path)
    assert type(again) is DiaForConditionalGeneration
    assert formats(again) == formats(model)
    assert torch.equal(logits(again), before)
    assert torch.equal(logits(Dia.from_pretrained(tmp_path, device="cpu", load_dac=False).model), before)


@pytest.mark.parametrize("weights", FORMATS)
def test_its_two_files_are_enough_to_load_it(weights, folder, tmp_path):
    model = quantize(DiaForConditionalGeneration.from_pretrained(folder), weights)
    model.save_pretrained(tmp_path)
    files = tmp_path / "config.json", tmp_path / "model.safetensors"
    again = Dia.from_local(*files, device="cpu", load_dac=False).model
    assert formats(again) == formats(model)
    assert torch.equal(logits(again), logits(model))


@pytest.mark.parametrize("weights", FORMATS)
def test_single_files_are_quantized_while_loading(weights, folder):
    files = folder / "config.json", folder / "model.safetensors"
    local = Dia.from_local(*files, device="cpu", load_dac=False, quantization=weights).model
    named = Dia.from_pretrained(folder, device="cpu", load_dac=False, quantization=weights).model
    assert formats(local) == formats(named)
    assert local.name_or_path == named.name_or_path == str(folder)
    assert torch.equal(logits(local), logits(named))


def test_a_saved_model_is_smaller(tmp_path):
    for weights in ("exact", *FORMATS):
        model = tiny_model() if weights == "exact" else quantize(tiny_model(), weights)
        model.save_pretrained(tmp_path / weights)
    exact, int8, int4 = ((tmp_path / name / "model.safetensors").stat().st_size for name in ("exact", *FORMATS))
    assert int4 < int8 < 0.5 * exact


def test_loading_reads_one_tensor_at_a_time(folder, monkeypatch):
    opened = []
    read = StoredTensor.__getitem__
    monkeypatch.setattr(StoredTensor, "__getitem__", lambda self, index: opened.append(1) or read(self, index))
    Dia.from_pretrained(folder, quantization="int8", device="cpu", load_dac=False)
    assert len(opened) == len(stored_tensors(folder))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_it_generates_in_every_dtype(dtype, folder):
    model = Dia.from_pretrained(folder, quantization="int4", compute_dtype=dtype, device="cpu", load_dac=False).model
    grids = model.generate(**texts(6), max_new_tokens=12, do_sample=False)
    assert model.dtype == dtype
    assert grids.shape[1] <= 13


def test_scales_are_not_rounded_when_the_model_is_cast():
    model = quantize(tiny_model(), "int8")
    scale = model.logits_dense.codes()["scale"].clone()
    model.to(torch.bfloat16).to(torch.float32)
    assert torch.equal(model.logits_dense.codes()["scale"], scale)


def test_config_json_stores_the_quantization(folder, tmp_path):
    quantize(DiaForConditionalGeneration.from_pretrained(folder), "int4").save_pretrained(tmp_path)
    config = AutoModelForTextToWaveform.from_pretrained(tmp_path).config.quantization_config
    assert (config.weights, config.int8) == (
        "int4",
        ["logits_dense", "self_attention.q_proj", "self_attention.k_proj"],
    )


def test_an_unknown_format_is_refused_with_the_choices(folder):
    with pytest.raises(ValueError, match="quantization='int5' is unknown; choose one of int8, int4"):
        Dia.from_pretrained(folder, quantization="int5")


def test_a_quantized_model_is_not_quantized_again(folder, tmp_path):
    model = quantize(DiaForConditionalGeneration.from_pretrained(folder), "int8")
    with pytest.raises(ValueError, match="already quantized"):
        quantize(model, "int4")
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is already int8; omit quantization"):
        Dia.from_pretrained(tmp_path, quantization="int4", load_dac=False)
    assert Dia.from_pretrained(tmp_path, quantization="int8", device="cpu", load_dac=False).model.is_quantized


def test_quantization_and_quantization_config_together_are_refused(folder):
    with pytest.raises(ValueError, match="both given"):
        Dia.from_pretrained(folder, quantization="int8", quantization_config=DiaQuantizationConfig("int8"))


def test_adapters_and_quantized_weights_cannot_be_combined():
    pytest.importorskip("peft")
    with pytest.raises(ValueError, match="adapters need its exact weights"):
        with_lora(quantize(tiny_model(), "int8"), rank=2)
    with pytest.raises(ValueError, match="merge them first"):
        quantize(with_lora(tiny_model(), rank=2), "int8")


def test_the_command_quantizes(folder, tmp_path, capsys):
    output = tmp_path / "hi.wav"
    arguments = ["say", "[S1] Hi.", "-o", str(output), "--model", str(folder), "--seed", "1"]
    assert main([*arguments, "--quantization", "int8"]) == 0
    assert output.is_file()
    with pytest.raises(SystemExit):
        main([*arguments, "--quantization", "int5"])
    assert "invalid choice: 'int5'" in capsys.readouterr().err


def test_compilation_is_skipped_on_a_cpu(folder):
    dia = Dia.from_pretrained(folder, quantization="int8", device="cpu")
    with pytest.warns(UserWarning, match="precompiled kernels"):
        dia.generate("[S1] Hi.", seed=1, use_torch_compile=True)


def test_a_native_checkpoint_is_quantized(tmp_path):
    native = native_checkpoints
    (tmp_path / "config.json").write_text(json.dumps(native.second_generation()))
    config = read_config(tmp_path / "config.json")
    weights = native.to_native(native.tiny_model(config).state_dict(), config)
    folder = native.write(tmp_path, native.second_generation(), weights)
    model = Dia.from_pretrained(folder, quantization="int8", device="cpu", load_dac=False).model
    assert formats(model)["int8"]


def test_torchao_quantizes_through_transformers(folder, tmp_path):
    pytest.importorskip("torchao")
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import TorchAoConfig

    config = TorchAoConfig(Int8WeightOnlyConfig())
    model = DiaForConditionalGeneration.from_pretrained(folder, quantization_config=config)
    assert 0 < error(model, logits(DiaForConditionalGeneration.from_pretrained(folder))) < 0.1
    grid, plain = (model.generate(**texts(6), max_new_tokens=12, do_sample=False, **how) for how in ({}, PLAIN))
    assert torch.equal(grid, plain)
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(DiaForConditionalGeneration.from_pretrained(tmp_path)), logits(model))


@pytest.mark.parametrize("format", ["int8", "int4"])
def test_the_memory_footprint_counts_packed_weights(folder, format):
    model = quantize(DiaForConditionalGeneration.from_pretrained(folder), format)
    before = model.get_memory_footprint()
    model(**texts(8))
    assert model.get_memory_footprint() == before
