"""Loads a checkpoint as quantized weights, tensor by tensor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import GenerationConfig

from dia.checkpoints.model_files import check_loaded, check_model, weight_files
from dia.checkpoints.native.layout import layout_of
from dia.configuration_dia import QUANT_METHOD, DiaConfig
from dia.decoding.sampling import published_generation_config
from dia.modeling_dia import DiaForConditionalGeneration
from dia.quantization.config import DiaQuantizationConfig
from dia.runtime.files.repository import Repository
from dia.runtime.files.tensor_files import read_header
from dia.runtime.resources.free_memory import check_free_memory

_ITEMSIZES = {"F64": 8, "F32": 4}  # stored bytes per weight; 2 for all other dtypes
_BYTES_PER_WEIGHT = {"int8": 1.05, "int4": 0.65}  # averaged over all weights, including those that stay exact or int8


def load_quantized(
    source: str, config: DiaConfig, weights: str | None, hub: Mapping[str, Any], kwargs: Mapping[str, Any]
) -> DiaForConditionalGeneration | None:
    """Load a model and quantize its weights as they are read, or load quantized weights.

    Args:
        source: a folder or a Hub id.
        config: its config.
        weights: "int8" or "int4"; None uses the format of the checkpoint.
        hub: `revision`, `token`, `cache_dir`, `local_files_only`, …
        kwargs: for transformers' `from_pretrained`, including the Hub options.

    Returns:
        The model, or None if neither `weights` nor the checkpoint selects a format of this package.

    Raises:
        ValueError: the format is unknown, or the checkpoint or `kwargs` select another.
        MemoryError: the weights, quantized or not, do not fit in memory.
    """
    stored = getattr(config, "quantization_config", None)
    tensors = {} if {"device_map", "subfolder", "variant"} & set(kwargs) else stored_tensors(source, **hub)
    if "quantization_config" not in kwargs:
        _check_memory(tensors, weights, stored is not None, kwargs.get("dtype"))
    if weights is None and (stored is None or stored.get("quant_method") != QUANT_METHOD):
        return None
    if weights is not None:
        if "quantization_config" in kwargs:
            raise ValueError("quantization and quantization_config are both given; pass one of them.")
        wanted = DiaQuantizationConfig(weights)
        if stored is not None and stored.get("weights") != weights:
            format = stored.get("weights", stored.get("quant_method"))
            raise ValueError(f"quantization={weights!r}, but {source} is already {format}; omit quantization.")
        if stored is None:
            kwargs = {**kwargs, "quantization_config": wanted}
    if layout_of(tensors) != "huggingface":  # native checkpoints are converted first, as a whole
        return DiaForConditionalGeneration.from_pretrained(source, **kwargs)
    return _from_stored(source, tensors, hub, {name: value for name, value in kwargs.items() if name not in hub})


def _from_stored(
    source: str, tensors: dict[str, "StoredTensor"], hub: Mapping[str, Any], kwargs: dict[str, Any]
) -> DiaForConditionalGeneration:
    config = check_model(Repository.of(source, hub))
    kwargs["dtype"] = kwargs.get("dtype") or config.dtype or torch.float32
    model, info = DiaForConditionalGeneration.from_pretrained(
        None, config=config, state_dict=tensors, output_loading_info=True, **kwargs
    )
    check_loaded(source, model, info["missing_keys"])
    model.name_or_path = source
    try:
        model.generation_config = GenerationConfig.from_pretrained(source, **hub)
    except OSError:
        model.generation_config = published_generation_config(config)
    return model


def _check_memory(tensors: Mapping[str, "StoredTensor"], weights: str | None, quantized: bool, dtype: Any) -> None:
    """Raise an error if the weights do not fit in memory. `quantized` is whether the stored weights are quantized."""
    stored = sum(file.stat().st_size for file in {tensor.file for tensor in tensors.values()})
    if not tensors or quantized:
        return check_free_memory(stored, {})
    itemsize = _ITEMSIZES.get(next(iter(tensors.values())).get_dtype(), 2)
    count = stored / itemsize
    exact = count * (dtype.itemsize if isinstance(dtype, torch.dtype) else itemsize)
    formats = {name: count * size for name, size in _BYTES_PER_WEIGHT.items()}
    needed = formats.get(str(weights), exact)
    return check_free_memory(
        needed, {f'quantization="{name}"': size for name, size in formats.items() if size < needed}
    )


class StoredTensor:
    """A tensor in a safetensors file, read when it is sliced.

    transformers keeps the file mapped until all tensors are loaded, and pages that were read count as memory until
    then. Here the file is mapped only while one tensor is read.
    """

    def __init__(self, file: Path, name: str) -> None:
        self.file, self._name = file, name

    def __getitem__(self, index: Any) -> Tensor:
        with safe_open(self.file, framework="pt") as opened:
            tensor: Tensor = opened.get_tensor(self._name)
        return tensor[index]

    def get_dtype(self) -> str:
        """The dtype's name in the file, such as "BF16"."""
        with safe_open(self.file, framework="pt") as opened:
            return str(opened.get_slice(self._name).get_dtype())


def stored_tensors(name_or_path: str | Path, **hub: Any) -> dict[str, StoredTensor]:
    """The tensors of a checkpoint in safetensors files, without reading them. Empty for other file formats.

    Args:
        name_or_path: a folder or a Hub id.
        **hub: `revision`, `token`, `cache_dir`, `local_files_only`, …

    Raises:
        OSError, ValueError: a file is missing or damaged; the message names it.
    """
    files = weight_files(Repository.of(name_or_path, hub))
    return {
        name: StoredTensor(file, name) for file in files if file.suffix == ".safetensors" for name in read_header(file)
    }


__all__ = ["StoredTensor", "load_quantized", "stored_tensors"]
