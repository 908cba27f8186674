"""A running average of the trained weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback

FILE = "average.safetensors"
_WARMUP = 20


class RunningAverage:
    """The exponential moving average of every parameter that takes a gradient, in float32.

    Args:
        model: the model whose weights are averaged. The average starts with its current weights.
        decay: share of the average that is kept at each step, below 1. At step n it is at most n / (n + 20), so that
            the initial weights soon lose their influence.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._model = model
        self.weights: dict[str, Tensor] = {}
        self.restart()

    def restart(self) -> None:
        """Start again with the model's current weights."""
        self.weights = {name: weight.detach().float().clone() for name, weight in self._trained()}

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, weight) for name, weight in self._model.named_parameters() if weight.requires_grad)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the weights after step `step` to the average; the first step is 1."""
        away = 1 - min(self.decay, step / (step + _WARMUP))
        present = [weight.detach().float() for _, weight in self._trained()]
        torch._foreach_lerp_(list(self.weights.values()), present, away)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the averaged weights inside the `with` block."""
        own = {name: weight.data for name, weight in self._trained()}
        try:
            for name, weight in self._trained():
                weight.data = self.weights[name].to(weight.dtype)
            yield
        finally:
            for name, weight in self._trained():
                weight.data = own[name]

    def save(self, folder: Path) -> None:
        """Write the average to a checkpoint's folder."""
        save_file({name: weight.contiguous() for name, weight in self.weights.items()}, folder / FILE)

    def load(self, folder: Path) -> None:
        """Load the average from a checkpoint's folder; if it has none, start with the current weights."""
        self.restart()
        if not (folder / FILE).is_file():
            return
        for name, weight in load_file(folder / FILE).items():
            if name in self.weights:
                self.weights[name].copy_(weight)


class AverageCallback(TrainerCallback):
    """Updates an average after each step."""

    def __init__(self, average: RunningAverage) -> None:
        self._average = average

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Update the average."""
        self._average.update(state.global_step)


__all__ = ["RunningAverage"]
