"""Where a processor's parts lie in its folder: `processor_config.json`, and the codec inside or by reference.

Knows files and the codec's loader. Knows nothing of texts, of waveforms or of the grid.
"""

import json
from pathlib import Path
from typing import Any

from transformers import DacModel
from transformers.utils import cached_file

from dia.codec import dac as codec

PROCESSOR_FILE = "processor_config.json"
OLD_REFERENCE_FILE = "audio_tokenizer_config.json"
CODEC_FOLDER = "audio_tokenizer"
HUB_OPTIONS = ("cache_dir", "force_download", "proxies", "token", "local_files_only", "revision", "subfolder")

# The codec inside is not under the key `audio_tokenizer`: AutoProcessor would look that path up from the working
# directory.
_INSIDE, _REFERENCE = "audio_tokenizer_subfolder", "audio_tokenizer"


def write(folder: Path, settings: dict[str, Any], model: DacModel | None, reference: str | None) -> Path:
    """Write `settings` into processor_config.json, the codec beside it or as a reference; returns the file's path.

    Args:
        folder: of the processor; exists.
        settings: what the file holds beside the codec.
        model: the codec to put inside, unless `reference` names one. With neither, a codec that the folder holds or
            names already stays in it.
        reference: Hub id or path of a codec.
    """
    path = folder / PROCESSOR_FILE
    if reference is not None:
        where: dict[str, Any] = {
            _REFERENCE: {"audio_tokenizer_class": "DacModel", "audio_tokenizer_name_or_path": reference}
        }
    elif model is not None:
        model.save_pretrained(folder / CODEC_FOLDER)
        where = {_INSIDE: CODEC_FOLDER}
    else:
        there = _parsed(path) if path.is_file() else {}
        where = {key: there[key] for key in (_INSIDE, _REFERENCE) if key in there}
    path.write_text(json.dumps({**settings, **where}, indent=2) + "\n", encoding="utf-8")
    return path


def read(name: str, with_codec: bool, hub: dict[str, Any], placing: dict[str, Any]) -> dict[str, Any]:
    """The settings of a folder or Hub id, with the loaded codec under `audio_tokenizer` if `with_codec`.

    Args:
        name: a folder or a Hub id.
        with_codec: False leaves the codec where it is.
        hub: options of the Hub, see `HUB_OPTIONS`.
        placing: `device_map` and `dtype` of the codec.
    """
    settings = _read_json(name, PROCESSOR_FILE, hub) or {}
    reference = settings.pop(_REFERENCE, None) or _read_json(name, OLD_REFERENCE_FILE, hub)
    inside = settings.pop(_INSIDE, None)
    if with_codec:
        settings["audio_tokenizer"] = codec.load(name, inside, reference, {**hub, **placing})
    return settings


def _read_json(name: str, file: str, hub: dict[str, Any]) -> dict[str, Any] | None:
    path = cached_file(name, file, _raise_exceptions_for_missing_entries=False, **hub)
    return None if path is None else _parsed(Path(path))


def _parsed(path: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON: {error}.") from error
    return settings
