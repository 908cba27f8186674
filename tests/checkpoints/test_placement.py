"""Default and requested devices and dtypes."""

import pytest
import torch
from tiny import tiny_model
from tiny_codec import tiny_codec, tiny_processor

from dia import Dia
from dia.checkpoints import placement
from dia.checkpoints.placement import Dtypes, choose_device, choose_dtype, place, place_codec, resolve_dtypes
from dia.decoding.step.runner import ALL_LAYERS
from dia.kernels.half import multiplies_half
from dia.kernels.network import load
from dia.quantization.half import HalfLinear

CPU = torch.device("cpu")
FLOAT, HALF = torch.float32, torch.bfloat16


@pytest.fixture
def emulated(monkeypatch):
    """A CPU without products in bfloat16, with our kernel for them, for which the tiny model is large."""
    monkeypatch.setattr(placement, "_cpu_has_bf16", lambda: False)
    monkeypatch.setattr(placement, "multiplies_half", lambda: True)
    monkeypatch.setattr(placement, "_LARGE", 1000)


def test_the_default_is_the_first_available_device():
    assert choose_device().type in ("cuda", "mps", "cpu")
    assert choose_device("cpu") == choose_device(CPU) == CPU


@pytest.mark.parametrize("name", ["quantum", "cuda:99999999999", "mps", ""])
def test_an_unavailable_device_is_refused_by_name(name, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.mps, "is_available", lambda: False, raising=False)
    with pytest.raises(ValueError, match="device="):
        choose_device(name)


def test_a_device_index_out_of_range_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match=r"device='cuda:2' is not available; .*\(cuda:0 to cuda:1\)"):
        choose_device("cuda:2")


@pytest.mark.parametrize("native", [False, True])
def test_half_precision_is_for_large_models_only(monkeypatch, native):
    monkeypatch.setattr(placement, "_cpu_has_bf16", lambda: native)
    assert choose_dtype(CPU, 10_000) == FLOAT
    assert choose_dtype(CPU, 10**9) == (HALF if native else FLOAT)


def test_the_embedded_model_is_in_float32_on_every_cpu_so_that_its_own_kernel_computes_it(monkeypatch):
    monkeypatch.setattr(placement, "_cpu_has_bf16", lambda: True)
    model = Dia.from_pretrained("mini", device="cpu").model
    assert model.dtype == FLOAT
    step = model.warm_up(1).step
    kernel = ALL_LAYERS if load() is not None else "chosen by PyTorch"
    assert (step.attention, step.text_attention) == (kernel, kernel)


def test_large_models_keep_their_matrices_in_half_precision_where_it_is_emulated(emulated, monkeypatch):
    assert resolve_dtypes(None, CPU, 1000) == Dtypes(FLOAT, HALF)
    assert resolve_dtypes("auto", CPU, 1000) == Dtypes(FLOAT, HALF)
    assert resolve_dtypes(None, CPU, 999) == Dtypes(FLOAT, FLOAT)
    assert resolve_dtypes("float32", CPU, 1000) == Dtypes(FLOAT, FLOAT)
    assert resolve_dtypes("bfloat16", CPU, 1000) == Dtypes(HALF, HALF)
    monkeypatch.setattr(placement, "multiplies_half", lambda: False)
    assert resolve_dtypes(None, CPU, 1000) == Dtypes(FLOAT, FLOAT)


@pytest.mark.skipif(not multiplies_half(), reason="the kernel is for CPUs with AVX2")
def test_the_large_model_keeps_its_matrices_in_half_precision_here():
    assert resolve_dtypes(None, CPU, 10**9) == Dtypes(FLOAT, HALF)


def matrices(model):
    return {type(module) for name, module in model.named_modules() if name.endswith(("_proj", "logits_dense"))}


def test_a_placed_model_computes_in_float32_with_matrices_in_half_precision(emulated):
    model = place(tiny_model().to(HALF), CPU, None)
    assert matrices(model) == {HalfLinear}
    assert {weight.dtype for name, weight in model.named_parameters() if name.endswith("_proj.weight")} == {HALF}
    assert {weight.dtype for name, weight in model.named_parameters() if "norm" in name} == {FLOAT}
    assert model.dtype == FLOAT


@pytest.mark.parametrize(("options", "kinds"), [({}, {HalfLinear}), ({"compute_dtype": "float32"}, {torch.nn.Linear})])
def test_a_checkpoint_is_loaded_and_saved_with_its_matrices_in_half_precision(emulated, tmp_path, options, kinds):
    folder, again = tmp_path / "tiny", tmp_path / "again"
    tiny_model().to(HALF).save_pretrained(folder)
    tiny_processor().save_pretrained(folder)
    model = Dia.from_pretrained(folder, "cpu", load_dac=False, **options).model
    assert matrices(model) == kinds
    model.save_pretrained(again)
    tiny_processor().save_pretrained(again)
    saved = Dia.from_pretrained(again, "cpu", load_dac=False, **options).model.state_dict()
    assert all(torch.equal(weight, saved[name]) for name, weight in model.state_dict().items())


def test_quantized_weights_are_not_rounded_before(emulated, tmp_path):
    tiny_model().save_pretrained(tmp_path)
    tiny_processor().save_pretrained(tmp_path)
    load = {"device": "cpu", "load_dac": False, "quantization": "int8"}
    by_default = Dia.from_pretrained(tmp_path, **load).model.state_dict()
    exact = Dia.from_pretrained(tmp_path, compute_dtype="float32", **load).model.state_dict()
    assert all(torch.equal(weight, exact[name]) for name, weight in by_default.items())


def test_a_model_is_placed_ready_to_speak():
    model = place(tiny_model().train(), CPU, "bfloat16")
    assert model.dtype == torch.bfloat16
    assert not model.training


def test_a_codec_keeps_float32_weights_and_decodes_in_bfloat16_on_request():
    processor = place_codec(tiny_processor(tiny_codec()), CPU, "bfloat16")
    assert processor.audio_tokenizer.dtype == torch.float32
    assert processor.codec_dtype == torch.bfloat16
    assert place_codec(tiny_processor(), CPU, None).codec_dtype is None


@pytest.mark.parametrize("dtype", ["int3", "int8", torch.float64, 16])
def test_an_unsupported_dtype_is_refused_by_name(dtype):
    with pytest.raises(ValueError, match="compute_dtype="):
        place(tiny_model(), CPU, dtype)
