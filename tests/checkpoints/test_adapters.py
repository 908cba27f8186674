"""A LoRA adapter's folder loads like a model: merged into its base, with the codec and tokenizer of the base."""

import json
import shutil
import sys

import pytest
import torch
from native_checkpoints import first_generation, to_native, write
from native_checkpoints import tiny_model as tiny_native
from safetensors.torch import load_file, save_file
from tiny import tiny_model
from tiny_checkpoint import write_tiny_checkpoint

from dia import MINI
from dia.checkpoints.native.checkpoint import read_config
from dia.checkpoints.source import check_checkpoint, find_adapter, local_folder
from dia.cli import main
from dia.model import Dia
from dia.modeling_dia import DiaForConditionalGeneration
from dia.training.lora import with_lora

pytest.importorskip("peft")

SCRIPT = "[S1] Hi."


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A base and an adapter of it in one folder, and the adapted model."""
    folder = tmp_path_factory.mktemp("made")
    write_tiny_checkpoint(folder / "base")
    adapted = with_lora(DiaForConditionalGeneration.from_pretrained(folder / "base"), rank=2)
    torch.manual_seed(0)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    adapted.save_pretrained(folder / "adapter")
    return folder, adapted.eval()


@pytest.fixture
def adapter(made, tmp_path):
    """A copy that a test may change."""
    for name in ("base", "adapter"):
        shutil.copytree(made[0] / name, tmp_path / name)
    name_base(tmp_path / "adapter", str(tmp_path / "base"))
    return tmp_path / "adapter"


def name_base(folder, base, **others):
    file = folder / "adapter_config.json"
    settings = json.loads(file.read_text()) | {"base_model_name_or_path": base} | others
    file.write_text(json.dumps(settings))


def logits(model):
    channels = len(tiny_model().config.delay_pattern)
    rows = torch.full((1, 3, channels), tiny_model().config.decoder_config.bos_token_id)
    with torch.no_grad():
        return model(input_ids=torch.tensor([[1, 50, 60]]), decoder_input_ids=rows).logits


@pytest.mark.parametrize("base", ["absolute", "../base", "./../base"])
def test_the_base_is_found_by_its_path(made, adapter, base):
    if base != "absolute":
        name_base(adapter, base)
    dia = Dia.from_pretrained(adapter)
    assert torch.allclose(logits(dia.model), logits(made[1]), atol=1e-5)
    assert not torch.allclose(logits(dia.model), logits(Dia.from_pretrained(adapter.parent / "base").model), atol=1e-2)
    assert type(dia.model) is DiaForConditionalGeneration
    assert dia.processor.audio_tokenizer is not None
    assert len(dia.generate(SCRIPT, seed=1)) > 0
    assert "model=adapter" in str(dia.provenance())


def test_an_adapter_in_a_subfolder_is_found(made, adapter):
    model = Dia.from_pretrained(adapter.parent, subfolder="adapter").model
    assert torch.allclose(logits(model), logits(made[1]), atol=1e-5)


def test_a_base_in_a_subfolder_is_named_with_it(made, tmp_path):
    shutil.copytree(made[0] / "base", tmp_path / "outer" / "base")
    for loaded in (
        DiaForConditionalGeneration.from_pretrained(tmp_path / "outer", subfolder="base"),
        Dia.from_pretrained(tmp_path / "outer", subfolder="base", load_dac=False).model,
    ):
        with_lora(loaded, rank=2).save_pretrained(tmp_path / "adapter")
        assert find_adapter(tmp_path / "adapter").base == str(tmp_path / "outer" / "base")
    assert Dia.from_pretrained(tmp_path / "adapter").processor.audio_tokenizer is not None


def test_the_files_of_the_base_are_not_changed(adapter):
    before = (adapter.parent / "base" / "model.safetensors").read_bytes()
    Dia.from_pretrained(adapter)
    assert (adapter.parent / "base" / "model.safetensors").read_bytes() == before


def test_a_base_in_the_current_folder_is_found(made, adapter, monkeypatch):
    monkeypatch.chdir(adapter.parent)
    name_base(adapter, "base")
    assert torch.allclose(logits(Dia.from_pretrained("adapter").model), logits(made[1]), atol=1e-5)


def test_a_folder_is_named_by_its_absolute_path_and_anything_else_as_it_is(made, tmp_path, monkeypatch):
    monkeypatch.chdir(made[0])
    model = DiaForConditionalGeneration.from_pretrained("base")
    with_lora(model, rank=2).save_pretrained(tmp_path)
    assert find_adapter(tmp_path).base == str(made[0] / "base")
    model = DiaForConditionalGeneration.from_pretrained("base")
    model.name_or_path = "someone/dia"
    assert with_lora(model, rank=2).peft_config["default"].base_model_name_or_path == "someone/dia"


def test_a_native_base_and_one_of_single_files_are_named(tmp_path):
    native = write(tmp_path / "native", first_generation(), {})
    config = read_config(native / "config.json")
    write(native, first_generation(), to_native(tiny_native(config).state_dict(), config))
    base = write_tiny_checkpoint(tmp_path / "base")
    local = Dia.from_local(base / "config.json", base / "model.safetensors", load_dac=False).model
    for model, folder in ((DiaForConditionalGeneration.from_pretrained(native), native), (local, base)):
        with_lora(model, rank=2).save_pretrained(tmp_path / "adapter")
        assert find_adapter(tmp_path / "adapter").base == str(folder)


def test_generation_settings_and_processor_of_the_adapter_come_first(adapter):
    base = Dia.from_pretrained(adapter.parent / "base")
    base.model.generation_config.temperature = 0.7
    base.model.generation_config.save_pretrained(adapter)
    assert Dia.from_pretrained(adapter).model.generation_config.temperature == 0.7
    base.processor.final_stop = True
    base.processor.save_pretrained(adapter)
    assert Dia.from_pretrained(adapter).processor.final_stop
    assert local_folder(str(adapter), "generation_config.json") == adapter


def test_an_adapter_can_be_quantized_and_loaded_without_its_codec(adapter):
    dia = Dia.from_pretrained(adapter, quantization="int8", load_dac=False)
    assert dia.model.is_quantized
    assert dia.processor.audio_tokenizer is None


def test_the_commands_take_an_adapter(adapter, tmp_path, capsys):
    assert main(["say", SCRIPT, "--model", str(adapter), "-o", str(tmp_path / "a.wav"), "--seed", "1"]) == 0
    assert (tmp_path / "a.wav").exists()
    assert main(["read", SCRIPT, "--model", str(adapter)]) == 0


def test_the_embedded_model_is_found_wherever_it_is_installed(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    for base in ("mini", str(MINI), "/elsewhere/site-packages/dia/mini"):
        name_base(tmp_path, base, peft_type="LORA")
        assert find_adapter(tmp_path).base in ("mini", str(MINI))
        assert check_checkpoint(tmp_path)
        assert local_folder(str(tmp_path), "generation_config.json") == MINI


def test_an_adapter_whose_base_is_missing_is_refused_before_anything_is_loaded(adapter, capsys):
    shutil.rmtree(adapter.parent / "base")
    message = r"adapter_config\.json names the base model .*base: there is no folder .*Change base_model_name_or_path"
    with pytest.raises(OSError, match=message):
        Dia.from_pretrained(adapter)
    assert main(["say", SCRIPT, "--model", str(adapter), "-o", str(adapter.parent / "a.wav")]) == 2
    assert "Change base_model_name_or_path" in capsys.readouterr().err


def test_a_base_of_another_size_is_refused_before_it_is_loaded(adapter, monkeypatch):
    name_base(adapter, "mini")
    monkeypatch.setattr(DiaForConditionalGeneration, "from_pretrained", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(ValueError, match=r"adapter_model\.safetensors does not fit .* mini: .* instead of"):
        Dia.from_pretrained(adapter)


def test_a_base_with_fewer_layers_is_refused(adapter):
    config = adapter.parent / "base" / "config.json"
    settings = json.loads(config.read_text())
    settings["decoder_config"]["num_hidden_layers"] -= 1
    config.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=r"which config\.json of the base does not have"):
        Dia.from_pretrained(adapter)


def test_a_quantized_base_is_refused(adapter):
    from dia.quantization import quantize

    base = adapter.parent / "base"
    quantize(DiaForConditionalGeneration.from_pretrained(base), "int8").save_pretrained(base)
    with pytest.raises(ValueError, match="is quantized, and an adapter needs exact weights"):
        Dia.from_pretrained(adapter)


def test_an_adapter_of_an_adapter_is_refused(adapter):
    shutil.copytree(adapter, adapter.parent / "second")
    name_base(adapter.parent / "second", str(adapter))
    with pytest.raises(ValueError, match="which is an adapter itself"):
        Dia.from_pretrained(adapter.parent / "second")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_model_name_or_path": None}, "does not name the model that the adapter was trained on"),
        ({"base_model_name_or_path": 3}, "does not name the model that the adapter was trained on"),
        ({"peft_type": "IA3"}, "describes an adapter of type 'IA3'; only LORA is supported"),
    ],
)
def test_invalid_settings_are_refused_by_name(adapter, settings, message):
    name_base(adapter, **{"base": "x", **settings} if "peft_type" in settings else {"base": settings.popitem()[1]})
    with pytest.raises(ValueError, match=rf"adapter_config\.json {message}"):
        Dia.from_pretrained(adapter)


def test_missing_and_damaged_weights_are_refused(adapter):
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"adapter_model\.safetensors"):
        Dia.from_pretrained(adapter)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"adapter_model\.safetensors is missing"):
        Dia.from_pretrained(adapter)


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (lambda weights: weights.pop(next(name for name in weights if "lora_B" in name)), "lora_B.weight is missing"),
        (lambda weights: weights.pop(next(name for name in weights if "lora_A" in name)), "lora_A.weight is missing"),
        (dict.clear, "it has no tensors"),
        (lambda weights: next(iter(weights.values())).fill_(torch.nan), "contains NaN or infinite weights in"),
    ],
)
def test_incomplete_and_not_finite_weights_are_refused_before_the_base_is_loaded(adapter, monkeypatch, alter, message):
    weights = load_file(adapter / "adapter_model.safetensors")
    alter(weights)
    save_file(weights, adapter / "adapter_model.safetensors")
    monkeypatch.setattr(DiaForConditionalGeneration, "from_pretrained", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(ValueError, match=rf"adapter_model\.safetensors .*{message}.*download it again"):
        Dia.from_pretrained(adapter)


def test_without_peft_the_error_names_the_extra(adapter, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"a LoRA adapter needs peft. Run: pip install 'dia-tts\[train\]'"):
        Dia.from_pretrained(adapter)
