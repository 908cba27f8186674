"""Load a codec from a folder or the Hub, and check its sizes, the names and shapes of its weights, and their values.

Independent of processors.
"""

import os
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from transformers import DacConfig, DacModel
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, WEIGHTS_INDEX_NAME, WEIGHTS_NAME

from dia.runtime import limits
from dia.runtime.files.reading import REMEDY, errors_name
from dia.runtime.files.repository import Repository
from dia.runtime.files.tensor_files import first_few, mismatches, not_finite, read_header
from dia.runtime.ranges import Range

_CONFIG_NAME = "config.json"
_OTHER_WEIGHTS = (SAFE_WEIGHTS_INDEX_NAME, WEIGHTS_NAME, WEIGHTS_INDEX_NAME)
_PARTS = ("encoder.", "decoder.", "quantizer.")
_SIZES: Mapping[str, Range] = {
    "encoder_hidden_size": limits.WIDTH,
    "decoder_hidden_size": limits.WIDTH,
    "n_codebooks": limits.CHANNELS,
    "codebook_size": limits.CODEBOOK,
    "codebook_dim": limits.WIDTH,
    "quantizer_dropout": limits.SHARE,
    "sampling_rate": limits.SAMPLING_RATE,
}


def load_codec(name: str | os.PathLike[str], **options: Any) -> DacModel:
    """Load a codec.

    Args:
        name: its folder, or a Hub id.
        **options: for transformers' `from_pretrained`: `subfolder`, `revision`, `token`, `device_map`, `dtype`, …

    Raises:
        OSError: a file is missing, or is not a regular file.
        ValueError: a file is damaged, of another model, or inconsistent with another file; the message names it.
    """
    repository = Repository.of(name, options)
    if (config := _read_config(repository)) is not None:
        _check_weights(repository, _expected(config))
    with errors_name(repository.path(SAFE_WEIGHTS_NAME)):
        model, found = DacModel.from_pretrained(name, output_loading_info=True, **options)
    if found["missing_keys"]:
        raise ValueError(_describe(repository, f"lacks {first_few(sorted(found['missing_keys']))}"))
    if names := not_finite(model.named_parameters()):
        raise ValueError(_describe(repository, f"contains NaN or infinite weights in {first_few(names)}"))
    return model


def check_sizes(config: DacConfig) -> None:
    """Check that the sizes of a codec are within the limits and consistent.

    Raises:
        ValueError: a size is invalid; the message names it.
    """
    for name, allowed in _SIZES.items():
        allowed.check(name, getattr(config, name), ValueError)
    down, up = config.downsampling_ratios, config.upsampling_ratios
    limits.RATIOS.check("the number of downsampling_ratios", len(down), ValueError)
    for ratio in down:
        limits.RATIO.check("downsampling_ratios", ratio, ValueError)
    if list(up) != list(down)[::-1]:
        raise ValueError(f"upsampling_ratios {up} are not the reverse of downsampling_ratios {down}")
    last = config.encoder_hidden_size * 2 ** len(down)
    if config.hidden_size != last:
        raise ValueError(
            f"hidden_size is {config.hidden_size}; it must be {last}, encoder_hidden_size doubled per ratio"
        )
    if config.decoder_hidden_size % 2 ** len(down):
        raise ValueError(
            f"decoder_hidden_size={config.decoder_hidden_size} must be divisible by 2 for each of {len(down)} ratios"
        )


def _read_config(repository: Repository) -> DacConfig | None:
    """Read and check the config; None if the Hub does not provide it, which transformers reports with the reason."""
    data = repository.json(_CONFIG_NAME)
    path = repository.path(_CONFIG_NAME)
    if data is None:
        if not repository.is_folder:
            return None
        raise FileNotFoundError(f"{path} is missing; {REMEDY}.")
    if (kind := data.get("model_type", DacConfig.model_type)) != DacConfig.model_type:
        raise ValueError(f"{path} has model_type {kind!r}, but Dia needs a DacModel with the model_type 'dac'.")
    with errors_name(path):
        for name in data:
            if callable(getattr(DacConfig, name, None)):
                raise ValueError(f"{name!r} is not a setting")
        config = DacConfig.from_dict(deepcopy(data))
        check_sizes(config)
    return config


def _expected(config: DacConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        model = DacModel(config)
    return {name: tuple(weight.shape) for name, weight in model.state_dict().items()}


def _check_weights(repository: Repository, expected: dict[str, tuple[int, ...]]) -> None:
    if (file := repository.find(SAFE_WEIGHTS_NAME)) is None:
        if repository.is_folder and not any(map(repository.find, _OTHER_WEIGHTS)):
            raise FileNotFoundError(f"{repository.path(SAFE_WEIGHTS_NAME)} is missing; {REMEDY}.")
        return  # transformers reads other formats; missing weights are checked afterwards
    stored = read_header(file)
    if wrong := list(mismatches(stored, expected.items())):
        raise ValueError(_describe(repository, f"does not match its {_CONFIG_NAME}: {first_few(wrong)}"))
    if more := [one for one in stored if one not in expected and one.startswith(_PARTS)]:
        raise ValueError(_describe(repository, f"contains {first_few(more)}, not expected by its {_CONFIG_NAME}"))


def _describe(repository: Repository, fact: str) -> str:
    return f"{repository.path(SAFE_WEIGHTS_NAME)} {fact}. It is damaged or belongs to another codec; {REMEDY}."


__all__ = ["check_sizes", "load_codec"]
