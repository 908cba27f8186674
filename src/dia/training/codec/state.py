"""The state of a codec's training on disk: write it atomically, read it, and check that it fits the codec."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DacConfig

from dia.runtime.files.atomic import atomic_file

STATE = "state.pt"
# The config entries that determine shapes and the meaning of codes.
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
    """Write `state.pt`; the previous one is kept until the new one is complete on disk.

    Raises:
        OSError: the file cannot be written, such as on a full disk.
    """
    try:
        with atomic_file(folder / STATE) as path, path.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch wraps errors of the disk
        raise OSError(
            f"{folder / STATE} cannot be written ({error}). Free disk space and run the same command again: training "
            f"continues from the previous state, if there is one."
        ) from error


def read_state(folder: Path, device: torch.device | str = "cpu") -> State | None:
    """The state in `folder`, or None. "log" holds the log lines that older versions saved in the state.

    Raises:
        ValueError: `state.pt` cannot be read.
    """
    if not (folder / STATE).exists():
        return None
    state = _load(folder / STATE, device)
    return {"log": [], **state} if "optimizer" in state else _from_older(state, folder, device)


def check_sizes(state: State, config: DacConfig, weights: dict[str, Tensor], folder: Path) -> None:
    """Check that a state belongs to a codec with this config.

    Raises:
        ValueError: it does not; the message names the first size, or in older states the first weight, that differs.
    """
    remedy = "Use the sizes that it was started with, or another work folder."
    for name, ours in sizes_of(config).items():
        theirs = state.get("sizes", {}).get(name, ours)
        if theirs != ours:
            raise ValueError(f"{folder / STATE} is from a codec with {name} {theirs}, not {ours}. {remedy}")
    for name, weight in weights.items():
        saved = state["codec"].get(name)
        if saved is None or saved.shape != weight.shape:
            shape = "is missing in it" if saved is None else f"has shape {tuple(saved.shape)} in it"
            raise ValueError(
                f"{folder / STATE} is from another codec: {name}, here {tuple(weight.shape)}, {shape}. {remedy}"
            )


def check_origin(state: State, origin: str, folder: Path) -> None:
    """Check that a state was started from weights with the checksum `origin`; older states have no checksum.

    Raises:
        ValueError: it was started from other weights.
    """
    if state.get("origin", origin) != origin:
        raise ValueError(
            f"{folder / STATE} was started from another codec, or with another seed. Use those that it was started "
            f"with, or another work folder."
        )


def check_disk_space(folder: Path, weights: dict[str, Tensor]) -> None:
    """Check that there is space for two states of weights, average and the optimizer's two moments.

    Raises:
        OSError: there is too little disk space; the message says how much is needed.
    """
    needed = 2 * 4 * sum(weight.numel() * weight.element_size() for weight in weights.values())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"{folder} has {free / 1e6:.0f} MB free; saving needs {needed / 1e6:.0f} MB. Free disk space first."
        )


def _load(path: Path, device: torch.device | str) -> State:
    try:
        content: State = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many types for damaged files
        raise ValueError(f"{path} cannot be read ({error}). Delete it to start again.") from error
    return content


def _from_older(state: State, folder: Path, device: torch.device | str) -> State:
    """Convert an older state, with the log in the progress and the optimizer in a separate file.

    The optimizer is used only if it has the same number of steps as the state. They differ if a run was killed between
    writing the two files.
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
