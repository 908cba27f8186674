"""The Muon optimizer: orthogonalized momentum for the matrices of a network."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

# A quintic polynomial whose iteration brings all singular values close to 1 (Jordan et al., 2024, "Muon").
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


def orthogonalized(matrix: Tensor) -> Tensor:
    """A matrix [N, M] with the singular directions of `matrix` and singular values near 1."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp_min(1e-7)
    first, third, fifth = _QUINTIC
    for _ in range(_ITERATIONS):
        square = wide @ wide.T
        wide = first * wide + (third * square + fifth * square @ square) @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


class Muon(torch.optim.AdamW):
    """Updates matrices along their orthogonalized momentum, and all other parameters with AdamW.

    The step size matches that of Adam (Liu et al., 2025, section 2.2). Narrow matrices count as other parameters.

    Args:
        parameters: of a network. Those with three or more dimensions are matrices of the first by the others.
        lr: learning rate, as for AdamW.
        betas: of AdamW.
        weight_decay: decoupled, for all parameters.
        momentum: share of the momentum that is kept at each step.
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
        """Update every parameter that has a gradient; the gradients of matrices are set to None."""
        for group in self.param_groups:
            for parameter in group["params"] if group["momentum"] else ():
                if parameter.grad is not None:
                    self._move(parameter, group)
                    parameter.grad = None  # AdamW below skips parameters without one
        super().step()

    def _move(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        gradient = parameter.grad
        assert gradient is not None
        state: dict[str, Tensor] = self.state[parameter]
        if "momentum" not in state:
            state |= {"momentum": torch.zeros_like(parameter), "step": torch.zeros(())}  # AdamW's state has a step
        momentum = state["momentum"].mul_(group["momentum"]).add_(gradient)
        lookahead = gradient.add(momentum, alpha=group["momentum"]).flatten(1)
        size = 0.2 * max(lookahead.shape) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(orthogonalized(lookahead).view_as(parameter), alpha=-group["lr"] * size)


def is_matrix(parameter: nn.Parameter, narrowest: int = 8) -> bool:
    """Whether a parameter is updated as a matrix: both sides are at least `narrowest` wide."""
    return parameter.ndim >= 2 and min(parameter.shape[0], parameter.shape[1]) >= narrowest
