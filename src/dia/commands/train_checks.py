"""What can be seen to be wrong with a command to train before any work is done: its numbers and its folders.

Knows arguments and files. Loads no torch, and knows nothing of training.
"""

import json
import re
from argparse import ArgumentTypeError
from pathlib import Path

_MODEL_FILES = "config.json, weights, preprocessor_config.json, processor_config.json and, inside or named, a codec"


def count(text: str) -> int:
    """A whole number of 1 or more."""
    return _at_least(int(text), 1)


def seed(text: str) -> int:
    """A whole number from 0 to 2**32 - 1, which is what numpy's generators take."""
    if not 0 <= int(text) < 2**32:
        raise ArgumentTypeError(f"{text} must be 0 to 2**32 - 1")
    return int(text)


def positive(text: str) -> float:
    """A number above 0."""
    if not 0 < float(text) < float("inf"):
        raise ArgumentTypeError(f"{text} must be above 0")
    return float(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    if not 0 <= float(text) <= 1:
        raise ArgumentTypeError(f"{text} must be a share, 0 to 1")
    return float(text)


def part(text: str) -> float:
    """A number from 0 to below 1."""
    if not 0 <= float(text) < 1:
        raise ArgumentTypeError(f"{text} must be at least 0 and below 1")
    return float(text)


def _at_least(number: int, least: int) -> int:
    if number < least:
        raise ArgumentTypeError(f"{number} must be {least} or more")
    return number


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
        _check_id(source, "--model")
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
            f"{_MODEL_FILES}. Make one: python conversion_scripts/convert_dia_checkpoint.py {folder} NEW --codec CODEC"
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
        _check_id(source, "--from")


def _check_id(source: str, option: str) -> None:
    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", source):
        raise ValueError(
            f"{option} {source}: there is no such folder. Name a folder, or an id of the Hub: owner/name."
        )


def _check_kind(folder: Path, kind: str) -> None:
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} holds no model: there is no config.json in it.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        found = config.get("model_type", "dia" if "model" in config else "unknown")  # the first native ones say none
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Copy or download it again.") from error
    if found != kind:
        raise ValueError(f"{folder} holds a model of type {found}; a {kind} is wanted here.")


__all__ = ["check_codec", "check_model", "check_place", "count", "part", "positive", "seed", "share"]
