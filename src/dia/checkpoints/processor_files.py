"""Where a processor's parts lie in its folder: `processor_config.json`, and the codec inside or by reference.

    processor_config.json       delays, token ids, how turns end, and where the codec is
    tokenizer_config.json, …    what the tokenizer and the feature extractor write
    audio_tokenizer/            the codec

`audio_tokenizer_subfolder` in processor_config.json names the codec inside; this package reads that, so the folder may
be moved. `audio_tokenizer` names the same codec for the Dia inside transformers, which knows Hub ids and paths from
the working directory, but no place relative to the folder.

Knows files and the codec's loader. Knows nothing of texts, of waveforms or of the grid.
"""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from transformers import DacModel
from transformers.utils import CONFIG_NAME, GENERATION_CONFIG_NAME

from dia.codec import dac as codec
from dia.codec.identity import published_name
from dia.configuration_dia import DiaConfig
from dia.runtime.atomic import destination
from dia.runtime.reading import errors_name, read_json
from dia.runtime.repository import HUB_OPTIONS, Repository
from dia.text.prompt_format import PromptFormat

PROCESSOR_FILE = "processor_config.json"
OLD_REFERENCE_FILE = "audio_tokenizer_config.json"
CODEC_FOLDER = "audio_tokenizer"
OWN_OPTIONS = ("delay_pattern", "bos_token_id", "eos_token_id", "pad_token_id")
FINAL_STOP = "final_stop"

_INSIDE, _REFERENCE = "audio_tokenizer_subfolder", "audio_tokenizer"


def read(name: str, with_codec: bool, hub: dict[str, Any], placing: dict[str, Any]) -> dict[str, Any]:
    """The settings of a folder or Hub id, with the loaded codec under `audio_tokenizer` if `with_codec`.

    Delays and ids that processor_config.json lacks, as one that transformers wrote, are those of the model beside it.
    `final_stop` is what generation_config.json says of it, or else processor_config.json.

    Args:
        name: a folder or a Hub id.
        with_codec: False leaves the codec where it is.
        hub: options of the Hub, see `HUB_OPTIONS`.
        placing: `device_map` and `dtype` of the codec.
    """
    settings = settings_of(name, hub)
    reference = settings.pop(_REFERENCE, None) or Repository.of(name, hub).json(OLD_REFERENCE_FILE)
    inside = settings.pop(_INSIDE, None)
    if any(settings.get(option) is None for option in OWN_OPTIONS):
        given = {option: value for option, value in settings.items() if value is not None}
        settings = {**_settings_of_the_model(name, hub), **given}
    settings[FINAL_STOP] = _final_stop(Repository.of(name, hub), settings.get(FINAL_STOP, False))
    if with_codec:
        settings["audio_tokenizer"] = codec.load(name, inside, reference, {**hub, **placing})
    return settings


def settings_of(name: str, hub: dict[str, Any]) -> dict[str, Any]:
    """What processor_config.json holds; nothing where there is none."""
    return Repository.of(name, hub).json(PROCESSOR_FILE) or {}


def where(folder: Path, model: DacModel | None, reference: str | None, foreign: bool) -> dict[str, Any]:
    """How processor_config.json is to name the codec: the one put inside or the reference, or else as it does now.

    Args:
        folder: of the processor, or where it is written until it is moved to its place.
        model: the codec that is put inside, unless `reference` names one.
        reference: Hub id or path of a codec.
        foreign: the Dia inside transformers can read the rest of the folder.
    """
    if reference is not None:
        return {_REFERENCE: _reference(reference)}
    inside = str(destination(folder) / CODEC_FOLDER)
    named: dict[str, Any]
    if model is not None:
        named = {_INSIDE: CODEC_FOLDER, _REFERENCE: _reference(published_name(model) or inside)}
    else:
        path = folder / PROCESSOR_FILE
        there = read_json(path) if path.is_file() else {}
        named = {key: there[key] for key in (_INSIDE, _REFERENCE) if key in there}
        if _INSIDE in named and os.path.isabs(named.get(_REFERENCE, {}).get("audio_tokenizer_name_or_path", "")):
            named[_REFERENCE] = _reference(inside)
    if _INSIDE in named and not foreign:
        named.pop(_REFERENCE, None)  # of no use there, and wrong once the folder is moved
    return named


def _reference(name: str) -> dict[str, str]:
    return {"audio_tokenizer_class": "DacModel", "audio_tokenizer_name_or_path": name}


def _settings_of_the_model(name: str, hub: dict[str, Any]) -> dict[str, Any]:
    described = Repository.of(name, hub).json(CONFIG_NAME) or {}
    if described.get("model_type") != DiaConfig.model_type or described.get("delay_pattern") is None:
        return {}
    config = DiaConfig.from_dict(described)
    decoder = config.get_text_config()
    return {"delay_pattern": config.delay_pattern, **{key: getattr(decoder, key) for key in OWN_OPTIONS[1:]}}


def _final_stop(repository: Repository, default: Any) -> bool:
    stated = repository.json(GENERATION_CONFIG_NAME) or {}
    with errors_name(repository.path(GENERATION_CONFIG_NAME if FINAL_STOP in stated else PROCESSOR_FILE)):
        return PromptFormat.of(SimpleNamespace(final_stop=stated.get(FINAL_STOP, default))).final_stop


__all__ = [
    "CODEC_FOLDER",
    "FINAL_STOP",
    "HUB_OPTIONS",
    "OLD_REFERENCE_FILE",
    "OWN_OPTIONS",
    "PROCESSOR_FILE",
    "read",
    "settings_of",
    "where",
]
