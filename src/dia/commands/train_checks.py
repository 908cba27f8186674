"""What can be seen to be wrong with a command to train before any work is done: its folders and its models.

Knows arguments and files. Loads no torch, and knows nothing of training.
"""

import os
import re
from pathlib import Path

from dia.checkpoints.source import check_source, why_out_of_reach
from dia.runtime.reading import read_json

_MODEL_FILES = "config.json, weights, preprocessor_config.json, processor_config.json and, inside or named, a codec"


def check_place(folder: Path, data: str, option: str = "--output") -> None:
    """Refuse a folder to write in that cannot be one, or lies among the recordings, where samples would become data.

    Raises:
        ValueError: it is such a folder.
        OSError: it cannot be made or written in.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder as {option}.")
    source = Path(data).expanduser()
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{option} {folder} lies in --data {data}; name a folder outside the recordings.")
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    trial = nearest / f".{folder.name}.trial"
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        raise OSError(f"{folder} cannot be written ({error.strerror}); name another {option}.") from error


def check_model(source: str) -> None:
    """Refuse a folder that holds no Dia to train: none, another model, adapters, a checkpoint, no processor.

    What is no folder and does not look like one is left to the Hub.

    Raises:
        ValueError: it is such a folder; the message says what is missing and what to do.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        _check_id(source, "--model", "dia")
        return
    if (folder / "trainer_state.json").is_file():
        raise ValueError(
            f"--model {folder} is a checkpoint within a run; go on with --output {folder.parent} --resume."
        )
    if (folder / "adapter_config.json").is_file():
        raise ValueError(
            f"--model {folder} holds adapters alone. Train the model they belong to, or merge them into it first "
            f"(train without --keep-adapter)."
        )
    _check_kind(folder, "dia")
    if not (folder / "preprocessor_config.json").is_file():
        raise ValueError(
            f"--model {folder} holds a model without its processor, as native weights do: a folder to train has "
            f"{_MODEL_FILES}. Make one: dia convert model {folder} NEW --codec CODEC"
        )


def check_codec(source: str) -> None:
    """Refuse a folder that holds no codec of the DAC kind; what is no folder is left to the Hub.

    Raises:
        ValueError: it is such a folder.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        _check_kind(folder, "dac")
    else:
        _check_id(source, "--from", "dac")


def check_data(source: str) -> None:
    """Refuse data that is no folder, and that the Hub will not give.

    Raises:
        ValueError: it is neither, or the Hub cannot be asked and its cache does not hold it.
    """
    from huggingface_hub import constants

    if Path(source).expanduser().exists():
        return
    if not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", source):
        raise ValueError(f"--data {source}: there is no such folder. Name a folder, or a data set of the Hub.")
    cache = Path(os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME) / "datasets")
    if (cache / source.replace("/", "___")).is_dir():
        return
    if reason := why_out_of_reach(source, "README.md", "dataset"):
        raise ValueError(f"--data {source} is no folder, and {reason}.")


def _check_id(source: str, option: str, kind: str) -> None:
    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", source):
        raise ValueError(
            f"{option} {source}: there is no such folder. Name a folder, or an id of the Hub: owner/name."
        )
    try:
        check_source(source, kind)
    except OSError as error:
        raise ValueError(f"{option} {error}") from None


def _check_kind(folder: Path, kind: str) -> None:
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} holds no model: there is no config.json in it.")
    config = read_json(path)
    found = config.get("model_type", "dia" if "model" in config else "unknown")  # the first native ones have none
    if found != kind:
        raise ValueError(f"{folder} holds a model of type {found}; a {kind} is wanted here.")


__all__ = ["check_codec", "check_data", "check_model", "check_place"]
