"""The state of a codec's training on disk: one file that is whole or not there, and what today's older files hold.

Knows files and sizes. Knows nothing of stages, losses or audio.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DacConfig

from dia.runtime.atomic import atomic_file

STATE = "state.pt"
# What makes two codecs differ in shape or in meaning.
SIZES = (
    "sampling_rate",
    "encoder_hidden_size",
    "decoder_hidden_size",
    "downsampling_ratios",
    "n_codebooks",
    "codebook_size",
    "codebook_dim",
)

State = dict[str, Any]


def sizes_of(config: DacConfig) -> dict[str, Any]:
    """The entries of `SIZES`, as plain numbers and lists."""
    found = {name: getattr(config, name) for name in SIZES}
    return {**found, "downsampling_ratios": list(config.downsampling_ratios)}


def write_state(folder: Path, state: State) -> None:
    """Write `state.pt`; the one before it stays until this one is whole and on the disk.

    Raises:
        OSError: it cannot be written, such as on a full disk.
    """
    try:
        with atomic_file(folder / STATE) as path, path.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch wraps what the disk says
        raise OSError(
            f"{folder / STATE} cannot be written ({error}). Make room there and start again: training goes on from "
            f"the state before it, if there is one."
        ) from error


def read_state(folder: Path, device: torch.device | str = "cpu") -> State | None:
    """What `folder` holds, or None: what the trainer saved, and "log", the lines that only older states hold.

    Raises:
        ValueError: `state.pt` cannot be read.
    """
    if not (folder / STATE).exists():
        return None
    state = _load(folder / STATE, device)
    return {"log": [], **state} if "optimizer" in state else _from_older(state, folder, device)


def check_sizes(state: State, config: DacConfig, weights: dict[str, Tensor], folder: Path) -> None:
    """Refuse a state of another codec.

    Raises:
        ValueError: it names the first size, or in older states the first weight, that differs.
    """
    remedy = "Give the sizes it was begun with, or another folder to work in."
    for name, ours in sizes_of(config).items():
        theirs = state.get("sizes", {}).get(name, ours)
        if theirs != ours:
            raise ValueError(f"{folder / STATE} is of a codec with {name} {theirs}, not {ours}. {remedy}")
    for name, weight in weights.items():
        saved = state["codec"].get(name)
        if saved is None or saved.shape != weight.shape:
            shape = "is not in it" if saved is None else f"has shape {tuple(saved.shape)} in it"
            raise ValueError(
                f"{folder / STATE} is of another codec: {name}, here {tuple(weight.shape)}, {shape}. {remedy}"
            )


def check_origin(state: State, origin: str, folder: Path) -> None:
    """Refuse a state that was begun from other weights than those with the checksum `origin`; older ones do not say.

    Raises:
        ValueError: it was.
    """
    if state.get("origin", origin) != origin:
        raise ValueError(
            f"{folder / STATE} was begun from another codec, or with another seed. Give the one it was begun with, or "
            f"another folder to work in."
        )


def check_disk_space(folder: Path, weights: dict[str, Tensor]) -> None:
    """Refuse to begin where the states will not fit: weights, average, two moments, and all of it once more.

    Raises:
        OSError: there is too little room; the message says how much is needed.
    """
    needed = 2 * 4 * sum(weight.numel() * weight.element_size() for weight in weights.values())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(f"{folder} has {free / 1e6:.0f} MB free; saving needs {needed / 1e6:.0f} MB. Make room first.")


def _load(path: Path, device: torch.device | str) -> State:
    try:
        content: State = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises of many kinds for damaged files
        raise ValueError(f"{path} cannot be read ({error}). Delete it to begin anew.") from error
    return content


def _from_older(state: State, folder: Path, device: torch.device | str) -> State:
    """Older states have the log inside the progress, and the optimiser in a file of its own.

    Such an optimiser is taken only if it has made as many steps as the state: a kill between the two files leaves one
    that has not.
    """
    progress = dict(state["progress"])
    log = progress.pop("log", [])
    path, optimizer = folder / "optimizer.pt", None
    if path.exists():
        found = _load(path, device)
        made = {int(moments["step"]) for moments in found["state"].values()}
        optimizer = found if made == {progress["step"]} else None
    progress = {"drawn": progress["step"], **progress}
    return {**state, "progress": progress, "log": log, "optimizer": optimizer, "use": None, "adversary": None}
