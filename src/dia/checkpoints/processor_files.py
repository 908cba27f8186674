"""A processor's folder: its settings, the files of its parts, and the codec inside or by reference.

    processor_config.json       delays, token ids, and where the codec is
    tokenizer_config.json, …    what the tokenizer and the feature extractor write
    audio_tokenizer/            the codec

`audio_tokenizer_subfolder` in processor_config.json names the codec inside; this package reads that, so the folder may
be moved. `audio_tokenizer` names the same codec for the Dia inside transformers, which knows Hub ids and paths from
the working directory, but no place relative to the folder.

Knows files and the codec's loader. Knows nothing of texts, of waveforms or of the grid.
"""

import inspect
import json
import os
from pathlib import Path
from typing import Any

from transformers import DacModel
from transformers.processing_utils import ProcessorMixin
from transformers.utils import CONFIG_NAME, cached_file

from dia.codec import dac as codec
from dia.codec.identity import published_name
from dia.configuration_dia import DiaConfig
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.runtime.atomic import atomic_entries, destination
from dia.tokenization_dia import PRONUNCIATIONS, DiaTokenizer

PROCESSOR_FILE = "processor_config.json"
OLD_REFERENCE_FILE = "audio_tokenizer_config.json"
CODEC_FOLDER = "audio_tokenizer"
OWN_OPTIONS = ("delay_pattern", "bos_token_id", "eos_token_id", "pad_token_id")
HUB_OPTIONS = ("cache_dir", "force_download", "proxies", "token", "local_files_only", "revision", "subfolder")

_INSIDE, _REFERENCE = "audio_tokenizer_subfolder", "audio_tokenizer"
_CODEC_OPTIONS = ("device_map", "dtype")
# Keyword arguments of `from_pretrained` that are meant for no part.
_FOR_NO_PART = (
    *(*OWN_OPTIONS, *_CODEC_OPTIONS, "load_audio_tokenizer", "feature_extractor", "tokenizer", "audio_tokenizer"),
    *("trust_remote_code", "return_unused_kwargs", "_from_auto", "_from_pipeline"),
)
_EXTRACTOR_OPTIONS = {*inspect.signature(DiaFeatureExtractor.__init__).parameters, "return_attention_mask"}


class SavedProcessor(ProcessorMixin):
    """The half of `DiaProcessor` that writes and reads its folder."""

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        push_to_hub: bool = False,
        audio_tokenizer_reference: str | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Write everything into one folder that can be moved, the codec in its subfolder `audio_tokenizer`.

        Every file appears whole, or nothing changes. A processor without a codec leaves the codec that the folder has.
        The Dia inside transformers reads the folder too, as long as it stays where it is or its codec is, unchanged,
        one of the Hub; a tokenizer that reads phones it refuses.

        Args:
            save_directory: the folder; made if it is not there.
            push_to_hub: upload the folder as well.
            audio_tokenizer_reference: name this codec, a Hub id, instead of putting one inside.
            **kwargs: `repo_id` (the folder's name by default) and other options of `push_to_hub`.

        Returns:
            The path of processor_config.json.
        """
        folder = Path(save_directory)
        if folder.is_file():
            raise ValueError(f"save_directory {folder} is a file; name a folder.")
        where = _where(folder, self.audio_tokenizer, audio_tokenizer_reference)
        phones = self.tokenizer.pronunciations is not None
        if phones and _INSIDE in where:
            where.pop(_REFERENCE, None)  # no use to who cannot read the tokenizer, and wrong once the folder is moved
        with atomic_entries(folder, (PROCESSOR_FILE,)) as place:
            self.feature_extractor.save_pretrained(place)
            self.tokenizer.save_pretrained(place)
            if audio_tokenizer_reference is None and self.audio_tokenizer is not None:
                self.audio_tokenizer.save_pretrained(place / CODEC_FOLDER)
            settings = json.dumps({**self.to_dict(), **where}, indent=2)
            (place / PROCESSOR_FILE).write_text(settings + "\n", encoding="utf-8")
        # What another processor left here, and what would be read before what has just been written.
        for name, stale in ((OLD_REFERENCE_FILE, bool(where)), (PRONUNCIATIONS, not phones)):
            if stale:
                (folder / name).unlink(missing_ok=True)
        if push_to_hub:
            self.push_to_hub(kwargs.pop("repo_id", folder.name), **kwargs)
        return [str(folder / PROCESSOR_FILE)]

    @classmethod
    def get_processor_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], load_audio_tokenizer: bool = True, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read processor_config.json and load the codec it names; `from_pretrained` takes the same options.

        Delays and ids that the file does not hold, as one that transformers wrote, are those of the model beside it.

        Args:
            pretrained_model_name_or_path: a folder or a Hub id.
            load_audio_tokenizer: False for a processor without a codec.
            **kwargs: options of the Hub, values that override the file's, and options of tokenizer and feature
                extractor, such as `padding_side`, `model_max_length` or `sampling_rate`.
        """
        name = str(pretrained_model_name_or_path)
        hub = {key: kwargs.pop(key) for key in HUB_OPTIONS if key in kwargs}
        placing: dict[str, Any] = {key: kwargs.pop(key) for key in _CODEC_OPTIONS if key in kwargs}
        settings = _read_json(name, PROCESSOR_FILE, hub) or {}
        reference = settings.pop(_REFERENCE, None) or _read_json(name, OLD_REFERENCE_FILE, hub)
        inside = settings.pop(_INSIDE, None)
        if OWN_OPTIONS[0] not in settings:
            settings = {**_settings_of_the_model(name, hub), **settings}
        if load_audio_tokenizer and "audio_tokenizer" not in kwargs:
            settings["audio_tokenizer"] = codec.load(name, inside, reference, {**hub, **placing})
        return settings, kwargs

    @classmethod
    def from_args_and_dict(cls, args: list[Any], processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Make a processor of parts and settings. Whether the codec fits them shows where it is used."""
        settings = dict(processor_dict)
        model = kwargs.pop("audio_tokenizer", settings.pop("audio_tokenizer", None))
        loaded = super().from_args_and_dict(args, settings, **kwargs)
        processor = loaded[0] if isinstance(loaded, tuple) else loaded
        if model is not None:
            processor.check_argument_for_proper_class("audio_tokenizer", model)
        processor.audio_tokenizer = model
        return loaded

    @classmethod
    def _get_arguments_from_pretrained(
        cls, pretrained_model_name_or_path: str, processor_dict: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[Any]:
        # Not by the Auto classes, so that a processor of this package is made of parts of this package.
        hub = {key: kwargs.pop(key) for key in HUB_OPTIONS if key in kwargs}
        given = {key: value for key, value in kwargs.items() if key not in _FOR_NO_PART}
        of_sound = {key: value for key, value in given.items() if key in _EXTRACTOR_OPTIONS or key == "padding_side"}
        of_text = {key: value for key, value in given.items() if key not in _EXTRACTOR_OPTIONS}
        return [
            DiaFeatureExtractor.from_pretrained(pretrained_model_name_or_path, **hub, **of_sound),
            DiaTokenizer.from_pretrained(pretrained_model_name_or_path, **hub, **of_text),
        ]


class ProcessorGlance(ProcessorMixin):
    """What AutoProcessor asks for a processor's class, in place of `ProcessorMixin`.

    `ProcessorMixin` would load the codec by the reference for transformers, and fail once the folder has been moved.
    """

    @classmethod
    def get_processor_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings of a Dia processor as they stand in its file; any other's as `ProcessorMixin` reads them."""
        hub = {key: kwargs[key] for key in HUB_OPTIONS if key in kwargs}
        settings = _read_json(str(pretrained_model_name_or_path), PROCESSOR_FILE, hub) or {}
        if settings.get("processor_class") == "DiaProcessor":
            return settings, kwargs
        read: tuple[dict[str, Any], dict[str, Any]] = super().get_processor_dict(
            pretrained_model_name_or_path, **kwargs
        )
        return read


def _where(folder: Path, model: DacModel | None, reference: str | None) -> dict[str, Any]:
    """How processor_config.json is to name the codec: the one put inside or the reference, or else as it does now."""
    if reference is not None:
        return {_REFERENCE: _reference(reference)}
    inside = str(destination(folder) / CODEC_FOLDER)
    if model is not None:
        return {_INSIDE: CODEC_FOLDER, _REFERENCE: _reference(published_name(model) or inside)}
    path = folder / PROCESSOR_FILE
    there = _parsed(path) if path.is_file() else {}
    where = {key: there[key] for key in (_INSIDE, _REFERENCE) if key in there}
    if _INSIDE in where and os.path.isabs(where.get(_REFERENCE, {}).get("audio_tokenizer_name_or_path", "")):
        where[_REFERENCE] = _reference(inside)
    return where


def _reference(name: str) -> dict[str, str]:
    return {"audio_tokenizer_class": "DacModel", "audio_tokenizer_name_or_path": name}


def _settings_of_the_model(name: str, hub: dict[str, Any]) -> dict[str, Any]:
    described = _read_json(name, CONFIG_NAME, hub) or {}
    if described.get("model_type") != DiaConfig.model_type or described.get("delay_pattern") is None:
        return {}
    config = DiaConfig.from_dict(described)
    decoder = config.get_text_config()
    return {"delay_pattern": config.delay_pattern, **{key: getattr(decoder, key) for key in OWN_OPTIONS[1:]}}


def _read_json(name: str, file: str, hub: dict[str, Any]) -> dict[str, Any] | None:
    path = cached_file(name, file, _raise_exceptions_for_missing_entries=False, **hub)
    return None if path is None else _parsed(Path(path))


def _parsed(path: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON: {error}.") from error
    return settings
