"""Loads a model and its processor from a folder, a Hub id or single files. Independent of generation."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.utils import FEATURE_EXTRACTOR_NAME, GENERATION_CONFIG_NAME

from dia import MINI
from dia.checkpoints.adapters import check_adapter, with_adapter
from dia.checkpoints.model_files import check_loaded, check_weights, read_config
from dia.checkpoints.native import checkpoint as native
from dia.checkpoints.native.layout import count_parameters, layout_of
from dia.checkpoints.placement import check_dtype, choose_device, place, place_codec, resolve_dtypes
from dia.checkpoints.processor_checks import TOKENIZER_CONFIG, check_processor
from dia.checkpoints.processor_files import PROCESSOR_FILE
from dia.checkpoints.quantized import load_quantized
from dia.checkpoints.source import EMBEDDED, REAL_CODEC, Adapter, check_checkpoint, find_adapter, without_place
from dia.codec.checkpoint import load_codec
from dia.codec.speaker_encoder import SPEAKER_ENCODER, SpeakerEncoder
from dia.decoding.call.setting_ranges import check_file_settings
from dia.decoding.sampling import published_generation_config
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.quantization.config import quantize
from dia.runtime.files.reading import REMEDY, errors_name
from dia.runtime.files.repository import Repository
from dia.runtime.files.tensor_files import describe_tensors
from dia.runtime.ranges import shown
from dia.runtime.warnings import DiaWarning
from dia.tokenization_dia import PRONUNCIATIONS

_Loaded = tuple[DiaForConditionalGeneration, DiaProcessor]


def by_name(
    name_or_path: str | Path,
    device: str | torch.device | None,
    compute_dtype: str | torch.dtype | None,
    load_dac: bool,
    quantization: str | None,
    kwargs: dict[str, Any],
) -> _Loaded:
    """Load the model and processor for `Dia.from_pretrained`, which documents arguments and errors."""
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(f'name_or_path is {shown(name_or_path)}; expected a folder, a Hub id or "mini".')
    source = str(MINI if str(name_or_path) == EMBEDDED else name_or_path)
    hub = dict(Repository.of(source, kwargs).options)
    check_checkpoint(source, load_dac, **hub)
    if (adapter := find_adapter(source, **hub)) is not None:
        source = str(MINI if adapter.base == EMBEDDED else adapter.base)
        hub, kwargs = without_place(hub), without_place(kwargs)
    device = choose_device(device)
    compute_dtype = _requested_dtype(compute_dtype, kwargs)
    repository = Repository.of(source, kwargs)
    config = read_config(repository)
    dtypes = resolve_dtypes(compute_dtype, device, count_parameters(config))
    is_quantized = quantization is not None or getattr(config, "quantization_config", None) is not None
    exact = is_quantized or bool({"quantization_config", "device_map"} & set(kwargs))
    kwargs["dtype"] = dtypes.compute if exact else dtypes.matrices
    check_processor(repository, config)
    if adapter is not None:
        check_adapter(adapter, config)
    model = load_quantized(source, config, quantization if adapter is None else None, hub, kwargs)
    if model is None:
        model = DiaForConditionalGeneration.from_pretrained(source, **kwargs)
    if adapter is not None:
        model = with_adapter(model, adapter)
        processor = _load_own_parts(adapter, repository, model, load_dac, hub)
    else:
        processor = _load_processor(repository, model, load_dac, hub)
    model = place(model, device, compute_dtype, exact=quantization is not None)
    if adapter is not None and quantization is not None:
        quantize(model, quantization)
    return model, place_codec(processor, device, compute_dtype)


def _requested_dtype(compute_dtype: str | torch.dtype | None, kwargs: dict[str, Any]) -> torch.dtype | None:
    """The dtype of `compute_dtype`, or of the names that transformers has for it, which are removed from `kwargs`."""
    given = {"compute_dtype": compute_dtype, **{name: kwargs.pop(name, None) for name in ("dtype", "torch_dtype")}}
    dtypes = [check_dtype(name, value) for name, value in given.items()]
    return next(filter(None, dtypes), None)


def from_files(
    config_path: str | Path,
    checkpoint_path: str | Path,
    device: str | torch.device | None,
    compute_dtype: str | torch.dtype | None,
    load_dac: bool,
    codec_path: str | Path,
    quantization: str | None,
) -> _Loaded:
    """Load the model and processor for `Dia.from_local`, which documents arguments and errors."""
    device = choose_device(device)
    config, tensors = native.read_config(config_path), native.read_tensors([checkpoint_path])
    settings = Path(config_path).with_name(GENERATION_CONFIG_NAME)
    if settings.is_file():
        check_file_settings(settings)
    if layout_of(tensors) == "native":
        with errors_name(checkpoint_path):
            tensors = native.convert_state_dict(tensors, config)
    else:
        check_weights(describe_tensors(tensors), str(checkpoint_path), config, str(config_path))
    model = DiaForConditionalGeneration.from_pretrained(None, config=config, state_dict=tensors)
    check_loaded(str(checkpoint_path), model)
    if Path(config_path).parent == Path(checkpoint_path).parent:
        model.name_or_path = str(Path(config_path).parent)
    model.generation_config = (
        GenerationConfig.from_pretrained(settings.parent)
        if settings.is_file()
        else published_generation_config(config)
    )
    audio_tokenizer = load_codec(codec_path) if load_dac else None
    phones, voices = (Path(config_path).with_name(name) for name in (PRONUNCIATIONS, SPEAKER_ENCODER))
    processor = DiaProcessor.for_config(
        config,
        audio_tokenizer,
        phones if phones.is_file() else None,
        SpeakerEncoder.load(voices) if voices.is_file() else None,
    )
    model = place(model, device, compute_dtype, exact=quantization is not None)
    if quantization is not None:
        quantize(model, quantization)
    return model, place_codec(processor, device, compute_dtype)


def _load_own_parts(
    adapter: Adapter, base: Repository, model: DiaForConditionalGeneration, load_dac: bool, hub: Mapping[str, Any]
) -> DiaProcessor:
    """The processor and the generation settings in an adapter's folder, or of its base where the folder has none."""
    own = Repository(str(adapter.folder))
    settings = own.find(GENERATION_CONFIG_NAME)
    complete = settings is not None and own.find(PROCESSOR_FILE) is not None
    processor = _load_processor(own if complete else base, model, load_dac, {} if complete else hub)
    if settings is not None:
        check_file_settings(settings)
        model.generation_config = GenerationConfig.from_pretrained(adapter.folder)
    return processor


def _load_processor(
    repository: Repository, model: DiaForConditionalGeneration, load_dac: bool, hub: Mapping[str, Any]
) -> DiaProcessor:
    """The checkpoint's processor. Native checkpoints have none and use the published one."""
    source, files = repository.name, (PROCESSOR_FILE, FEATURE_EXTRACTOR_NAME)
    if not any(repository.find(file) for file in files):
        return DiaProcessor.for_config(model.config, load_codec(REAL_CODEC) if load_dac else None)
    if repository.find(GENERATION_CONFIG_NAME) is None:
        model.generation_config = published_generation_config(model.config)
        warnings.warn(
            f"{repository.path(GENERATION_CONFIG_NAME)} is missing, so the sampling settings of Dia-1.6B are used. If "
            f"the model came with one, {REMEDY}.",
            DiaWarning,
            stacklevel=4,
        )
    with errors_name(repository.path(PROCESSOR_FILE), repository.path(FEATURE_EXTRACTOR_NAME)):
        processor = DiaProcessor.from_pretrained(source, load_audio_tokenizer=load_dac, **hub)
        processor.check_codec()
    with errors_name(repository.path(TOKENIZER_CONFIG)):
        processor.tokenizer.check_fits(model.config.encoder_config.vocab_size)
    if load_dac and processor.audio_tokenizer is None:
        raise ValueError(
            f"{repository.path(PROCESSOR_FILE)} is missing or names no codec; {REMEDY}, or pass load_dac=False to get "
            "codes instead of audio."
        )
    return processor


__all__ = ["by_name", "from_files"]
