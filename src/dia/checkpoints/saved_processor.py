"""The half of DiaProcessor that writes and reads its folder.

Knows which options are for which part. How the folder is laid out is known to `dia.checkpoints.processor_files`.
"""

import inspect
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers.processing_utils import ProcessorMixin

from dia.checkpoints import processor_files
from dia.checkpoints.processor_checks import check_processor
from dia.checkpoints.processor_files import (
    CODEC_FOLDER,
    FINAL_STOP,
    HUB_OPTIONS,
    OLD_REFERENCE_FILE,
    OWN_OPTIONS,
    PROCESSOR_FILE,
)
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.runtime.atomic import atomic_entries
from dia.runtime.repository import Repository
from dia.runtime.warnings import DiaWarning
from dia.tokenization_dia import PRONUNCIATIONS, DiaTokenizer

_CODEC_OPTIONS = ("device_map", "dtype")
# Keyword arguments of `from_pretrained` that are meant for no part.
_FOR_NO_PART = (
    *(
        *OWN_OPTIONS,
        FINAL_STOP,
        *_CODEC_OPTIONS,
        "load_audio_tokenizer",
        "feature_extractor",
        "tokenizer",
        "audio_tokenizer",
    ),
    *("trust_remote_code", "return_unused_kwargs", "_from_auto", "_from_pipeline"),
)
_EXTRACTOR_OPTIONS = {*inspect.signature(DiaFeatureExtractor.__init__).parameters, "return_attention_mask"}


class SavedProcessor(ProcessorMixin):
    """The half of `DiaProcessor` that writes and reads its folder."""

    final_stop: bool

    def to_dict(self) -> dict[str, Any]:
        """What `processor_config.json` holds, but for where the codec is."""
        settings = {name: getattr(self, name) for name in OWN_OPTIONS}
        settings |= {FINAL_STOP: True} if self.final_stop else {}
        return {**settings, "feature_extractor": self.feature_extractor.to_dict(), "processor_class": "DiaProcessor"}

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
        phones = self.tokenizer.pronunciations is not None
        where = processor_files.where(folder, self.audio_tokenizer, audio_tokenizer_reference, foreign=not phones)
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
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load from a folder or a Hub id; for the keyword arguments see `get_processor_dict`.

        Raises:
            OSError: a file is missing, or the codec cannot be loaded.
            ValueError: a file is damaged or a value unusable; the message names it.
        """
        with _pipelines_told(kwargs):
            return super().from_pretrained(*args, **kwargs)

    @classmethod
    def get_processor_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], load_audio_tokenizer: bool = True, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read processor_config.json and load the codec it names; `from_pretrained` takes the same options.

        Args:
            pretrained_model_name_or_path: a folder or a Hub id.
            load_audio_tokenizer: False for a processor without a codec.
            **kwargs: options of the Hub, values that override the file's, and options of tokenizer and feature
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
        with _pipelines_told(kwargs):
            settings = processor_files.settings_of(str(pretrained_model_name_or_path), hub)
        if settings.get("processor_class") == "DiaProcessor":
            return settings, kwargs
        read: tuple[dict[str, Any], dict[str, Any]] = super().get_processor_dict(
            pretrained_model_name_or_path, **kwargs
        )
        return read


@contextmanager
def _pipelines_told(kwargs: Mapping[str, Any]) -> Iterator[None]:
    """Warn about an error that a pipeline drops: it goes on without the processor, and without a codec."""
    try:
        yield
    except Exception as error:
        if "_from_pipeline" in kwargs:
            consequence = (
                "The pipeline goes on without the processor and returns codes in place of sound, because of this"
            )
            warnings.warn(f"{consequence} {type(error).__name__}: {error}", DiaWarning, stacklevel=3)
        raise


__all__ = ["ProcessorGlance", "SavedProcessor"]
