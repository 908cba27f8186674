"""Muon: momentum made orthogonal, for the matrices of a network. Knows parameters and gradients only."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

# A quintic whose iteration drives every singular value to about 1 (Jordan et al., 2024, "Muon").
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


def orthogonalised(matrix: Tensor) -> Tensor:
    """A matrix [N, M] with the singular directions of `matrix` and singular values near 1."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp_min(1e-7)
    first, third, fifth = _QUINTIC
    for _ in range(_ITERATIONS):
        square = wide @ wide.T
        wide = first * wide + (third * square + fifth * square @ square) @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


class Muon(torch.optim.AdamW):
    """Steps along the orthogonalised momentum, of the size that Adam's steps have (Liu et al., 2025, section 2.2);
    what is no matrix, or a narrow one, follows AdamW.

    Args:
        parameters: all of a network; those of three dimensions and more are matrices of their first by the others.
        lr: learning rate, as for AdamW.
        betas: of AdamW.
        weight_decay: decoupled, of all.
        momentum: what of the momentum stays at each step.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.98),
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        every = list(parameters)
        groups = [
            {"params": [weight for weight in every if is_matrix(weight)], "momentum": momentum},
            {"params": [weight for weight in every if not is_matrix(weight)], "momentum": 0.0},
        ]
        super().__init__([group for group in groups if group["params"]], lr, betas, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient; the gradients of matrices are spent."""
        for group in self.param_groups:
            for parameter in group["params"] if group["momentum"] else ():
                if parameter.grad is not None:
                    self._move(parameter, group)
                    parameter.grad = None  # AdamW below leaves alone what has none
        super().step()

    def _move(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        gradient = parameter.grad
        assert gradient is not None
        state: dict[str, Tensor] = self.state[parameter]
        if "momentum" not in state:
            state |= {"momentum": torch.zeros_like(parameter), "step": torch.zeros(())}  # AdamW reads back a step
        momentum = state["momentum"].mul_(group["momentum"]).add_(gradient)
        ahead = gradient.add(momentum, alpha=group["momentum"]).flatten(1)
        size = 0.2 * max(ahead.shape) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(orthogonalised(ahead).view_as(parameter), alpha=-group["lr"] * size)


def is_matrix(parameter: nn.Parameter, narrowest: int = 8) -> bool:
    """Whether orthogonal steps make sense for a parameter: both sides are at least `narrowest` wide."""
    return parameter.ndim >= 2 and min(parameter.shape[0], parameter.shape[1]) >= narrowest
