"""What a model loses: channel by channel, with the right words and with others. Knows logits, labels and batches."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dia.decoding.grid import IGNORED, Channels
from dia.processing_dia import DiaProcessor
from dia.training.data.collator import ALIGNMENT, SWAPPED, DiaCollator
from dia.training.data.compatibility import spelt
from dia.training.data.dataset import HeldOut
from dia.training.data.dialogues import Clip
from dia.training.lora import plain


class Measured(NamedTuple):
    """Mean cross entropy of each channel in nat, [C], and how much more channel 0 loses with other words of the same
    voice; None where no clip had other words."""

    loss: Tensor
    gap: float | None


def channel_sums(logits: Tensor, labels: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Cross entropy summed over each row of the batch and each channel, and how many places are labelled.

    Args:
        logits: [B · C, R, V].
        labels: [B · C, R], `IGNORED` where no loss is taken.
        channels: C.

    Returns:
        Sums in nat and counts, [B, C] each.
    """
    losses = nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    counts = (labels != IGNORED).sum(-1)
    return losses.view_as(labels).sum(-1).view(-1, channels), counts.view(-1, channels)


def batch_sums(model: Any, batch: dict[str, Tensor], channels: int) -> tuple[Tensor, Tensor]:
    """`channel_sums` of a batch of `DiaCollator` with its own words."""
    inputs = {name: value for name, value in batch.items() if name not in ("labels", *ALIGNMENT, *SWAPPED)}
    return channel_sums(model(**inputs, use_cache=False).logits, batch["labels"], channels)


@torch.no_grad()
def swapped_sums(model: Any, batch: dict[str, Tensor], channels: int) -> Tensor:
    """Everything `losses_and_gap` needs to know of one batch, [5, C]; the sum over batches is that of all."""
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
    """What the sums of `swapped_sums` over all batches say."""
    sums, counts, own, others, exchanged = total
    gap = float((others - own)[0] / exchanged[0]) if exchanged[0] > 0 else None
    return Measured(sums / counts.clamp_min(1), gap)


def measure(model: Any, clips: Sequence[Clip], processor: DiaProcessor | None = None, batch: int = 32) -> Measured:
    """Measure a model on clips, undisturbed, in the dtype that it has; one that reads phones needs its processor."""
    config = plain(model).config
    channels, held = Channels.of(config), HeldOut(spelt(clips, config, processor))
    collate = DiaCollator(channels)
    total = torch.zeros(5, len(channels.pattern))
    for start in range(0, len(held), batch):
        scripts = [held[index] for index in range(start, min(start + batch, len(held)))]
        inputs = {name: value.to(model.device) for name, value in collate(scripts).items()}
        total += swapped_sums(model, inputs, len(channels.pattern)).cpu()
    return losses_and_gap(total)


def normalised(weights: Sequence[float] | None, channels: int) -> Tensor:
    """One weight per channel with mean 1; by default channel 0 counts four times as much as any other.

    Raises:
        ValueError: the weights are not one for each channel, or not all 0 or more, or all 0.
    """
    given = [4.0, *[1.0] * (channels - 1)] if weights is None else list(weights)
    if len(given) != channels or min(given) < 0 or not sum(given):
        raise ValueError(f"channel_weights={given} must be {channels} numbers, one for each channel, 0 or more.")
    chosen = torch.tensor(given)
    return chosen * (channels / chosen.sum())


def _differ(text: Tensor, other: Tensor) -> Tensor:
    """Which rows of two paddings, [B, S] and [B, S'], are different texts, [B]."""
    width = max(text.shape[1], other.shape[1])
    first, second = (nn.functional.pad(ids, (0, width - ids.shape[1])) for ids in (text, other))
    return (first != second).any(1)


__all__ = ["Measured", "batch_sums", "channel_sums", "losses_and_gap", "measure", "normalised", "swapped_sums"]
