"""Leave out updates whose gradient is not finite although the loss is: rare shapes of a compiled kernel can cause it.

With float16, transformers' gradient scaler does this, and DeepSpeed does it in its own optimizer.
"""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import TrainerCallback

logger = logging.getLogger(__name__)

MOST = 10  # updates left out in a row; a training that has diverged goes on like that


class FiniteUpdates(TrainerCallback):
    """Clears the gradient before an update if a value in it is not finite, in any process.

    Args:
        count: the sum of a number over the processes.
        describe: the message of the error for a fact.
    """

    def __init__(self, count: Callable[[torch.Tensor], torch.Tensor], describe: Callable[[str], str]) -> None:
        self._count, self._describe, self._left_out = count, describe, 0

    def on_pre_optimizer_step(
        self, args: Any, state: Any, control: Any, model: Any = None, optimizer: Any = None, **kwargs: Any
    ) -> None:
        """Check the gradient.

        Raises:
            FloatingPointError: `MOST` updates in a row have been left out; no weight has been changed by them.
        """
        if not self._count(_not_finite(model)).item():
            self._left_out = 0
            return
        optimizer.zero_grad()
        self._left_out += 1
        if self._left_out == MOST:
            raise FloatingPointError(self._describe(f"{MOST} gradients in a row are not finite"))
        logger.warning("The gradient of step %d is not finite; this update is left out.", state.global_step + 1)


def _not_finite(model: nn.Module) -> torch.Tensor:
    """How many parameters have a gradient that is not finite."""
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    device = gradients[0].device if gradients else "cpu"
    return torch.stack([~gradient.isfinite().all() for gradient in gradients] or [torch.zeros(())]).sum().to(device)


__all__ = ["MOST", "FiniteUpdates"]
