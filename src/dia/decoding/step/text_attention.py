"""What the rows of a clip attend to in its text, row by row. Knows nothing of how it is computed or used."""

import torch
from torch import Tensor

_TOGETHER = 64  # rows in a block of memory


class TextAttention:
    """The attention weights of a clip's rows, from its first row on.

    Args:
        heads: of all layers.
        length: of the text in ids, S.
    """

    def __init__(self, heads: int, length: int) -> None:
        self._shape, self._blocks, self._count = (_TOGETHER, heads, length), list[Tensor](), 0

    def next_row(self) -> Tensor:
        """The place for the weights of the next row, float32 [heads, S], which the caller fills."""
        place = self._count % _TOGETHER
        if not place:
            self._blocks.append(torch.empty(self._shape, dtype=torch.float32, device="cpu"))
        self._count += 1
        return self._blocks[-1][place]

    def rows(self) -> Tensor:
        """The weights of all rows so far, [R, heads, S]."""
        return torch.cat(self._blocks)[: self._count] if self._blocks else torch.zeros(0, *self._shape[1:])


__all__ = ["TextAttention"]
