"""Checks that a checkpoint is available, locally or on the Hub, without importing torch or reading weights."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dia import MINI
from dia.runtime.files.reading import read_json
from dia.runtime.spelling import did_you_mean

REAL = "nari-labs/Dia-1.6B-0626"
REAL_CODEC = "descript/dac_44khz"
EMBEDDED = "mini"

_ID = re.compile(r"\w[\w.-]*/[\w.-]+")
_CONFIG = "config.json"
_ADAPTER = "adapter_config.json"
_EMBEDDED_PLACE = MINI.parts[-2:]  # the end of its path in every installation
_WEIGHTS = ("*.safetensors", "*.pth", "*.bin")
_PLACE = ("revision", "subfolder")  # options for the Hub that belong to one repository
_SECONDS = 5.0  # timeout; a Hub that takes longer for a few bytes cannot deliver gigabytes


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter, as peft saves it.

    Attributes:
        name: the folder or Hub id that the user gave.
        folder: the local folder of its files.
        base: the folder or Hub id of the model that it was trained on, or "mini".
    """

    name: str
    folder: Path
    base: str

    @property
    def file(self) -> Path:
        """Its settings, which name the base."""
        return self.folder / _ADAPTER


def find_adapter(name: str | Path, **hub: Any) -> Adapter | None:
    """The adapter in a folder or in the Hub's cache; None if there is none.

    A relative path of its base is relative to the adapter's folder, or to the current one.

    Raises:
        OSError, ValueError: its adapter_config.json is damaged, is of another kind, or names no base.
    """
    path = _file(str(name), _ADAPTER, hub)
    if path is None:
        return None
    settings = read_json(path)
    if (kind := settings.get("peft_type")) != "LORA":
        raise ValueError(f"{path} describes an adapter of type {kind!r}; only LORA is supported.")
    base = settings.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ValueError(
            f"{path} does not name the model that the adapter was trained on. Write its folder or Hub id as "
            f"base_model_name_or_path."
        )
    return Adapter(str(name), path.parent, _resolved(base, path.parent))


def local_folder(name: str | None, file: str) -> Path | None:
    """The local folder that has a file of a model: its own, or that of its base for an adapter without the file.

    Args:
        name: a folder, a Hub id or "mini"; None is "mini".
        file: the name of a file, such as "generation_config.json".

    Returns:
        The folder, in which the file may be missing; None if the model is not in a local folder.
    """
    folder = MINI if name in (None, EMBEDDED) else Path(str(name)).expanduser()
    if not folder.is_dir():
        return None
    adapter = find_adapter(folder)
    return folder if adapter is None or (folder / file).is_file() else local_folder(adapter.base, file)


def public_name(name: str) -> str:
    """The model's name in file metadata: a Hub id, or the name of its folder without the path, which is private."""
    folder = Path(name)
    return name if not folder.is_dir() else EMBEDDED if folder == MINI else folder.name


def check_checkpoint(name: str | Path, with_codec: bool = True, **hub: Any) -> bool:
    """Raise an error if a model or its codec is not available; see `check_source`.

    Returns:
        Whether everything is available locally.

    Raises:
        OSError: the model, or the codec that it refers to, is neither local nor on the Hub.
        ValueError: it is an adapter whose settings are invalid.
    """
    if (adapter := find_adapter(name, **hub)) is not None:
        return _check_base(adapter, with_codec, hub)
    local = check_source(name, **hub)
    if with_codec and (codec := _named_codec(str(name), hub)):
        try:
            return check_source(codec, "dac", **without_place(hub)) and local
        except OSError as error:
            raise OSError(f"{name} needs the codec {codec}: {error}") from None
    return local


def without_place(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options for a repository that another one refers to: without the revision and subfolder of the other."""
    return {name: value for name, value in options.items() if name not in _PLACE}


def _check_base(adapter: Adapter, with_codec: bool, hub: dict[str, Any]) -> bool:
    """`check_checkpoint` for the base of an adapter."""
    own = without_place(hub)
    if find_adapter(adapter.base, **own) is not None:
        raise ValueError(
            f"{adapter.file} names {adapter.base} as its base, which is an adapter itself. Merge it first."
        )
    try:
        return check_checkpoint(adapter.base, with_codec, **own)
    except OSError as error:
        raise OSError(
            f"{adapter.file} names the base model {adapter.base}: {error} Change base_model_name_or_path if the base "
            f"is in another place."
        ) from None


def _resolved(base: str, folder: Path) -> str:
    """The base of an adapter in `folder`: an existing folder if the name is one, or the embedded model."""
    for place in (folder / base, Path(base).expanduser()):
        if base != EMBEDDED and place.is_dir():
            return str(place)
    return EMBEDDED if Path(base).parts[-2:] == _EMBEDDED_PLACE else base


def check_source(name: str | Path, kind: str = "dia", **hub: Any) -> bool:
    """Raise an error if a checkpoint is neither local nor on the Hub, or if the Hub cannot be reached.

    Checkpoints in the Hub's cache need no request. For others, one request checks that the config exists.

    Args:
        name: a folder, a Hub id, or "mini".
        kind: "dia", "native" or "dac"; error messages list the local checkpoints of this kind.
        **hub: `revision`, `subfolder`, `token`, `cache_dir` and `local_files_only`, as in `from_pretrained`.

    Returns:
        Whether the checkpoint is available locally.

    Raises:
        OSError: the checkpoint is not available; the message lists the local checkpoints.
    """
    source = str(name)
    embedded = [EMBEDDED] if kind == "dia" else []
    if source in embedded or (source and Path(source).is_dir()):
        return True
    if Path(source).is_file():
        raise OSError(f"{source} is a file; pass the folder with {_CONFIG} and the weights.")
    if not _ID.fullmatch(source):
        hint = did_you_mean(source, embedded) or "."
        raise OSError(f"there is no folder {source or repr(source)}{hint}{_local_checkpoints(kind, hub)}")
    if _cached(source, hub):
        return True
    if reason := unavailable_reason(source, **hub):
        raise OSError(f"{source} is not a local folder, and {reason}.{_local_checkpoints(kind, hub)}")
    return False


def _named_codec(source: str, hub: dict[str, Any]) -> str | None:
    """The codec that a checkpoint refers to, or None if it contains its codec or is not local."""
    if _file(source, _CONFIG, hub) is None:
        return None
    described = [
        _settings(_file(source, name, hub)) for name in ("processor_config.json", "audio_tokenizer_config.json")
    ]
    if not any(described) and _file(source, "preprocessor_config.json", hub) is None:
        return REAL_CODEC  # a native checkpoint without a processor
    if "audio_tokenizer_subfolder" in described[0]:
        return None
    reference = described[0].get("audio_tokenizer") or described[1]
    codec = reference.get("audio_tokenizer_name_or_path") if isinstance(reference, dict) else None
    beside = Path(source, hub.get("subfolder") or "", codec or "")
    return None if codec is None or beside.is_dir() else str(codec)


def _file(source: str, name: str, hub: dict[str, Any]) -> Path | None:
    """A checkpoint's file, in its folder or in the Hub's cache."""
    folder = Path(source) if Path(source).is_dir() else _snapshot(source, hub)
    path = None if folder is None else folder / (hub.get("subfolder") or "") / name
    return path if path is not None and path.is_file() else None


def _snapshot(source: str, hub: dict[str, Any]) -> Path | None:
    """The folder of a repository in the Hub's cache. refs/REVISION contains the name of a folder in snapshots/."""
    if not _ID.fullmatch(source):
        return None
    repository = _cache(hub) / f"models--{source.replace('/', '--')}"
    revision = str(hub.get("revision") or "main")
    named = repository / "refs" / revision
    folder = repository / "snapshots" / (named.read_text().strip() if named.is_file() else revision)
    return folder if folder.is_dir() else None


def _cache(hub: dict[str, Any]) -> Path:
    from huggingface_hub import constants

    return Path(hub.get("cache_dir") or constants.HF_HUB_CACHE)


def _settings(path: Path | None) -> dict[str, Any]:
    """The content of a JSON file, empty if it is missing or damaged. Loading reports such errors."""
    try:
        return {} if path is None else read_json(path)
    except (OSError, ValueError):
        return {}


def _cached(source: str, hub: dict[str, Any]) -> bool:
    """Whether config and weights are in the Hub's cache."""
    config = _file(source, _CONFIG, hub)
    return config is not None and any(any(config.parent.glob(pattern)) for pattern in _WEIGHTS)


def unavailable_reason(source: str, file: str = _CONFIG, repo_type: str | None = None, **hub: Any) -> str | None:
    """Why a file cannot be downloaded from the Hub, found with one request; None if it may be available.

    Args:
        source: a Hub id.
        file: file name in the repository.
        repo_type: "dataset", or None for a model.
        **hub: as in `check_source`.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "the Hub is not used, because HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set"
    if hub.get("local_files_only"):
        return "the Hub is not used, because local_files_only is set"
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    place = {name: hub.get(name) for name in _PLACE}
    url = hf_hub_url(source, file, repo_type=repo_type, **place)
    try:
        get_hf_file_metadata(url, token=hub.get("token"), timeout=_SECONDS)
    except GatedRepoError:
        return "access on the Hub is restricted: request access on its page, then log in (hf auth login)"
    except RepositoryNotFoundError:
        return "the Hub has no repository with that name, or it is private (hf auth login)"
    except EntryNotFoundError:
        if file != _CONFIG:
            return None
        return f"its repository on the Hub has no {file} (an adapter has to be downloaded first: hf download {source})"
    except HfHubHTTPError:
        return None  # a busy server; loading the checkpoint tries again
    except Exception as error:  # from httpx or httpx2, depending on the version of huggingface_hub
        return f"the Hub cannot be reached ({str(error) or type(error).__name__})"
    return None


def _local_checkpoints(kind: str, hub: dict[str, Any]) -> str:
    """A sentence that lists the checkpoints that need no network."""
    names = [repr(EMBEDDED), *sorted(_in_cache(kind, hub))] if kind == "dia" else sorted(_in_cache(kind, hub))
    return f" Available locally: {', '.join(names)}." if names else ""


def _in_cache(kind: str, hub: dict[str, Any]) -> Iterator[str]:
    for config in _cache(hub).glob(f"models--*/snapshots/*/{_CONFIG}"):
        described = _settings(config)
        repository = config.parents[2].name.removeprefix("models--").replace("--", "/", 1)
        if described.get("model_type", "dia" if "model" in described else None) == kind and _cached(repository, hub):
            yield repository


__all__ = [
    "EMBEDDED",
    "REAL",
    "REAL_CODEC",
    "Adapter",
    "check_checkpoint",
    "check_source",
    "find_adapter",
    "local_folder",
    "public_name",
    "unavailable_reason",
    "without_place",
]
