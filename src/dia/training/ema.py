"""A running average of the weights that are trained, kept beside the model. Knows parameters and one file."""

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
        model: whose weights are averaged; its average begins with them.
        decay: what of the average stays at each step, below 1; at step n no more than n / (n + 20), so that the first
            weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._model = model
        self.weights: dict[str, Tensor] = {}
        self.restart()

    def restart(self) -> None:
        """Begin anew with the model's present weights."""
        self.weights = {name: weight.detach().float().clone() for name, weight in self._trained()}

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, weight) for name, weight in self._model.named_parameters() if weight.requires_grad)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after step number `step`, the first being 1, into the average."""
        away = 1 - min(self.decay, step / (step + _WARMUP))
        present = [weight.detach().float() for _, weight in self._trained()]
        torch._foreach_lerp_(list(self.weights.values()), present, away)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averaged weights as long as the block runs."""
        own = {name: weight.data for name, weight in self._trained()}
        try:
            for name, weight in self._trained():
                weight.data = self.weights[name].to(weight.dtype)
            yield
        finally:
            for name, weight in self._trained():
                weight.data = own[name]

    def save(self, folder: Path) -> None:
        """Write the average into a checkpoint's folder."""
        save_file({name: weight.contiguous() for name, weight in self.weights.items()}, folder / FILE)

    def load(self, folder: Path) -> None:
        """Read it again; a checkpoint without one begins a new average from its weights."""
        self.restart()
        if not (folder / FILE).is_file():
            return
        for name, weight in load_file(folder / FILE).items():
            if name in self.weights:
                self.weights[name].copy_(weight)


class AverageCallback(TrainerCallback):
    """Lets an average follow the training."""

    def __init__(self, average: RunningAverage) -> None:
        self._average = average

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After each update."""
        self._average.update(state.global_step)


__all__ = ["RunningAverage"]
