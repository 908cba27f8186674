"""The Muon optimizer: orthogonalized momentum for the matrices of a network."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dia.runtime.resources.processor import multiplies_bfloat16
from dia.training import distributed

# A quintic polynomial whose iteration brings all singular values close to 1 (Jordan et al., 2024, "Muon").
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


def orthogonalized(matrix: Tensor) -> Tensor:
    """A matrix [N, M] with the singular directions of `matrix` and singular values near 1.

    The products are in bfloat16 where the processor multiplies in it.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp_min(1e-7)
    if multiplies_bfloat16(wide.device):
        wide = wide.bfloat16()
    first, third, fifth = _QUINTIC
    for _ in range(_ITERATIONS):
        square = wide @ wide.T
        change = torch.addmm(square, square, square, beta=third, alpha=fifth)
        wide = torch.addmm(wide, change, wide, beta=first)
    return (wide if matrix.shape[0] <= matrix.shape[1] else wide.T).to(matrix.dtype)


class Muon(torch.optim.AdamW):
    """Updates matrices along their orthogonalized momentum, and all other parameters with AdamW.

    In several processes, gradients must be averaged first; each process orthogonalizes a share of the matrices.
    The step size matches that of Adam (Liu et al., 2025, section 2.2). Narrow matrices count as other parameters.

    Args:
        parameters: of a network, or groups of them as for AdamW. Those with three or more dimensions are matrices of
            the first by the others. AdamW updates all parameters of a group with a `momentum` of 0.
        lr: learning rate, as for AdamW.
        betas: of AdamW.
        weight_decay: decoupled, for all parameters.
        momentum: share of the momentum that is kept at each step.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.98),
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        given: list[Any] = list(parameters)
        groups = given if given and isinstance(given[0], dict) else [{"params": given}]
        parts = [part for group in groups for part in _parts(group, momentum)]
        super().__init__(parts, lr, betas, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient; the gradients of matrices are set to None."""
        moved = [
            (parameter, group)
            for group in self.param_groups
            for parameter in (group["params"] if group["momentum"] else ())
            if parameter.grad is not None
        ]
        directions = _shared([self._lookahead(parameter, group) for parameter, group in moved])
        for (parameter, group), direction in zip(moved, directions, strict=True):
            size = 0.2 * max(direction.shape) ** 0.5
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(direction.view_as(parameter), alpha=-group["lr"] * size)
            parameter.grad = None  # AdamW below skips parameters without one
        super().step()

    def _lookahead(self, parameter: nn.Parameter, group: dict[str, Any]) -> Tensor:
        """The momentum as it will be after another such gradient, [N, M]."""
        gradient = parameter.grad
        assert gradient is not None
        state: dict[str, Tensor] = self.state[parameter]
        if "momentum" not in state:
            state |= {"momentum": torch.zeros_like(parameter), "step": torch.zeros(())}  # AdamW's state has a step
        momentum = state["momentum"].mul_(group["momentum"]).add_(gradient)
        return gradient.add(momentum, alpha=group["momentum"]).flatten(1)


def _shared(matrices: list[Tensor]) -> list[Tensor]:
    """All matrices orthogonalized. The processes divide the work; their matrices must be equal."""
    by_size = sorted(range(len(matrices)), key=lambda index: matrices[index].numel())
    own = set(by_size[distributed.rank() :: distributed.processes()])
    directions = [
        orthogonalized(matrix) if index in own else torch.zeros_like(matrix) for index, matrix in enumerate(matrices)
    ]
    distributed.add(directions)
    return directions


def _parts(group: dict[str, Any], momentum: float) -> Iterator[dict[str, Any]]:
    """The matrices of a group, and its other parameters, whose momentum is 0."""
    momentum = group.get("momentum", momentum)
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for weight in group["params"]:
        (matrices if momentum and is_matrix(weight) else others).append(weight)
    parts = (matrices, momentum), (others, 0.0)
    return (group | {"params": part, "momentum": kept} for part, kept in parts if part)


def is_matrix(parameter: nn.Parameter, narrowest: int = 8) -> bool:
    """Whether a parameter is updated as a matrix: both sides are at least `narrowest` wide."""
    return parameter.ndim >= 2 and min(parameter.shape[0], parameter.shape[1]) >= narrowest
