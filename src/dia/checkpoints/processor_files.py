"""The layout of a processor's folder: `processor_config.json`, and the codec in a subfolder or by reference.

    processor_config.json        delays, token ids, final stops, and the location of the codec
    tokenizer_config.json, …     files of the tokenizer and the feature extractor
    audio_tokenizer/             the codec
    speaker_encoder.safetensors  of a small model

In processor_config.json, `audio_tokenizer_subfolder` names the codec's subfolder. This package reads it, so the folder
can be moved. `audio_tokenizer` names the same codec for the Dia inside transformers, which supports Hub ids and paths
from the working directory, but not paths relative to the folder.

Independent of text, waveforms and the grid.
"""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from transformers import DacModel
from transformers.utils import CONFIG_NAME, GENERATION_CONFIG_NAME

from dia.codec import dac as codec
from dia.codec.identity import published_name
from dia.codec.speaker_encoder import SPEAKER_ENCODER, SpeakerEncoder
from dia.configuration_dia import DiaConfig
from dia.runtime.files.atomic import destination
from dia.runtime.files.reading import errors_name, read_json
from dia.runtime.files.repository import HUB_OPTIONS, Repository
from dia.text.prompt_format import PromptFormat

PROCESSOR_FILE = "processor_config.json"
OLD_REFERENCE_FILE = "audio_tokenizer_config.json"
CODEC_FOLDER = "audio_tokenizer"
OWN_OPTIONS = ("delay_pattern", "bos_token_id", "eos_token_id", "pad_token_id")
FINAL_STOP = "final_stop"
HAS_SPEAKER_ENCODER = "has_speaker_encoder"

_INSIDE, _REFERENCE = "audio_tokenizer_subfolder", "audio_tokenizer"


def read(name: str, with_codec: bool, hub: dict[str, Any], placing: dict[str, Any]) -> dict[str, Any]:
    """Read the settings of a folder or Hub id, with the loaded codec as `audio_tokenizer` if `with_codec`.

    If processor_config.json has no delays and ids, as in files written by transformers, those of the model's
    config.json in the same folder are used. `final_stop` is read from generation_config.json, otherwise from
    processor_config.json.

    Args:
        name: a folder or a Hub id.
        with_codec: whether to load the codec.
        hub: Hub options, see `HUB_OPTIONS`.
        placing: `device_map` and `dtype` of the codec.
    """
    settings = settings_of(name, hub)
    reference = settings.pop(_REFERENCE, None) or Repository.of(name, hub).json(OLD_REFERENCE_FILE)
    inside = settings.pop(_INSIDE, None)
    if any(settings.get(option) is None for option in OWN_OPTIONS):
        given = {option: value for option, value in settings.items() if value is not None}
        settings = {**_settings_of_model(name, hub), **given}
    settings[FINAL_STOP] = _final_stop(Repository.of(name, hub), settings.get(FINAL_STOP, False))
    if settings.pop(HAS_SPEAKER_ENCODER, False):
        settings["speaker_encoder"] = _speaker_encoder(Repository.of(name, hub))
    if with_codec:
        settings["audio_tokenizer"] = codec.load(name, inside, reference, {**hub, **placing})
    return settings


def _speaker_encoder(repository: Repository) -> SpeakerEncoder:
    path = repository.find(SPEAKER_ENCODER)
    if path is None:
        raise FileNotFoundError(
            f"{repository.location} has no {SPEAKER_ENCODER}, which its {PROCESSOR_FILE} names; copy it from the "
            "checkpoint."
        )
    return SpeakerEncoder.load(path)


def settings_of(name: str, hub: dict[str, Any]) -> dict[str, Any]:
    """The content of processor_config.json, empty if the file does not exist."""
    return Repository.of(name, hub).json(PROCESSOR_FILE) or {}


def codec_entries(folder: Path, model: DacModel | None, reference: str | None, foreign: bool) -> dict[str, Any]:
    """The entries of processor_config.json that locate the codec.

    Args:
        folder: the processor's folder, or the temporary folder it is written to.
        model: the codec that is saved in the subfolder, unless `reference` is given; None keeps the current entries.
        reference: Hub id or path of a codec.
        foreign: whether the Dia inside transformers can read the rest of the folder.
    """
    if reference is not None:
        return {_REFERENCE: _reference(reference)}
    inside = str(destination(folder) / CODEC_FOLDER)
    named: dict[str, Any]
    if model is not None:
        named = {_INSIDE: CODEC_FOLDER, _REFERENCE: _reference(published_name(model) or inside)}
    else:
        path = folder / PROCESSOR_FILE
        current = read_json(path) if path.is_file() else {}
        named = {key: current[key] for key in (_INSIDE, _REFERENCE) if key in current}
        if _INSIDE in named and os.path.isabs(named.get(_REFERENCE, {}).get("audio_tokenizer_name_or_path", "")):
            named[_REFERENCE] = _reference(inside)
    if _INSIDE in named and not foreign:
        named.pop(_REFERENCE, None)  # unusable, and wrong once the folder is moved
    return named


def contains_codec(settings: dict[str, Any]) -> bool:
    """Whether the settings name a codec in the processor's folder."""
    return _INSIDE in settings


def portable(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without the path of the codec on this machine, which names nothing once the folder is uploaded."""
    named = settings.get(_REFERENCE, {}).get("audio_tokenizer_name_or_path", "")
    return {key: value for key, value in settings.items() if key != _REFERENCE or not os.path.isabs(named)}


def _reference(name: str) -> dict[str, str]:
    return {"audio_tokenizer_class": "DacModel", "audio_tokenizer_name_or_path": name}


def _settings_of_model(name: str, hub: dict[str, Any]) -> dict[str, Any]:
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
    "codec_entries",
    "contains_codec",
    "portable",
    "read",
    "settings_of",
]
