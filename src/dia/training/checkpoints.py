"""Resume a run: find its last complete checkpoint, check that it fits, and apply the new learning rate."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from dia.training.lora import is_adapted

STATE = "trainer_state.json"
ADAPTER = "adapter_config.json"
MODEL = "config.json"
_WEIGHTS = (MODEL, "model*.safetensors*", ADAPTER, "adapter_model*")  # of a model and of adapters
_ADAPTER_FILES = (ADAPTER, "adapter_model.safetensors", "adapter_model.bin")
_UNKNOWN = {None, "", "None"}  # names of base models; transformers writes "None" for one made from a state dict
_REMEDY = "Resume with the model, adapters and frozen half that the run was started with, or start a new run."


def last_checkpoint(folder: str | Path) -> Path | None:
    """The complete checkpoint with the most steps; one whose writing was interrupted does not count."""
    there = [path.parent for path in Path(folder).glob(f"checkpoint-*/{STATE}")]
    steps = {path: path.name.rpartition("-")[2] for path in there}
    whole = [path for path in there if steps[path].isdigit() and _parses(path / STATE)]
    return max(whole, key=lambda path: int(steps[path]), default=None)


def check_adapters(checkpoint: Path, model: Any) -> None:
    """Check that a checkpoint has the same kind of weights as the model: all, or the same adapters of the same model.

    Raises:
        ValueError: it does not.
    """
    saved = checkpoint / ADAPTER
    if saved.is_file() != is_adapted(model):
        there, here = ("low-rank adapters", "all weights") if saved.is_file() else ("all weights", "low-rank adapters")
        raise ValueError(f"{checkpoint} is from a run that trains {there}, but this run trains {here}. {_REMEDY}")
    if not saved.is_file():
        return
    was = json.loads(saved.read_text(encoding="utf-8"))
    now = next(iter(model.peft_config.values()))
    for name, theirs, ours in (("rank", was["r"], now.r), ("alpha", was["lora_alpha"], now.lora_alpha)):
        if theirs != ours:
            raise ValueError(
                f"{checkpoint} contains adapters of {name} {theirs}, but this run has {name} {ours}. {_REMEDY}"
            )
    if was["target_modules"] != now.target_modules:
        raise ValueError(f"{checkpoint} contains adapters for different layers than this run. {_REMEDY}")
    theirs, ours = was.get("base_model_name_or_path"), now.base_model_name_or_path
    if not {theirs, ours} & _UNKNOWN and not _may_be_same(theirs, ours):
        raise ValueError(f"{checkpoint} contains adapters of {theirs}, but this run adapts {ours}. {_REMEDY}")


def _may_be_same(one: str, other: str) -> bool:
    """Whether two names of models may mean the same: two folders or two names on the Hub must be equal.

    A folder may be a copy of a model on the Hub, or have been moved.
    """
    if Path(one).is_dir() and Path(other).is_dir():
        return Path(one).samefile(other)
    return one == other or Path(one).is_dir() or Path(other).is_dir()


def remove_replaced(folder: Path, written: Collection[str]) -> None:
    """Remove the weights and configurations that an earlier save left in a folder, such as adapters now merged.

    The adapters' base model is kept if it is in the same folder.

    Args:
        folder: contains a finished model.
        written: the names of that model's files.
    """
    if ADAPTER in written:
        base = json.loads((folder / ADAPTER).read_text(encoding="utf-8")).get("base_model_name_or_path")
        if base and Path(base).resolve() == folder.resolve():
            return
    for pattern in _WEIGHTS:
        for path in folder.glob(pattern):
            if path.name not in written:
                path.unlink()


def remove_uploaded_adapters(repository: str, revision: str | None, token: str | None) -> None:
    """Remove adapters that were uploaded before they were merged. With them, the model would load as an adapter."""
    api = HfApi(token=token)
    left = [name for name in api.list_repo_files(repository, revision=revision) if name in _ADAPTER_FILES]
    if left:
        api.delete_files(repository, left, revision=revision, commit_message="Remove adapters, which are merged")


def mismatch(checkpoint: Path, error: Exception) -> ValueError:
    """The error for weights or optimizer states of a checkpoint whose shapes differ from this run's."""
    return ValueError(f"{checkpoint} does not fit this run ({str(error).splitlines()[0]}). {_REMEDY}")


@contextmanager
def keep_learning_rates(optimizer: Any, scheduler: Any) -> Iterator[None]:
    """Keep the current learning rates while a checkpoint's optimizer and schedule are loaded in the `with` block.

    The schedule in the checkpoint contains the initial rate of the run. Without this, a run could not be resumed with
    a lower rate.
    """
    wanted = list(getattr(scheduler, "base_lrs", []))
    yield
    for index, (rate, group) in enumerate(zip(wanted, optimizer.param_groups, strict=False)):
        begun = scheduler.base_lrs[index]
        if begun and begun != rate:
            group["lr"] *= rate / begun
            group["initial_lr"] = scheduler.base_lrs[index] = rate
            scheduler._last_lr[index] *= rate / begun


def _parses(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


__all__ = [
    "check_adapters",
    "keep_learning_rates",
    "last_checkpoint",
    "mismatch",
    "remove_replaced",
    "remove_uploaded_adapters",
]
