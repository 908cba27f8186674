"""A model and its processor out of a name, a folder or single files. Knows checkpoints; knows nothing of speaking."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import DacModel, GenerationConfig
from transformers.utils import FEATURE_EXTRACTOR_NAME, GENERATION_CONFIG_NAME, cached_file

from dia import MINI
from dia.checkpoints import native
from dia.checkpoints.native_layout import layout_of
from dia.checkpoints.placement import choose_device, place, place_codec, settled_dtype
from dia.checkpoints.processor_files import PROCESSOR_FILE
from dia.checkpoints.quantized import load_quantized
from dia.checkpoints.source import EMBEDDED, REAL_CODEC, check_checkpoint
from dia.configuration_dia import DiaConfig
from dia.decoding.sampling import published_generation_config
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.quantization.config import quantize
from dia.tokenization_dia import PRONUNCIATIONS

_HUB_OPTIONS = ("revision", "token", "cache_dir", "local_files_only")
_Loaded = tuple[DiaForConditionalGeneration, DiaProcessor]


def by_name(
    name_or_path: str | Path,
    device: str | torch.device | None,
    compute_dtype: str | torch.dtype | None,
    load_dac: bool,
    quantization: str | None,
    kwargs: dict[str, Any],
) -> _Loaded:
    """What `Dia.from_pretrained` loads; arguments and errors are its."""
    source = str(MINI if str(name_or_path) == EMBEDDED else name_or_path)
    hub: dict[str, Any] = {name: kwargs[name] for name in _HUB_OPTIONS if name in kwargs}
    check_checkpoint(source, load_dac, **hub)
    device = choose_device(device)
    compute_dtype = compute_dtype or kwargs.pop("dtype", None) or kwargs.pop("torch_dtype", None)
    kwargs["dtype"] = _dtype_of_weights(source, device, compute_dtype, hub)
    model = load_quantized(source, quantization, hub, kwargs)
    if model is None:
        model = DiaForConditionalGeneration.from_pretrained(source, **kwargs)
    processor = _load_processor(source, model, load_dac, hub)
    return place(model, device, compute_dtype), place_codec(processor, device, compute_dtype)


def from_files(
    config_path: str | Path,
    checkpoint_path: str | Path,
    device: str | torch.device | None,
    compute_dtype: str | torch.dtype | None,
    load_dac: bool,
    codec_path: str | Path,
    quantization: str | None,
) -> _Loaded:
    """What `Dia.from_local` loads; arguments and errors are its."""
    device = choose_device(device)
    config, tensors = native.read_config(config_path), native.read_tensors([checkpoint_path])
    if layout_of(tensors) == "native":
        tensors = native.convert_state_dict(tensors, config)
    model = DiaForConditionalGeneration.from_pretrained(None, config=config, state_dict=tensors)
    beside = Path(config_path).with_name(GENERATION_CONFIG_NAME)
    model.generation_config = (
        GenerationConfig.from_pretrained(beside.parent) if beside.is_file() else published_generation_config(config)
    )
    audio_tokenizer = DacModel.from_pretrained(codec_path) if load_dac else None
    phones = Path(config_path).with_name(PRONUNCIATIONS)
    processor = DiaProcessor.for_config(config, audio_tokenizer, phones if phones.is_file() else None)
    model = place(model, device, compute_dtype)
    if quantization is not None:
        quantize(model, quantization)
    return model, place_codec(processor, device, compute_dtype)


def _dtype_of_weights(
    source: str, device: torch.device, wanted: str | torch.dtype | None, hub: Mapping[str, Any]
) -> str | torch.dtype:
    """What weights are read in, so that memory holds them in nothing wider; "auto" for a native checkpoint."""
    described, _ = DiaConfig.get_config_dict(source, **hub)
    if wanted is None and "decoder_config" not in described:
        return "auto"
    with torch.device("meta"):
        parameters = 0 if wanted else DiaForConditionalGeneration(DiaConfig.from_dict(described)).num_parameters()
    return settled_dtype(wanted, device, parameters)


def _load_processor(
    source: str, model: DiaForConditionalGeneration, load_dac: bool, hub: Mapping[str, Any]
) -> DiaProcessor:
    """The checkpoint's processor, or for a native checkpoint, which has none, the published one."""
    files = (PROCESSOR_FILE, FEATURE_EXTRACTOR_NAME)
    if any(cached_file(source, file, _raise_exceptions_for_missing_entries=False, **hub) for file in files):
        processor = DiaProcessor.from_pretrained(source, load_audio_tokenizer=load_dac, **hub)
        processor.check_codec()
        return processor
    return DiaProcessor.for_config(model.config, DacModel.from_pretrained(REAL_CODEC) if load_dac else None)


__all__ = ["by_name", "from_files"]
