"""A checkpoint into quantised weights, tensor by tensor. Knows where tensors are stored and how models are loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import GenerationConfig

from dia.checkpoints.model_files import check_loaded, check_model, weight_files
from dia.checkpoints.native_layout import layout_of
from dia.configuration_dia import QUANT_METHOD, DiaConfig
from dia.decoding.sampling import published_generation_config
from dia.modeling_dia import DiaForConditionalGeneration
from dia.quantization.config import DiaQuantizationConfig
from dia.runtime.free_memory import check_free_memory
from dia.runtime.repository import Repository
from dia.runtime.tensor_files import read_header

_ITEMSIZES = {"F64": 8, "F32": 4}  # of what is stored, where it is not 2
_ROUNDED = {"int8": 1.05, "int4": 0.65}  # bytes to a weight, with what stays exact, or int8, spread over all


def load_quantized(
    source: str, config: DiaConfig, weights: str | None, hub: Mapping[str, Any], kwargs: Mapping[str, Any]
) -> DiaForConditionalGeneration | None:
    """A model whose weights are rounded as they are read, or were before they were saved.

    Args:
        source: a folder or a Hub id.
        config: its config.json.
        weights: "int8" or "int4"; None leaves it to the checkpoint.
        hub: `revision`, `token`, `cache_dir`, `local_files_only`, …
        kwargs: for transformers' `from_pretrained`, the former among them.

    Returns:
        The model; None if neither `weights` nor the checkpoint asks for our formats.

    Raises:
        ValueError: there is no such format, or checkpoint or `kwargs` ask for another.
        MemoryError: the weights, be they quantised or not, do not fit into memory.
    """
    said = getattr(config, "quantization_config", None)
    tensors = {} if {"device_map", "subfolder", "variant"} & set(kwargs) else stored_tensors(source, **hub)
    if "quantization_config" not in kwargs:
        _check_room(tensors, weights, said is not None, kwargs.get("dtype"))
    if weights is None and (said is None or said.get("quant_method") != QUANT_METHOD):
        return None
    if weights is not None:
        if "quantization_config" in kwargs:
            raise ValueError("quantization and quantization_config are both given; leave one out.")
        wanted = DiaQuantizationConfig(weights)
        if said is not None and said.get("weights") != weights:
            made = said.get("weights", said.get("quant_method"))
            raise ValueError(f"quantization={weights!r}, but {source} is {made} already; leave quantization out.")
        if said is None:
            kwargs = {**kwargs, "quantization_config": wanted}
    if layout_of(tensors) != "huggingface":  # native checkpoints are converted first, and whole
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
    try:
        model.generation_config = GenerationConfig.from_pretrained(source, **hub)
    except OSError:
        model.generation_config = published_generation_config(config)
    return model


def _check_room(tensors: Mapping[str, "StoredTensor"], weights: str | None, settled: bool, dtype: Any) -> None:
    """Refuse what memory cannot hold; `settled` are weights that are rounded already."""
    stored = sum(file.stat().st_size for file in {tensor.file for tensor in tensors.values()})
    if not tensors or settled:
        return check_free_memory(stored, {})
    itemsize = _ITEMSIZES.get(next(iter(tensors.values())).get_dtype(), 2)
    count = stored / itemsize
    exact = count * (dtype.itemsize if isinstance(dtype, torch.dtype) else itemsize)
    formats = {name: count * size for name, size in _ROUNDED.items()}
    needed = formats.get(str(weights), exact)
    return check_free_memory(
        needed, {f'quantization="{name}"': size for name, size in formats.items() if size < needed}
    )


class StoredTensor:
    """A tensor in a safetensors file, read when it is sliced.

    transformers keeps the file mapped until all is loaded, and whatever was read counts as memory until then. Here the
    mapping ends with the tensor.
    """

    def __init__(self, file: Path, name: str) -> None:
        self.file, self._name = file, name

    def __getitem__(self, index: Any) -> Tensor:
        with safe_open(self.file, framework="pt") as opened:
            tensor: Tensor = opened.get_tensor(self._name)
        return tensor[index]

    def get_dtype(self) -> str:
        """As the file writes it, such as "BF16"."""
        with safe_open(self.file, framework="pt") as opened:
            return str(opened.get_slice(self._name).get_dtype())


def stored_tensors(name_or_path: str | Path, **hub: Any) -> dict[str, StoredTensor]:
    """The tensors of a checkpoint in safetensors files, unread; nothing if it is stored otherwise.

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
