"""Evaluate a model: the loss of each channel, with the right text and with another text."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dia.decoding.grid import IGNORED, Channels
from dia.processing_dia import DiaProcessor
from dia.training.data.collator import ALIGNMENT, SWAPPED, DiaCollator
from dia.training.data.compatibility import spelled
from dia.training.data.dataset import HeldOut
from dia.training.data.dialogues import Clip
from dia.training.lora import plain


class Measured(NamedTuple):
    """The result of an evaluation.

    Args:
        loss: mean cross entropy of each channel in nats, [C].
        gap: how much the loss of channel 0 rises with another text in the same voice; None if no clip had one.
    """

    loss: Tensor
    gap: float | None


def channel_sums(logits: Tensor, labels: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """The cross entropy summed over each example and channel, and the number of labels.

    Args:
        logits: [B · C, R, V].
        labels: [B · C, R], `IGNORED` where there is no loss.
        channels: C.

    Returns:
        Sums in nats and counts, [B, C] each.
    """
    losses = nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    counts = (labels != IGNORED).sum(-1)
    return losses.view_as(labels).sum(-1).view(-1, channels), counts.view(-1, channels)


def batch_sums(model: Any, batch: dict[str, Tensor], channels: int) -> tuple[Tensor, Tensor]:
    """`channel_sums` of a batch of `DiaCollator`, with its own texts."""
    inputs = {name: value for name, value in batch.items() if name not in ("labels", *ALIGNMENT, *SWAPPED)}
    return channel_sums(model(**inputs, use_cache=False).logits, batch["labels"], channels)


@torch.no_grad()
def swapped_sums(model: Any, batch: dict[str, Tensor], channels: int) -> Tensor:
    """The sums of one batch that `losses_and_gap` needs, [5, C]; those of several batches can be added."""
    sums, counts = batch_sums(model, batch, channels)
    others, exchanged = sums, torch.zeros_like(counts)
    if SWAPPED[0] in batch:
        text, mask = (batch[name] for name in SWAPPED)
        others, _ = batch_sums(model, {**batch, "input_ids": text, "attention_mask": mask}, channels)
        exchanged = counts * _differ(batch["input_ids"], text)[:, None]
    concerned = exchanged > 0
    return torch.stack(
        [part.sum(0).float() for part in (sums, counts, sums * concerned, others * concerned, exchanged)]
    )


def losses_and_gap(total: Tensor) -> Measured:
    """The losses and the gap, from the sums of `swapped_sums` over all batches."""
    sums, counts, own, others, exchanged = total
    gap = float((others - own)[0] / exchanged[0]) if exchanged[0] > 0 else None
    return Measured(sums / counts.clamp_min(1), gap)


def measure(model: Any, clips: Sequence[Clip], processor: DiaProcessor | None = None, batch: int = 32) -> Measured:
    """Evaluate a model on clips, without noise and in its dtype. A model that reads phones needs its processor."""
    config = plain(model).config
    channels, held = Channels.of(config), HeldOut(spelled(clips, config, processor))
    collate = DiaCollator(channels)
    total = torch.zeros(5, len(channels.pattern))
    for start in range(0, len(held), batch):
        scripts = [held[index] for index in range(start, min(start + batch, len(held)))]
        inputs = {name: value.to(model.device) for name, value in collate(scripts).items()}
        total += swapped_sums(model, inputs, len(channels.pattern)).cpu()
    return losses_and_gap(total)


def normalized(weights: Sequence[float] | None, channels: int) -> Tensor:
    """Weights per channel with mean 1; by default channel 0 has four times the weight of the others.

    Raises:
        ValueError: there is not one weight per channel, a weight is negative, or all are 0.
    """
    given = [4.0, *[1.0] * (channels - 1)] if weights is None else list(weights)
    if len(given) != channels or min(given) < 0 or not sum(given):
        raise ValueError(f"channel_weights={given} must be {channels} numbers, one for each channel, 0 or more.")
    chosen = torch.tensor(given)
    return chosen * (channels / chosen.sum())


def _differ(text: Tensor, other: Tensor) -> Tensor:
    """Which rows of two padded batches of texts, [B, S] and [B, S'], differ, [B]."""
    width = max(text.shape[1], other.shape[1])
    first, second = (nn.functional.pad(ids, (0, width - ids.shape[1])) for ids in (text, other))
    return (first != second).any(1)


__all__ = ["Measured", "batch_sums", "channel_sums", "losses_and_gap", "measure", "normalized", "swapped_sums"]
