"""Checks of the folders, models and data that a training command names, made before torch is loaded."""

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from dia.checkpoints.source import check_source, unavailable_reason
from dia.runtime.files.reading import read_json

_MODEL_FILES = "config.json, weights, preprocessor_config.json, processor_config.json and a codec (or the id of one)"


def check_place(folder: Path, data: str, option: str = "--output") -> None:
    """Check the folder that a command writes to.

    It must not lie inside the recordings, because samples written there would become training data. It may be the
    working directory if files are added to it; a command that replaces it also calls `check_vacant`.

    Raises:
        ValueError: `folder` is a file, or lies inside `data`.
        OSError: it cannot be created or written to.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; {option} must be a folder.")
    source = Path(data).expanduser()
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{option} {folder} lies inside --data {data}. Choose a folder outside the recordings.")
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with TemporaryDirectory(prefix=".dia-", dir=nearest):  # its own: several processes of a run may check at once
            pass
    except OSError as error:
        raise OSError(f"{folder} cannot be written ({error.strerror}). Choose another {option}.") from error


def check_model(source: str) -> None:
    """Check that `source` is a Dia that can be trained: a folder with model and processor, or an id on the Hub.

    Raises:
        ValueError: it is not, such as a folder with another model, only adapters, a checkpoint of a run, or no
            processor. The message says what is missing and what to do.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        _check_id(source, "--model", "dia")
        return
    if (folder / "trainer_state.json").is_file():
        raise ValueError(
            f"--model {folder} is a checkpoint of a run. Continue that run with --output {folder.parent} --resume."
        )
    if (folder / "adapter_config.json").is_file():
        raise ValueError(
            f"--model {folder} contains only adapters. Train the model they belong to, or merge them into it first "
            f"(train without --keep-adapter)."
        )
    _check_kind(folder, "dia")
    if not (folder / "preprocessor_config.json").is_file():
        raise ValueError(
            f"--model {folder} contains a model without a processor, such as native weights. A folder to train needs "
            f"{_MODEL_FILES}. To make one, run: dia convert model {folder} NEW --codec CODEC"
        )


def check_codec(source: str) -> None:
    """Check that `source` is a folder with a DAC codec, or an id on the Hub.

    Raises:
        ValueError: it is neither.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        _check_kind(folder, "dac")
    else:
        _check_id(source, "--from", "dac")


def check_data(source: str) -> None:
    """Check that `source` is a folder, or a data set that can be loaded from the Hub or its cache.

    Raises:
        ValueError: it is neither.
    """
    from huggingface_hub import constants

    if Path(source).expanduser().exists():
        return
    if not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", source):
        raise ValueError(f"--data {source}: no such folder. Pass a folder, or the id of a data set on the Hub.")
    cache = Path(os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME) / "datasets")
    if (cache / source.replace("/", "___")).is_dir():
        return
    if reason := unavailable_reason(source, "README.md", "dataset"):
        raise ValueError(f"--data {source} is not a folder, and {reason}.")


def _check_id(source: str, option: str, kind: str) -> None:
    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", source):
        raise ValueError(f"{option} {source}: no such folder. Pass a folder, or an id on the Hub such as owner/name.")
    try:
        check_source(source, kind)
    except OSError as error:
        raise ValueError(f"{option} {error}") from None


def _check_kind(folder: Path, kind: str) -> None:
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} contains no model: config.json is missing.")
    config = read_json(path)
    # The first native files name no type.
    found = config.get("model_type", "dia" if "model" in config else "unknown")
    if found != kind:
        raise ValueError(f"{folder} contains a model of type {found}; expected type {kind}.")


__all__ = ["check_codec", "check_data", "check_model", "check_place"]
