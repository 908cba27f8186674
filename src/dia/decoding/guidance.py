"""LogitsProcessors for guidance and the end of speech. Independent of the model.

Every processor takes `input_ids` [B · C, R], the rows so far with the channels of a clip next to each other, and
`scores` [B · C, V]. Processors store no state between calls, so threads can share them.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from dia.decoding.delay import last_end
from dia.runtime.limits import FILTERED, GUIDANCE

_MINUS_INF = float("-inf")


class DiaGuidanceLogitsProcessor(LogitsProcessor):
    """Classifier-free guidance (arXiv:2207.12598) that selects candidates.

    guided = conditional + scale · (conditional − unconditional). With `top_k`, the guided logits select the k best
    ids; the result is the *conditional* logits of these ids, and minus infinity for all others. Without `top_k`, the
    result is the guided logits.

    Args:
        scale: guidance scale, 0 or more.
        top_k: number of candidates to keep; None keeps all.

    Raises:
        TypeError, ValueError: `scale` or `top_k` is not a number, or is out of range.
    """

    def __init__(self, scale: float, top_k: int | None = None) -> None:
        self.scale: float = GUIDANCE.check("guidance_scale", scale)
        self.top_k: int | None = None if top_k is None else FILTERED.check("top_k", top_k)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Merge `scores` [2 · B · C, V], conditional rows first, into [B · C, V]."""
        if scores.shape[0] != 2 * input_ids.shape[0]:
            raise ValueError(
                f"scores has {scores.shape[0]} rows for {input_ids.shape[0]} rows of input_ids, but guidance needs "
                "twice as many, conditional rows first."
            )
        conditional, unconditional = scores.chunk(2)
        guided = conditional + self.scale * (conditional - unconditional)
        if self.top_k is None:
            return guided
        best = guided.topk(min(self.top_k, guided.shape[-1])).indices
        return torch.full_like(conditional, _MINUS_INF).scatter(-1, best, conditional.gather(-1, best))


class DiaEndOfSpeechLogitsProcessor(LogitsProcessor):
    """Restricts ids to codes on all channels, and to codes or EOS on channel 0.

    If EOS has the highest logit of channel 0, it is the only candidate; otherwise it is excluded. Sampling therefore
    never draws EOS by chance, and never misses it.

    Args:
        num_channels: C.
        eos_token_id: EOS id; ids below it are codes, ids above it are never drawn.

    Raises:
        ValueError: an argument is below 1.
    """

    def __init__(self, num_channels: int, eos_token_id: int) -> None:
        if num_channels < 1 or eos_token_id < 1:
            raise ValueError(f"num_channels={num_channels} and eos_token_id={eos_token_id} must be 1 or more.")
        self.num_channels = num_channels
        self.eos_token_id = eos_token_id

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Set excluded ids in `scores` [B · C, V] to minus infinity."""
        if len(scores) != len(input_ids):  # an earlier rule has merged rows
            raise ValueError(
                f"scores has {len(scores)} rows for {len(input_ids)} rows of input_ids; remove the rule of "
                "`logits_processor` that changes the number of rows."
            )
        grid = scores.unflatten(0, (-1, self.num_channels))  # [B, C, V]
        ends = grid[:, 0, : self.eos_token_id + 1].argmax(-1, keepdim=True) == self.eos_token_id  # [B, 1]
        ids = torch.arange(grid.shape[-1], device=scores.device)
        code, eos = ids < self.eos_token_id, ids == self.eos_token_id
        allowed = code.expand(grid.shape).clone()
        allowed[:, 0] = torch.where(ends, eos, code)
        return grid.masked_fill(~allowed, _MINUS_INF).flatten(0, 1)


class DiaDelayedEndLogitsProcessor(LogitsProcessor):
    """Ends every channel its own delay after channel 0, and forces channel 0 to end before the length limit.

    With delays [0, 2, 3] and EOS `e` on channel 0 at row s (`x` drawn, `.` PAD, which the loop writes after EOS):

        row       s   s+1  s+2  s+3
        channel 0 e   .    .    .
        channel 1 x   x    e    .
        channel 2 x   x    x    e

    Args:
        delay_pattern: delay of each channel in rows.
        eos_token_id: EOS id.
        max_rows: maximum number of rows; channel 0 ends early enough for all channels to end inside the grid.
        prefilled: number of prompt rows. If they leave no room for an end, none is forced and the grid is cut off.

    Raises:
        ValueError: `delay_pattern` is empty or has a negative delay.
    """

    def __init__(self, delay_pattern: Sequence[int], eos_token_id: int, max_rows: int, prefilled: int = 0) -> None:
        if not delay_pattern or min(delay_pattern) < 0:
            raise ValueError(f"delay_pattern={list(delay_pattern)} must have one delay of 0 or more per channel.")
        self.delay_pattern = list(delay_pattern)
        self.eos_token_id = eos_token_id
        self.last_end = last_end(max_rows, prefilled, max(delay_pattern))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Make EOS the only candidate in `scores` [B · C, V] for channels that end at this row."""
        row = input_ids.shape[1]
        leader = input_ids.unflatten(0, (-1, len(self.delay_pattern)))[:, 0] == self.eos_token_id  # [B, R]
        grid = scores.unflatten(0, (-1, len(self.delay_pattern)))
        now = (grid[:, 0].argmax(-1) == self.eos_token_id) | (row >= self.last_end)
        leader = torch.cat([leader, now[:, None]], dim=1)
        first = leader & (leader.cumsum(1) == 1)  # only the first EOS counts
        ends = [first[:, row - min(delay, row)] & (delay <= row) for delay in self.delay_pattern]
        forced = torch.full_like(grid[:1, :1], _MINUS_INF)
        forced[..., self.eos_token_id] = 0.0
        return torch.where(torch.stack(ends, dim=1)[..., None], forced, grid).flatten(0, 1)


def check_rules(rules: Iterable[LogitsProcessor] | None) -> list[LogitsProcessor]:
    """Validate the `logits_processor` argument and return it as a list.

    Raises:
        ValueError: it contains a guidance rule, which needs the unconditional half that only `guidance_scale` adds.
    """
    given = list(rules or ())
    for rule in given:
        name = type(rule).__name__
        if isinstance(rule, DiaGuidanceLogitsProcessor) or "ClassifierFreeGuidance" in name:
            raise ValueError(f"`logits_processor` contains {name}; pass `guidance_scale` to generate() instead.")
    return given


__all__ = [
    "DiaDelayedEndLogitsProcessor",
    "DiaEndOfSpeechLogitsProcessor",
    "DiaGuidanceLogitsProcessor",
    "check_rules",
]
