"""What a run that was stopped goes on from: its last whole checkpoint, whether that is of this run, its learning rate.

Knows the files of transformers' checkpoints, adapters and optimisers. Knows nothing of data or losses.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dia.training.lora import is_adapted

STATE = "trainer_state.json"
ADAPTER = "adapter_config.json"
_REMEDY = "Go on with the model, the adapters and the frozen half that the run was begun with, or begin another run."


def last_checkpoint(folder: str | Path) -> Path | None:
    """The checkpoint of most steps that was written to its end; one that a kill cut short does not count."""
    there = [path.parent for path in Path(folder).glob(f"checkpoint-*/{STATE}")]
    steps = {path: path.name.rpartition("-")[2] for path in there}
    whole = [path for path in there if steps[path].isdigit() and _parses(path / STATE)]
    return max(whole, key=lambda path: int(steps[path]), default=None)


def check_adapters(checkpoint: Path, model: Any) -> None:
    """Refuse a checkpoint of adapters for a model without, and the other way round, and adapters of another rank.

    Raises:
        ValueError: they do not fit.
    """
    saved = checkpoint / ADAPTER
    if saved.is_file() != is_adapted(model):
        there, here = ("low-rank adapters", "all weights") if saved.is_file() else ("all weights", "low-rank adapters")
        raise ValueError(f"{checkpoint} is of a run that trains {there}, and this one trains {here}. {_REMEDY}")
    if not saved.is_file():
        return
    was = json.loads(saved.read_text(encoding="utf-8"))
    now = next(iter(model.peft_config.values()))
    if was["r"] != now.r:
        raise ValueError(
            f"{checkpoint} holds adapters of rank {was['r']}, and this run's have rank {now.r}. {_REMEDY}"
        )
    if was["target_modules"] != now.target_modules:
        raise ValueError(f"{checkpoint} holds adapters of other layers than this run has. {_REMEDY}")


def mismatch(checkpoint: Path, error: Exception) -> ValueError:
    """What to raise when weights or the optimiser's moments of a checkpoint have other shapes than this run's."""
    return ValueError(f"{checkpoint} is of another run than this one ({str(error).splitlines()[0]}). {_REMEDY}")


@contextmanager
def keep_learning_rates(optimizer: Any, scheduler: Any) -> Iterator[None]:
    """What a checkpoint's optimiser and schedule, loaded within, have as learning rates becomes what they have now.

    Without that a run could not go on more gently than it began: the schedule keeps its first rate in the checkpoint.
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


__all__ = ["check_adapters", "keep_learning_rates", "last_checkpoint", "mismatch"]
