"""Default and requested devices and dtypes."""

import pytest
import torch
from tiny import tiny_model
from tiny_codec import tiny_codec, tiny_processor

from dia.checkpoints.placement import choose_device, choose_dtype, place, place_codec

CPU = torch.device("cpu")


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


def test_half_precision_is_for_large_models_only():
    assert choose_dtype(CPU, 10_000) == torch.float32
    assert choose_dtype(CPU, 10**9) in (torch.float32, torch.bfloat16)


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
