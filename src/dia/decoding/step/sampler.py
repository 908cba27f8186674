"""Fused sampling: applies all rules of a row in few operations, on the candidates only.

With the same noise it draws the same ids as the separate LogitsProcessors. Independent of the model and of earlier
rows.

Shapes: B clips, C channels, V ids of one channel, K candidates.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import MinNewTokensLengthLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from dia.decoding.guidance import (
    DiaDelayedEndLogitsProcessor,
    DiaEndOfSpeechLogitsProcessor,
    DiaGuidanceLogitsProcessor,
)
from dia.decoding.noise import exponential
from dia.kernels.row import Kind

_MINUS_INF = float("-inf")

# The order of rules that `Sampler` implements.
_RULES = (
    DiaGuidanceLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    TemperatureLogitsWarper,
    DiaEndOfSpeechLogitsProcessor,
    TopKLogitsWarper,
    TopPLogitsWarper,
    DiaDelayedEndLogitsProcessor,
)


class PlainLoopNeeded(Exception):
    """The fast step does not support the call. The message is the reason; `generate()` catches the exception."""


@dataclass(frozen=True)
class Numbers:
    """The numbers of some clips' settings, float32 [B, 1, 1] each; see `Sampler`."""

    guidance: Tensor
    temperature: Tensor
    excluded: Tensor  # 1 - top_p
    rows: Tensor  # that are drawn before the end

    def __getitem__(self, clips: Any) -> "Numbers":
        """The numbers of some of the clips."""
        return Numbers(*(number[clips] for number in vars(self).values()))

    def set(self, clip: int, sampler: "Sampler") -> None:
        """Store the numbers of a clip's sampler."""
        self.guidance[clip] = sampler.guidance or 0.0
        self.temperature[clip] = sampler.temperature
        self.excluded[clip] = 0.0 if sampler.top_p is None else 1 - sampler.top_p
        self.rows[clip] = sampler.rows

    @classmethod
    def of(cls, clips: int, device: torch.device) -> "Numbers":
        """Numbers of `clips` clips, all 1."""
        return cls(*torch.ones(4, clips, 1, 1, dtype=torch.float32, device=device))


@dataclass(frozen=True)
class Sampler:
    """Chooses the next ids from logits. Its settings are fixed before the loop.

    Args:
        eos: EOS id; ids below it are codes. Only channel 0 can end, and ends if EOS is its best candidate.
        sample: draw ids; otherwise take the best.
        guidance: guidance scale; None for no guidance.
        guided_candidates: number of ids that guidance keeps; None keeps all.
        temperature: divides the scores.
        top_k: number of best ids to draw from; None for all.
        top_p: probability mass to draw from; None for all.
        rows: number of rows that are drawn before a clip can end.
    """

    eos: int
    sample: bool
    guidance: float | None = None
    guided_candidates: int | None = None
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    rows: int = 0

    @property
    def kind(self) -> "Sampler":
        """This sampler without its numbers. Clips with samplers of one kind are drawn together."""
        guidance, top_p = (None if number is None else 1.0 for number in (self.guidance, self.top_p))
        return replace(self, guidance=guidance, temperature=1.0, top_p=top_p, rows=0)

    def __call__(self, logits: Tensor, numbers: Numbers, keys: Tensor, row: Tensor) -> Tensor:
        """Choose the next ids, with the numbers given instead of those of this sampler.

        Args:
            logits: [B, halves, C, V], conditional first; without guidance the second half is ignored.
            numbers: of the clips.
            keys: of the clips' noise, [B].
            row: how many rows each clip has drawn before, [B].

        Returns:
            Ids [B, C].
        """
        scores, ids = self._candidates(logits, numbers)
        scores = scores / numbers.temperature
        special = ids >= self.eos
        codes = scores.masked_fill(special, _MINUS_INF)
        picked = (
            self._draw(codes, ids, numbers, (keys, row, logits.shape[-1]))
            if self.sample
            else _gather(ids, codes.argmax(-1, keepdim=True))
        )
        picked = picked.masked_fill(picked >= self.eos, 0)  # guidance has removed all codes
        end = scores[:, 0].masked_fill(ids[:, 0] != self.eos, _MINUS_INF).amax(-1)  # [B]
        ends = (end > codes[:, 0].amax(-1)) & (row >= numbers.rows[:, 0, 0])
        picked[:, 0].masked_fill_(ends, self.eos)
        return picked

    def _candidates(self, logits: Tensor, numbers: Numbers) -> tuple[Tensor, Tensor]:
        """The conditional scores of the candidates, and their ids, both [B, C, K]."""
        scores = logits[:, 0]
        if self.guidance is not None:
            guided = scores + numbers.guidance * (scores - logits[:, 1])
            if self.guided_candidates is not None:
                ids = guided.topk(min(self.guided_candidates, guided.shape[-1])).indices
                return scores.gather(-1, ids), ids
            scores = guided
        return scores, torch.arange(scores.shape[-1], device=scores.device).expand_as(scores)

    def _draw(self, scores: Tensor, ids: Tensor, numbers: Numbers, noise: tuple[Tensor, Tensor, int]) -> Tensor:
        """Draw ids: the argmax of p / exponential noise, as in `dia.decoding.sampling.token_chooser`."""
        if self.top_k is not None and self.top_k < scores.shape[-1]:
            scores, best = scores.topk(self.top_k)
            ids = ids.gather(-1, best)
        if self.top_p is None:
            likely = scores.softmax(-1)
        else:
            scores, order = scores.sort(-1)  # the least likely first
            ids, likely = ids.gather(-1, order), scores.softmax(-1)
            out = likely.cumsum(-1) <= numbers.excluded
            out[..., -1] = False
            likely = likely.masked_fill(out, 0.0)
        keys, row, size = noise
        return _gather(ids, (likely / exponential(keys, row, ids, size)).argmax(-1, keepdim=True))


def kind_of(sampler: Sampler) -> Kind:
    """A sampler's kind for the kernel."""
    return Kind(
        sample=sampler.sample,
        guided=sampler.guidance is not None,
        candidates=sampler.guided_candidates or 0,
        top_k=sampler.top_k or 0,
        top_p=sampler.top_p is not None,
    )


def sampler_of(rules: Iterable[Any], sample: bool, prefilled: int) -> Sampler:
    """The `Sampler` equivalent to a list of LogitsProcessors, for a grid with `prefilled` rows of prompt.

    Raises:
        PlainLoopNeeded: the list has a rule that `Sampler` does not implement, or another order.
    """
    known: dict[type, Any] = {}
    for rule in rules:
        later = _RULES[max((_RULES.index(kind) for kind in known), default=-1) + 1 :]
        if type(rule) not in later:
            raise PlainLoopNeeded(f"the fast step does not implement {type(rule).__name__}")
        known[type(rule)] = rule
    guidance, shortest, temperature, end, top_k, top_p, _ = (known.get(kind) for kind in _RULES)
    if shortest is not None and shortest.prompt_length_to_skip != prefilled:
        raise PlainLoopNeeded("MinNewTokensLengthLogitsProcessor counts rows of the prompt")
    if end is None:
        raise PlainLoopNeeded("there is no end-of-speech rule")
    return Sampler(
        eos=end.eos_token_id,
        sample=sample,
        guidance=None if guidance is None else guidance.scale,
        guided_candidates=None if guidance is None else guidance.top_k,
        temperature=1.0 if temperature is None else temperature.temperature,
        top_k=None if top_k is None else top_k.top_k,
        top_p=None if top_p is None else top_p.top_p,
        rows=0 if shortest is None else shortest.min_new_tokens,
    )


def _gather(values: Tensor, index: Tensor) -> Tensor:
    return values.gather(-1, index)[..., 0]


__all__ = ["PlainLoopNeeded", "Sampler", "kind_of", "sampler_of"]
