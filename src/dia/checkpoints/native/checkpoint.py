"""Finds and reads native Nari Labs checkpoints, local and on the Hub. Independent of modeling.

    checkpoint = native.locate("nari-labs/Dia-1.6B")     # None if transformers can read it without conversion
    config, weights = checkpoint.config(), checkpoint.state_dict(dtype=torch.bfloat16)

There are two generations of native config.json. `layout` converts tensor names and shapes.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import safe_open
from torch import Tensor

from dia.checkpoints.config_keys import check_keys
from dia.checkpoints.native.layout import LayoutRow, convert_state_dict, layout_of
from dia.checkpoints.native.pickles import check_tensors, load_pickle
from dia.configuration_dia import DiaConfig
from dia.runtime.files.reading import REMEDY, errors_name, read_json
from dia.runtime.files.tensor_files import first_few, not_finite, read_header
from dia.runtime.limits import SHARDS
from dia.runtime.ranges import shown

# Smallest download first. Dia-1.6B has the first, Dia-1.6B-0626 the second, and others may have the third.
_HUB_FILES = (("model.safetensors",), ("*.pth",), ("*.safetensors", "*.safetensors.index.json"))
_STANDARD_NAME = re.compile(r"model(-\d+-of-\d+)?\.safetensors")

_ENCODER_KEYS = {
    "num_hidden_layers": "model.encoder.n_layer",
    "hidden_size": "model.encoder.n_embd",
    "intermediate_size": "model.encoder.n_hidden",
    "num_attention_heads": "model.encoder.n_head",
    "num_key_value_heads": "model.encoder.n_head",
    "head_dim": "model.encoder.head_dim",
    "max_position_embeddings": "data.text_length",
}
_DECODER_KEYS = {
    "num_hidden_layers": "model.decoder.n_layer",
    "hidden_size": "model.decoder.n_embd",
    "intermediate_size": "model.decoder.n_hidden",
    "num_attention_heads": "model.decoder.gqa_query_heads",
    "num_key_value_heads": "model.decoder.kv_heads",
    "head_dim": "model.decoder.gqa_head_dim",
    "cross_num_attention_heads": "model.decoder.cross_query_heads",
    "cross_num_key_value_heads": "model.decoder.cross_query_heads",
    "cross_head_dim": "model.decoder.cross_head_dim",
    "cross_hidden_size": "model.encoder.n_embd",
    "max_position_embeddings": "data.audio_length",
}
# Defaults of the native package.
_DEFAULTS: dict[str, Any] = {
    "model.src_vocab_size": 128,
    "model.tgt_vocab_size": 1028,
    "model.normalization_layer_epsilon": 1e-5,
    "model.rope_min_timescale": 1,
    "model.rope_max_timescale": 10_000,
    "data.channels": 9,
    "data.text_pad_value": 0,
    "data.audio_eos_value": 1024,
    "data.audio_pad_value": 1025,
    "data.audio_bos_value": 1026,
    "data.delay_pattern": [0, 8, 9, 10, 11, 12, 13, 14, 15],
}
_FIXED = {"model.rope_min_timescale": 1, "data.text_pad_value": 0}
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True)
class NativeCheckpoint:
    """A native checkpoint on disk: its config.json and its weight files."""

    config_file: Path
    weight_files: tuple[Path, ...]

    def config(self) -> DiaConfig:
        """Read the config. Raises ValueError as `read_config` does."""
        return read_config(self.config_file)

    def state_dict(
        self,
        dtype: torch.dtype | None = None,
        progress: Callable[[Sequence[LayoutRow]], Iterable[LayoutRow]] = iter,
    ) -> dict[str, Tensor]:
        """Read the weights and convert them to the Hugging Face layout, in `dtype` or as stored.

        Raises:
            OSError: a file is missing, or is not a regular file.
            ValueError: a file cannot be read, or its tensors do not match the config or are not finite; the message
                names file and tensor.
        """
        config, tensors = self.config(), read_tensors(self.weight_files)
        try:
            converted = convert_state_dict(tensors, config, dtype=dtype, progress=progress)
        except ValueError as error:
            raise ValueError(f"{_some_names(self.weight_files)}: {error}") from error
        if names := not_finite(converted.items()):
            raise ValueError(
                f"{_some_names(self.weight_files)} contains NaN or infinite weights in {first_few(names)}; {REMEDY}."
            )
        return converted


def locate(name_or_path: str | Path, prefer_native: bool = False, **hub: Any) -> NativeCheckpoint | None:
    """Find a native checkpoint in a local folder or a Hub repository.

    A Hub repository with a config.json of the first generation is downloaded. One of the second generation is left to
    transformers, because the published one also has weights in the Hugging Face layout, unless `prefer_native` is
    True. `hub` is passed to `fetch`.
    """
    if Path(name_or_path).is_dir():
        return find(name_or_path, prefer_native)
    repo_id = str(name_or_path)
    folder = Path(snapshot_download(repo_id, allow_patterns=["config.json"], **hub))
    if prefer_native or _generation(read_json(folder / "config.json")) == 1:
        return find(fetch(repo_id, **hub), prefer_native=True)
    return None


def to_convert(name_or_path: str | Path, options: Mapping[str, Any]) -> NativeCheckpoint | None:
    """The native checkpoint that `from_pretrained` must convert, or None if transformers can read it directly.

    Args:
        name_or_path: a folder or a Hub id.
        options: keyword arguments of `from_pretrained`.

    Raises:
        OSError, ValueError: as in `find`.
    """
    if options.get("state_dict") is not None:
        return None
    path = Path(name_or_path) / (options.get("subfolder") or "")
    if path.is_dir():
        return find(path)
    if options.get("subfolder"):
        return None  # native checkpoints on the Hub have no subfolders
    hub = {name: options[name] for name in ("revision", "token", "cache_dir", "local_files_only") if name in options}
    try:
        return locate(str(name_or_path), **hub)
    except (OSError, HfHubHTTPError, HFValidationError):
        return None  # transformers reports why the repository cannot be read


def find(folder: str | Path, prefer_native: bool = False) -> NativeCheckpoint | None:
    """Find a native checkpoint in a local folder. Weights are mapped, not read.

    Args:
        folder: a folder with config.json and weights: safetensors (sharded or not), pytorch_model.bin or a .pth file.
        prefer_native: prefer native weights in a folder that also has weights in the Hugging Face layout, such as
            nari-labs/Dia-1.6B-0626. By default those are preferred, because they need no conversion.

    Returns:
        The checkpoint, or None if there is nothing to convert.

    Raises:
        OSError: a file named by an index is missing, or is not a regular file.
        ValueError: a file is truncated or is not a checkpoint, or a native config.json has no weights.
    """
    config_file = Path(folder) / "config.json"
    if not config_file.is_file():
        return None
    for files in _weight_sets(Path(folder)):
        layout = layout_of(_names(files))
        if layout == "native":
            return NativeCheckpoint(config_file, files)
        if layout == "huggingface" and not prefer_native:
            return None
    if _generation(read_json(config_file)) == 1:
        raise ValueError(f"{folder} has a native config.json but no weights; add model.safetensors or a .pth file.")
    return None


def is_native(path: str | Path) -> bool:
    """Whether a checkpoint folder or weight file must be converted before transformers can read it.

    Raises:
        ValueError: as in `find` and `read_tensors`.
    """
    if Path(path).is_dir():
        return find(path) is not None
    return layout_of(_names([Path(path)])) == "native"


def fetch(repo_id: str, **hub: Any) -> Path:
    """Download a native checkpoint from the Hugging Face Hub, with its weights in one file format only.

    Args:
        repo_id: Hub id, such as `nari-labs/Dia-1.6B`.
        **hub: passed to `huggingface_hub.snapshot_download`: `revision`, `token`, `cache_dir`, `local_files_only`, …

    Returns:
        The local folder; `find(folder, prefer_native=True)` finds the checkpoint in it.

    Raises:
        ValueError: the repository has no native checkpoint.
    """
    for patterns in _HUB_FILES:
        folder = Path(snapshot_download(repo_id, allow_patterns=["config.json", *patterns], **hub))
        if any(layout_of(_names(files)) == "native" for files in _weight_sets(folder)):
            return folder
    raise ValueError(
        f"{repo_id} is not a native Dia checkpoint; if it is in the Hugging Face layout, it needs no conversion."
    )


def read_tensors(files: Iterable[str | Path]) -> dict[str, Tensor]:
    """Open weight files. Tensors are mapped from disk and read on first use.

    Raises:
        OSError: a file is missing, or is not a regular file.
        ValueError: a file is truncated, is not a checkpoint, or has other objects than tensors; the message names it.
    """
    tensors: dict[str, Tensor] = {}
    for file in map(Path, files):
        tensors.update(_open_safetensors(file) if file.suffix == ".safetensors" else _open_pickle(file))
    return tensors


def other_weight_files(folder: Path) -> list[Path]:
    """Weight files in a folder with names that transformers does not recognize."""
    found = (file for pattern in ("*.safetensors", "*.pth") for file in sorted(folder.glob(pattern)))
    return [file for file in found if not _STANDARD_NAME.fullmatch(file.name)]


def shard_names(index: Path) -> list[str]:
    """The names of the shards in an index, without duplicates.

    Raises:
        OSError, ValueError: the file is not an index, or names files outside its folder.
    """
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise ValueError(f"{index} has no weight_map with file names; {REMEDY}.")
    shards = sorted(set(names.values()))
    for name in shards:
        if not name or Path(name).name != name:
            raise ValueError(f"{index} names {shown(name)}, which is not a file in the same folder; {REMEDY}.")
    if len(shards) > SHARDS:
        raise ValueError(f"{index} names {len(shards)} files, more than the limit of {SHARDS}; {REMEDY}.")
    return shards


def read_config(path: str | Path) -> DiaConfig:
    """Read a native config.json of either generation, or one of transformers, which resembles the second generation.

    Raises:
        OSError: the file does not exist.
        ValueError: a key is missing, or the Hugging Face layout does not support its value; the message names both.
    """
    data = read_json(Path(path))
    for part in (data.get("encoder_config"), data.get("decoder_config")):
        check_keys(path, part)
    with errors_name(path):
        return _read_first_generation(data) if _generation(data) == 1 else _read_second_generation(data)


def _generation(data: Mapping[str, Any]) -> int:
    """1 if the keys are nested in `model` and `data`, otherwise 2."""
    return 1 if isinstance(data.get("model"), dict) else 2


def _read_first_generation(data: Mapping[str, Any]) -> DiaConfig:
    for key, only in _FIXED.items():
        if (value := _lookup(data, key)) != only:
            raise ValueError(f"{key} is {value}; the Hugging Face layout supports only {only}.")
    shared = {
        "norm_eps": _lookup(data, "model.normalization_layer_epsilon"),
        "rope_parameters": {"rope_type": "default", "rope_theta": float(_lookup(data, "model.rope_max_timescale"))},
    }
    encoder = {name: _lookup(data, key) for name, key in _ENCODER_KEYS.items()}
    decoder = {name: _lookup(data, key) for name, key in _DECODER_KEYS.items()}
    decoder |= {name: _lookup(data, f"data.audio_{name.removesuffix('_token_id')}_value") for name in _TOKEN_IDS}
    decoder["num_channels"] = _lookup(data, "data.channels")
    return DiaConfig(
        encoder_config={**encoder, **shared, "vocab_size": _lookup(data, "model.src_vocab_size")},
        decoder_config={**decoder, **shared, "vocab_size": _lookup(data, "model.tgt_vocab_size")},
        delay_pattern=list(_lookup(data, "data.delay_pattern")),
        norm_eps=shared["norm_eps"],
    )


def _read_second_generation(data: Mapping[str, Any]) -> DiaConfig:
    """Read keys of the Hugging Face layout, with token ids at the top level."""
    for key in ("encoder_config", "decoder_config"):
        if not isinstance(data.get(key), dict):
            raise ValueError(
                f"it has neither {key} nor model.encoder and model.decoder, so it is not a Dia config.json."
            )
    ids = {name: data[name] for name in _TOKEN_IDS if data.get(name) is not None}
    others = "delay_pattern", "norm_eps", "initializer_range", "quantization_config"
    rest = {name: data[name] for name in others if name in data}
    return DiaConfig(
        encoder_config=dict(data["encoder_config"]), decoder_config={**data["decoder_config"], **ids}, **rest
    )


def _lookup(data: Mapping[str, Any], key: str) -> Any:
    value: Any = data
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None and key not in _DEFAULTS:
        raise ValueError(f"{key} is missing.")
    return _DEFAULTS[key] if value is None else value


def _weight_sets(folder: Path) -> Iterator[tuple[Path, ...]]:
    """Groups of files that form a complete set of weights, in transformers' order of preference."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            yield (folder / name,)
        if (index := folder / f"{name}.index.json").is_file():
            yield tuple(_shard(folder / name, index) for name in shard_names(index))
    yield from ((file,) for file in other_weight_files(folder))


def _shard(file: Path, index: Path) -> Path:
    if not os.path.exists(file):  # Path.exists raises an error for a name that is too long
        raise FileNotFoundError(f"{file} is missing, but {index.name} names it; {REMEDY}.")
    return file


def _names(files: Iterable[Path]) -> list[str]:
    """Names of the tensors in files. Only the headers of safetensors files are read."""
    return [name for file in files for name in (read_header if file.suffix == ".safetensors" else _open_pickle)(file)]


def _open_safetensors(file: Path) -> dict[str, Tensor]:
    read_header(file)  # raises clear errors for damaged files
    with safe_open(file, framework="pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping


def _open_pickle(file: Path) -> dict[str, Tensor]:
    loaded = load_pickle(file)
    if not isinstance(loaded, Mapping):
        raise ValueError(f"{file} contains a {type(loaded).__name__}, not a state dict of tensors; {REMEDY}.")
    return check_tensors(file, {name: tensor for name, tensor in loaded.items() if isinstance(tensor, Tensor)})


def _some_names(files: Sequence[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{files[0].parent}/{{{', '.join(file.name for file in files)}}}"


__all__ = [
    "NativeCheckpoint",
    "convert_state_dict",
    "fetch",
    "find",
    "is_native",
    "locate",
    "other_weight_files",
    "read_config",
    "read_tensors",
    "shard_names",
    "to_convert",
]
