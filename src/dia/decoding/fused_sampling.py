"""All rules of a row at once, over the candidates alone; what the LogitsProcessors say one by one, in few operations.

From the same noise the same ids are drawn. Knows scores, nothing of the model or of rows that were.

Shapes: B clips, C channels, V ids of one channel, K candidates.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from dia.decoding.guidance import (
    DiaDelayedEndLogitsProcessor,
    DiaEndOfSpeechLogitsProcessor,
    DiaGuidanceLogitsProcessor,
)

_NEVER = float("-inf")

# In the order in which they must stand to mean what `Sampler` does.
_RULES = (
    DiaGuidanceLogitsProcessor,
    TemperatureLogitsWarper,
    DiaEndOfSpeechLogitsProcessor,
    TopKLogitsWarper,
    TopPLogitsWarper,
    DiaDelayedEndLogitsProcessor,
)


class PlainLoopNeeded(Exception):
    """Why a call cannot be made by the fast path; never leaves `generate()`."""


@dataclass(frozen=True)
class Sampler:
    """How the next ids are chosen from logits, decided before the loop.

    Args:
        eos: ids below it are codes; channel 0 alone may end, and does where EOS is the best of its candidates.
        sample: draw; else take the best.
        guidance: scale, None without guidance.
        guided_candidates: how many ids guidance leaves, None for all.
        temperature: divides the scores.
        top_k: how many ids of those are drawn from, None for all.
        top_p: share of the probability that is drawn from, None for all.
    """

    eos: int
    sample: bool
    guidance: float | None = None
    guided_candidates: int | None = None
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __call__(self, logits: Tensor, noise: Tensor) -> Tensor:
        """Logits [B, C, V], under guidance [2B, C, V], and exponential noise [B, C, V] → ids [B, C]."""
        scores, ids = self._candidates(logits)
        if self.temperature != 1.0:
            scores = scores / self.temperature
        special = ids >= self.eos
        codes = scores.masked_fill(special, _NEVER)
        picked = self._drawn(codes, ids, noise) if self.sample else _at(ids, codes.argmax(-1, keepdim=True))
        picked = picked.masked_fill(picked >= self.eos, 0)  # guidance has left no code at all
        end = scores[:, 0].masked_fill(ids[:, 0] != self.eos, _NEVER).amax(-1)  # [B]
        picked[:, 0].masked_fill_(end > codes[:, 0].amax(-1), self.eos)
        return picked

    def _candidates(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The conditional scores of what guidance leaves, and their ids, both [B, C, K]."""
        scores = logits
        if self.guidance is not None:
            scores, unconditional = logits.chunk(2)
            guided = scores + self.guidance * (scores - unconditional)
            if self.guided_candidates is not None:
                ids = guided.topk(min(self.guided_candidates, guided.shape[-1])).indices
                return scores.gather(-1, ids), ids
            scores = guided
        return scores, torch.arange(scores.shape[-1], device=scores.device).expand_as(scores)

    def _drawn(self, scores: Tensor, ids: Tensor, noise: Tensor) -> Tensor:
        """A draw: the largest of p / exponential noise, as in `dia.decoding.sampling.drawer`."""
        if self.top_k is not None and self.top_k < scores.shape[-1]:
            scores, best = scores.topk(self.top_k)
            ids = ids.gather(-1, best)
        if self.top_p is None:
            likely = scores.softmax(-1)
        else:
            scores, order = scores.sort(-1)  # the least likely first
            ids, likely = ids.gather(-1, order), scores.softmax(-1)
            out = likely.cumsum(-1) <= 1 - self.top_p
            out[..., -1] = False
            likely = likely.masked_fill(out, 0.0)
        return _at(ids, (likely / noise.gather(-1, ids)).argmax(-1, keepdim=True))


def sampler_of(rules: Iterable[Any], sample: bool) -> Sampler:
    """What a list of LogitsProcessors says, as one `Sampler`.

    Raises:
        PlainLoopNeeded: it holds a rule that `Sampler` does not know, or in another order.
    """
    known: dict[type, Any] = {}
    for rule in rules:
        later = _RULES[max((_RULES.index(kind) for kind in known), default=-1) + 1 :]
        if type(rule) not in later:
            raise PlainLoopNeeded(f"{type(rule).__name__} is a rule of its own")
        known[type(rule)] = rule
    guidance, temperature, end, top_k, top_p, _ = (known.get(kind) for kind in _RULES)
    if end is None:
        raise PlainLoopNeeded("there is no rule for the end")
    return Sampler(
        eos=end.eos_token_id,
        sample=sample,
        guidance=None if guidance is None else guidance.scale,
        guided_candidates=None if guidance is None else guidance.top_k,
        temperature=1.0 if temperature is None else temperature.temperature,
        top_k=None if top_k is None else top_k.top_k,
        top_p=None if top_p is None else top_p.top_p,
    )


def _at(values: Tensor, index: Tensor) -> Tensor:
    return values.gather(-1, index)[..., 0]


__all__ = ["PlainLoopNeeded", "Sampler", "sampler_of"]
