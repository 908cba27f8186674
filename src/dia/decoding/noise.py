"""Noise for sampling that is computed from counters: a key for each clip, the row, the channel and the id.

The same counters give the same noise on every device, whatever else is generated beside a clip, and nothing has to be
drawn from a generator between two rows.

Shapes: B clips, C channels, K candidates, V ids of one channel.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Generators = torch.Generator | Sequence[torch.Generator | None] | None

# SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195), in signed integers.
_GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)
_FACTORS = 0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64)
_BITS = 23  # of each number; one more than this fits into float32, so that no number is 0 or 1


def clip_keys(generator: Generators, clips: int) -> Tensor:
    """A key for every clip, int64 [B] on the CPU, from a generator of its own or one for all.

    Raises:
        ValueError: `generator` is neither a generator nor a list with one per clip.
    """
    single = generator is None or isinstance(generator, torch.Generator)
    generators = [generator] if single else list(generator)  # type: ignore[arg-type]
    known = all(one is None or isinstance(one, torch.Generator) for one in generators)
    if not known or len(generators) not in (1, clips):
        raise ValueError(f"`generator` must be a torch.Generator or a list of {clips}, one per returned clip.")
    count = clips // len(generators)
    return torch.cat([_drawn(one, count) for one in generators])  # type: ignore[arg-type]


def exponential(keys: Tensor, row: Tensor | int, ids: Tensor, size: int) -> Tensor:
    """Exponential noise with mean 1 for the candidates of a row, float32 [B, C, K]; never 0.

    Args:
        keys: of the clips, int64 [B].
        row: how many rows have been drawn before, a number or int64 [1] or [B].
        ids: the candidates, int64 [B, C, K].
        size: V.
    """
    channels = ids.shape[1]
    channel = torch.arange(channels, device=ids.device)[:, None]  # [C, 1]
    first = row.view(-1, 1, 1) if isinstance(row, Tensor) else row
    counter = ((first * channels + channel) * size) + ids  # [B, C, K]
    mixed = keys.view(-1, 1, 1) + counter * _GAMMA
    for factor, bits in zip(_FACTORS, (30, 27), strict=True):
        mixed = (mixed ^ _shifted(mixed, bits)) * factor
    uniform = (_shifted(mixed ^ _shifted(mixed, 31), 64 - _BITS).float() + 0.5) * 2.0**-_BITS
    return -uniform.log()


def _shifted(number: Tensor, bits: int) -> Tensor:
    """Shift to the right, as for unsigned numbers."""
    return (number >> bits) & ((1 << (64 - bits)) - 1)


def _drawn(generator: torch.Generator | None, count: int) -> Tensor:
    device = "cpu" if generator is None else generator.device
    return torch.randint(2**63 - 1, (count,), generator=generator, device=device).cpu()


__all__ = ["Generators", "clip_keys", "exponential"]
