"""Checks a model's settings, and the names and shapes of its weights, before any weights are read.

Supports both layouts. Independent of the model classes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import nn
from transformers.utils import (
    GENERATION_CONFIG_NAME,
    SAFE_WEIGHTS_INDEX_NAME,
    SAFE_WEIGHTS_NAME,
    WEIGHTS_INDEX_NAME,
    WEIGHTS_NAME,
)

from dia.checkpoints.config_keys import check_keys
from dia.checkpoints.native import checkpoint as native
from dia.checkpoints.native.layout import layout, layout_of
from dia.configuration_dia import QUANT_METHOD, DiaConfig
from dia.decoding.call.setting_ranges import check_file_settings
from dia.quantization.config import DiaQuantizationConfig
from dia.quantization.linear import QuantizedLinear
from dia.runtime.files.reading import REMEDY, errors_name, read_json
from dia.runtime.files.repository import Repository
from dia.runtime.files.tensor_files import (
    FLOATS,
    Stored,
    describe_tensors,
    first_few,
    mismatches,
    not_finite,
    read_header,
)

CONFIG_NAME = "config.json"
ADAPTER_NAME = "adapter_config.json"
_CODES = (*FLOATS, "I8", "U8")
_NUMBERED = re.compile(r"model\.(encoder|decoder)\.layers\.\d+\.")  # excludes `rotary_emb.inv_freq` of older files
_Shapes = Iterator[tuple[str, tuple[int, ...]]]


def check_model(repository: Repository, config: DiaConfig | None = None) -> DiaConfig:
    """Raise an error if a model cannot be loaded completely.

    Args:
        repository: the model, in the Hugging Face or the native layout.
        config: config to use instead of its config.json.

    Returns:
        The config.

    Raises:
        OSError: a file is missing, or is not a regular file.
        ValueError: a file is damaged or does not match another; the message names it and the remedy.
    """
    if config is None:
        config = read_config(repository)
    if (settings := repository.find(GENERATION_CONFIG_NAME)) is not None:
        check_file_settings(settings)
    files = weight_files(repository)
    stored = {name: one for file in files for name, one in _headers(file).items()}
    if files and layout_of(stored) != "native":  # conversion checks native checkpoints
        check_weights(stored, _describe(files), config, repository.path(CONFIG_NAME))
    return config


def check_options(name: Any, options: Mapping[str, Any]) -> None:
    """Run `check_model` for a call of transformers' `from_pretrained`, unless its options select other files.

    Raises:
        OSError, ValueError: as in `check_model`.
    """
    repository, config = Repository.of(name, options), options.get("config")
    if repository.is_folder and (adapter := repository.json(ADAPTER_NAME)) is not None:
        for key in ("peft_type", "base_model_name_or_path"):
            if not isinstance(adapter.get(key), str):
                raise ValueError(f"{repository.path(ADAPTER_NAME)} has no {key}; {REMEDY}.")
    elif options.get("variant") is None and options.get("use_safetensors") is not False:
        check_model(repository, config if isinstance(config, DiaConfig) else None)


def check_loaded(where: str | Path, model: nn.Module, missing: Iterable[str] = ()) -> None:
    """Raise an error for missing weights, which would be random, and for weights that are not finite.

    Args:
        where: the file, folder or Hub id that the weights were read from.
        model: the loaded model, on any device.
        missing: names of missing weights.

    Raises:
        ValueError: there are such weights; the message names them.
    """
    lacking, wrong = sorted(missing), not_finite([*model.named_parameters(), *model.named_buffers()])
    found_in = (
        _describe(weight_files(Repository(str(where)))) if (lacking or wrong) and Path(where).is_dir() else where
    )
    if lacking:
        raise ValueError(f"{found_in} lacks {first_few(lacking)}, which would be random weights; {REMEDY}.")
    if wrong:
        raise ValueError(f"{found_in} contains NaN or infinite weights in {first_few(wrong)}; {REMEDY}.")


def read_config(repository: Repository) -> DiaConfig:
    """Read the config.json of a model in either layout.

    Raises:
        OSError: the file does not exist.
        ValueError: the file is damaged, belongs to another type of model, or has invalid values.
    """
    path = repository.find(CONFIG_NAME)
    if path is None and not repository.is_folder:
        raise OSError(f"{repository.name} is not a local folder, and the Hub has no {CONFIG_NAME} for that id.")
    if path is None:
        raise FileNotFoundError(f"{repository.path(CONFIG_NAME)} is missing; {REMEDY}, or pass the folder it is in.")
    data = read_json(path)
    if isinstance(data.get("model"), dict):
        return native.read_config(path)
    if (kind := data.get("model_type", DiaConfig.model_type)) != DiaConfig.model_type:
        raise ValueError(f"{path} describes a model of type {kind!r}; expected {DiaConfig.model_type!r}.")
    for part in (data, data.get("encoder_config"), data.get("decoder_config")):
        check_keys(path, part)
    with errors_name(path):
        if data.get("quantization_config") is not None:
            _checked_quantization(data["quantization_config"])
        return DiaConfig.from_dict(deepcopy(data))


def weight_files(repository: Repository) -> list[Path]:
    """The weight files of a model, in transformers' order of preference.

    Raises:
        OSError: there are no weights, or a file named by an index is missing.
        ValueError: an index is damaged.
    """
    for whole, index in ((SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME), (WEIGHTS_NAME, WEIGHTS_INDEX_NAME)):
        if (file := repository.find(whole)) is not None:
            return [file]
        if (listed := repository.find(index)) is not None:
            return [_shard(repository, name, listed) for name in native.shard_names(listed)]
    found = native.other_weight_files(Path(repository.path(""))) if repository.is_folder else []
    if not found and repository.is_folder:
        raise FileNotFoundError(
            f"{repository.path(SAFE_WEIGHTS_NAME)} is missing, and there are no other weights; {REMEDY}."
        )
    return found


def _describe(files: Sequence[Path]) -> str:
    return " and ".join(map(str, files)) if len(files) < 3 else f"{files[0]} or one of {len(files) - 1} other shards"


def _shard(repository: Repository, name: str, index: Path) -> Path:
    file = repository.find(name)
    if file is None:
        raise FileNotFoundError(f"{repository.path(name)} is missing, but {index.name} names it; {REMEDY}.")
    return file


def _checked_quantization(data: Any) -> DiaQuantizationConfig | None:
    """The quantization of the stored weights, or None if it is another package's."""
    if not isinstance(data, dict) or not isinstance(data.get("quant_method"), str):
        raise ValueError("quantization_config has no quant_method")
    if data["quant_method"] != QUANT_METHOD:
        return None
    return DiaQuantizationConfig(**data)


def _headers(file: Path) -> dict[str, Stored]:
    return read_header(file) if file.suffix == ".safetensors" else describe_tensors(native.read_tensors([file]))


def check_weights(stored: dict[str, Stored], files: str, config: DiaConfig, config_file: str) -> None:
    """Compare names, shapes and types of stored tensors in the Hugging Face layout with the config.

    Raises:
        ValueError: they differ; the message names both files.
    """
    data = getattr(config, "quantization_config", None)
    settings = data if data is None or isinstance(data, dict) else data.to_dict()
    quantization = None if settings is None else _checked_quantization(settings)
    if settings is not None and quantization is None:
        return  # the other package checks its format
    expected = dict(_expected(config, quantization))
    remedy = f"One of them is damaged or belongs to another model; {REMEDY}."
    if wrong := list(mismatches(stored, expected.items(), FLOATS if quantization is None else _CODES)):
        raise ValueError(f"{files} does not match {config_file}: {first_few(wrong)}. {remedy}")
    if extra := [name for name in stored if name not in expected and _NUMBERED.match(name)]:
        raise ValueError(f"{files} has {first_few(extra)}, unexpected for {config_file}. {remedy}")


def _expected(config: DiaConfig, quantization: DiaQuantizationConfig | None) -> _Shapes:
    for row in layout(config):
        if quantization is None or len(row.result) != 2 or "embed" in row.target:
            yield row.target, row.result
        else:
            yield from _quantized_shapes(row.target, row.result[0], row.result[1], quantization)


def _quantized_shapes(name: str, outputs: int, inputs: int, quantization: DiaQuantizationConfig) -> _Shapes:
    """Names and shapes of the tensors that store a quantized matrix."""
    linear = nn.Linear(inputs, outputs, bias=False, device="meta")
    format_and_group = quantization.format_of(name.removesuffix(".weight"), linear)
    if format_and_group is None:
        yield name, (outputs, inputs)
        return
    codes = QuantizedLinear(format_and_group[0], inputs, outputs, format_and_group[1], device="meta").codes()
    yield from ((name.removesuffix("weight") + part, tuple(tensor.shape)) for part, tensor in codes.items())


__all__ = [
    "ADAPTER_NAME",
    "CONFIG_NAME",
    "check_loaded",
    "check_model",
    "check_options",
    "check_weights",
    "read_config",
    "weight_files",
]
