"""Checks a processor's JSON files before tokenizer, feature extractor and codec are loaded from them."""

from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from tokenizers import Tokenizer
from transformers.utils import FEATURE_EXTRACTOR_NAME

from dia.checkpoints.processor_files import OLD_REFERENCE_FILE, PROCESSOR_FILE
from dia.configuration_dia import DiaConfig
from dia.feature_extraction_dia import EXTRACTOR_RANGES
from dia.runtime import limits
from dia.runtime.files.reading import REMEDY, errors_name
from dia.runtime.files.repository import Repository
from dia.runtime.ranges import check_given, shown
from dia.tokenization_dia import TOKENIZER_RANGES

TOKENIZER_CONFIG, TOKENIZER = "tokenizer_config.json", "tokenizer.json"
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
_CODEC = ("audio_tokenizer_class", "audio_tokenizer_name_or_path")


def check_processor(repository: Repository, config: DiaConfig | None = None) -> None:
    """Raise an error if a processor's files are damaged or do not match the model's `config`.

    Missing files are not an error here; the loaders check for the files they need.

    Raises:
        OSError: a file is not a regular file.
        ValueError: a file is damaged or does not match the model; the message names it.
    """
    for name, check in _CHECKS.items():
        if (settings := repository.json(name)) is not None:
            with errors_name(repository.path(name)):
                check(settings)
    settings = repository.json(PROCESSOR_FILE)
    if settings is not None and config is not None:
        _compare(repository.path(PROCESSOR_FILE), settings, config)


def _check_settings(settings: Mapping[str, Any]) -> None:
    pattern = settings.get("delay_pattern")
    if pattern is not None:
        if not isinstance(pattern, list) or not pattern:
            raise ValueError(f"delay_pattern is {shown(pattern)}, not one delay per channel")
        for delay in pattern:
            limits.DELAY.check("delay_pattern", delay)
    for name in _TOKEN_IDS:
        if settings.get(name) is not None:
            limits.ID.check(name, settings[name])
    _check_types(settings, {"feature_extractor": dict, "audio_tokenizer": dict, "audio_tokenizer_subfolder": str})
    if (inside := settings.get("audio_tokenizer_subfolder")) is not None:
        paths = PurePosixPath(inside), PureWindowsPath(inside)
        if not inside or "\0" in inside or any(path.is_absolute() or ".." in path.parts for path in paths):
            raise ValueError(f"audio_tokenizer_subfolder is {shown(inside)}, which is not a subfolder")
    if settings.get("audio_tokenizer"):
        _check_reference(settings["audio_tokenizer"])
    _check_extractor(settings.get("feature_extractor") or {})


def _check_reference(settings: Mapping[str, Any]) -> None:
    for name in _CODEC:
        if not isinstance(settings.get(name), str) or "\0" in settings[name]:
            raise ValueError(f"{name} is {shown(settings.get(name))}, which does not name a codec")


def _check_extractor(settings: Mapping[str, Any]) -> None:
    check_given(EXTRACTOR_RANGES, settings)


def _check_tokenizer(settings: Mapping[str, Any]) -> None:
    check_given(TOKENIZER_RANGES, settings)
    for name in ("pad_token", "unk_token"):
        if not isinstance(settings.get(name), str | dict | None):
            raise ValueError(f"{name} is {shown(settings[name])}, not a token")


def _check_backend(settings: Mapping[str, Any]) -> None:
    import json

    Tokenizer.from_str(json.dumps(settings))


def _check_types(settings: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    for name, kind in kinds.items():
        if settings.get(name) is not None and not isinstance(settings[name], kind):
            raise ValueError(f"{name} is {shown(settings[name])}, not a {kind.__name__}")


def _compare(path: str, settings: Mapping[str, Any], config: DiaConfig) -> None:
    decoder = config.get_text_config()
    wanted = {name: getattr(decoder, name) for name in _TOKEN_IDS} | {"delay_pattern": config.delay_pattern}
    for name, value in wanted.items():
        if settings.get(name) not in (None, value):
            raise ValueError(
                f"{path} sets {name} to {shown(settings[name])}, but the model's config.json to {shown(value)}. One "
                f"of them is damaged or belongs to another model; {REMEDY}."
            )


_CHECKS = {
    PROCESSOR_FILE: _check_settings,
    OLD_REFERENCE_FILE: _check_reference,
    FEATURE_EXTRACTOR_NAME: _check_extractor,
    TOKENIZER_CONFIG: _check_tokenizer,
    TOKENIZER: _check_backend,
    "special_tokens_map.json": lambda settings: None,
    "added_tokens.json": lambda settings: None,
}

__all__ = ["TOKENIZER_CONFIG", "check_processor"]
