"""Saves and loads `DiaProcessor`. `dia.checkpoints.processor_files` defines the layout of its folder."""

import inspect
import json
import os
import shutil
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers.processing_utils import ProcessorMixin
from transformers.utils import PushToHubMixin

from dia.checkpoints import processor_files
from dia.checkpoints.processor_checks import check_processor
from dia.checkpoints.processor_files import (
    CODEC_FOLDER,
    FINAL_STOP,
    HAS_SPEAKER_ENCODER,
    HUB_OPTIONS,
    OLD_REFERENCE_FILE,
    OWN_OPTIONS,
    PROCESSOR_FILE,
)
from dia.codec.speaker_encoder import SPEAKER_ENCODER, SpeakerEncoder
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.runtime.files.atomic import atomic_entries
from dia.runtime.files.reading import read_json
from dia.runtime.files.repository import Repository
from dia.runtime.warnings import DiaWarning
from dia.tokenization_dia import PRONUNCIATIONS, DiaTokenizer

_CODEC_OPTIONS = ("device_map", "dtype")
# Keyword arguments of `from_pretrained` that are not passed to tokenizer and feature extractor.
_NOT_FOR_PARTS = (
    *(
        *OWN_OPTIONS,
        FINAL_STOP,
        *_CODEC_OPTIONS,
        "load_audio_tokenizer",
        "feature_extractor",
        "tokenizer",
        "audio_tokenizer",
        "speaker_encoder",
    ),
    *("trust_remote_code", "return_unused_kwargs", "_from_auto", "_from_pipeline"),
)
_EXTRACTOR_OPTIONS = {*inspect.signature(DiaFeatureExtractor.__init__).parameters, "return_attention_mask"}


class SavedProcessor(ProcessorMixin):
    """Base class of `DiaProcessor` that saves and loads its folder."""

    final_stop: bool
    speaker_encoder: SpeakerEncoder | None

    def to_dict(self) -> dict[str, Any]:
        """The content of `processor_config.json`, without the location of the codec."""
        settings = {name: getattr(self, name) for name in OWN_OPTIONS}
        settings |= {FINAL_STOP: True} if self.final_stop else {}
        settings |= {} if self.speaker_encoder is None else {HAS_SPEAKER_ENCODER: True}
        return {**settings, "feature_extractor": self.feature_extractor.to_dict(), "processor_class": "DiaProcessor"}

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        push_to_hub: bool = False,
        audio_tokenizer_reference: str | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Save everything to one folder that can be moved, with the codec in the subfolder `audio_tokenizer`.

        The write is atomic. A processor without a codec keeps the codec that is already in the folder. The Dia inside
        transformers can also read the folder, if it is not moved or its codec is an unchanged one from the Hub, and if
        its tokenizer has no phones.

        Args:
            save_directory: the folder, created if needed.
            push_to_hub: also upload the processor's files in the folder.
            audio_tokenizer_reference: Hub id of a codec to refer to instead of saving the codec.
            **kwargs: `repo_id` (the folder's name by default) and other options of `push_to_hub`.

        Returns:
            The path of processor_config.json.
        """
        folder = Path(save_directory)
        if folder.is_file():
            raise ValueError(f"save_directory {folder} is a file; pass a folder.")
        phones = self.tokenizer.pronunciations is not None
        entries = processor_files.codec_entries(
            folder, self.audio_tokenizer, audio_tokenizer_reference, foreign=not phones
        )
        with atomic_entries(folder, (PROCESSOR_FILE,)) as place:
            self.feature_extractor.save_pretrained(place)
            self.tokenizer.save_pretrained(place)
            if audio_tokenizer_reference is None and self.audio_tokenizer is not None:
                self.audio_tokenizer.save_pretrained(place / CODEC_FOLDER)
            if self.speaker_encoder is not None:
                self.speaker_encoder.save(place / SPEAKER_ENCODER)
            settings = json.dumps({**self.to_dict(), **entries}, indent=2)
            (place / PROCESSOR_FILE).write_text(settings + "\n", encoding="utf-8")
            written = {path.name for path in place.iterdir()}
        # Remove files of an earlier processor that would take precedence over the new ones.
        for name, stale in (
            (OLD_REFERENCE_FILE, bool(entries)),
            (PRONUNCIATIONS, not phones),
            (SPEAKER_ENCODER, self.speaker_encoder is None),
        ):
            if stale:
                (folder / name).unlink(missing_ok=True)
        if push_to_hub:
            _ProcessorFolder(folder, written).push_to_hub(kwargs.pop("repo_id", folder.name), **kwargs)
        return [str(folder / PROCESSOR_FILE)]

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> Any:
        """Upload a folder of `save_pretrained`. Takes the arguments of transformers' `push_to_hub`."""
        with TemporaryDirectory() as place:
            self.save_pretrained(place)
            return _ProcessorFolder(Path(place), set(os.listdir(place))).push_to_hub(repo_id, **kwargs)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load from a folder or a Hub id. See `get_processor_dict` for the keyword arguments.

        Raises:
            OSError: a file is missing, or the codec cannot be loaded.
            ValueError: a file is damaged or a value is invalid; the message names it.
        """
        with _warn_in_pipelines(kwargs):
            return super().from_pretrained(*args, **kwargs)

    @classmethod
    def get_processor_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], load_audio_tokenizer: bool = True, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read processor_config.json and load its codec. `from_pretrained` accepts the same options.

        Args:
            pretrained_model_name_or_path: a folder or a Hub id.
            load_audio_tokenizer: False for a processor without a codec.
            **kwargs: Hub options, values that override those of the file, and options of tokenizer and feature
                extractor, such as `padding_side`, `model_max_length` or `sampling_rate`.
        """
        hub = {key: kwargs.pop(key) for key in HUB_OPTIONS if key in kwargs}
        placing: dict[str, Any] = {key: kwargs.pop(key) for key in _CODEC_OPTIONS if key in kwargs}
        with_codec = load_audio_tokenizer and "audio_tokenizer" not in kwargs
        check_processor(Repository.of(pretrained_model_name_or_path, hub))
        settings = processor_files.read(str(pretrained_model_name_or_path), with_codec, hub, placing)
        return settings, kwargs

    @classmethod
    def from_args_and_dict(cls, args: list[Any], processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Create a processor from parts and settings. The codec is checked against them when it is used."""
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
        # Do not use the Auto classes: they could return classes of other packages.
        hub = {key: kwargs.pop(key) for key in HUB_OPTIONS if key in kwargs}
        given = {key: value for key, value in kwargs.items() if key not in _NOT_FOR_PARTS}
        for_audio = {key: value for key, value in given.items() if key in _EXTRACTOR_OPTIONS or key == "padding_side"}
        for_text = {key: value for key, value in given.items() if key not in _EXTRACTOR_OPTIONS}
        return [
            DiaFeatureExtractor.from_pretrained(pretrained_model_name_or_path, **hub, **for_audio),
            DiaTokenizer.from_pretrained(pretrained_model_name_or_path, **hub, **for_text),
        ]


class _ProcessorFolder(PushToHubMixin):
    """The files of a saved processor. `push_to_hub` uploads them.

    Args:
        folder: may contain other files, such as a model.
        names: of the processor's files and subfolders. A codec that `processor_config.json` names is added.
    """

    def __init__(self, folder: Path, names: Collection[str]) -> None:
        self._folder, self._names = folder, names

    def save_pretrained(self, save_directory: str, **_: Any) -> None:
        """Copy the files, for `push_to_hub`."""
        settings = processor_files.portable(read_json(self._folder / PROCESSOR_FILE))
        own = {CODEC_FOLDER} if processor_files.contains_codec(settings) else set[str]()
        for path in (self._folder / name for name in own.union(self._names)):
            if path.is_dir():
                shutil.copytree(path, Path(save_directory, path.name))
            else:
                shutil.copy(path, save_directory)
        text = json.dumps(settings, indent=2) + "\n"
        Path(save_directory, PROCESSOR_FILE).write_text(text, encoding="utf-8")


class ProcessorSettingsReader(ProcessorMixin):
    """Replaces `ProcessorMixin` where AutoProcessor looks up a processor's class.

    `ProcessorMixin` would load the codec by the reference for transformers, and fail if the folder has been moved.
    """

    @classmethod
    def get_processor_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read the settings of a Dia processor from its file, and those of other processors with `ProcessorMixin`."""
        hub = {key: kwargs[key] for key in HUB_OPTIONS if key in kwargs}
        with _warn_in_pipelines(kwargs):
            settings = processor_files.settings_of(str(pretrained_model_name_or_path), hub)
        if settings.get("processor_class") == "DiaProcessor":
            return settings, kwargs
        read: tuple[dict[str, Any], dict[str, Any]] = super().get_processor_dict(
            pretrained_model_name_or_path, **kwargs
        )
        return read


@contextmanager
def _warn_in_pipelines(kwargs: Mapping[str, Any]) -> Iterator[None]:
    """Warn about errors that a pipeline ignores. It continues without the processor and its codec."""
    try:
        yield
    except Exception as error:
        if "_from_pipeline" in kwargs:
            consequence = "The pipeline continues without the processor and returns codes instead of audio, because of"
            warnings.warn(f"{consequence} {type(error).__name__}: {error}", DiaWarning, stacklevel=3)
        raise


__all__ = ["ProcessorSettingsReader", "SavedProcessor"]
