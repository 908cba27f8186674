"""Clips that the model's own limit of length ended, though nobody asked for that length: they are warned of.

Knows the grid and the settings of lengths. Knows nothing of texts or sound.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import GenerationConfig

from dia.decoding.delay import last_end
from dia.decoding.inputs import Grid
from dia.runtime.warnings import DiaWarning

_LENGTHS = ("max_length", "max_new_tokens")
_CALLER = 5  # frames up from the warning to who calls `generate`, which torch wraps once


def asks_for_length(own: GenerationConfig, given: GenerationConfig | None, keywords: Mapping[str, Any]) -> bool:
    """Whether a call says how long a clip may be.

    A config with the lengths of the model's own does not: transformers' pipelines pass a copy of that.

    Args:
        own: the model's.
        given: that of the call.
        keywords: of the call.
    """
    if any(keywords.get(name) is not None for name in _LENGTHS):
        return True
    wanted = [(getattr(given, name, None), getattr(own, name)) for name in _LENGTHS]
    return any(value not in (None, usual) for value, usual in wanted)


def overrun(grid: Grid, end: int, limit: int, delay_rows: int, eos: int) -> list[int]:
    """The clips that did not end before the limit forced them to.

    Args:
        grid: written.
        end: its rows that hold something.
        limit: the most rows that it could have.
        delay_rows: the largest delay.
        eos: ends a channel.
    """
    last = last_end(limit, grid.prefilled, delay_rows)
    if end < limit or last == limit:
        return []
    spoken = grid.rows(grid.prefilled, last)[..., 0]  # [B, R]
    ended = ((spoken == eos) | (spoken == grid.pad)).any(1)
    return [clip for clip, alone in enumerate(ended.tolist()) if not alone]


def warn_of_overrun(clips: Sequence[int], all_clips: int, limit: int) -> None:
    """Warn of the clips that `overrun` found, if any."""
    if not clips:
        return
    which = f"clip {', '.join(map(str, clips))} of {all_clips}" if all_clips > 1 else "the speech"
    warnings.warn(
        f"{which} did not end by itself within {limit} rows, the model's own limit: what comes after the text is "
        f"noise. Use another seed, or pass max_new_tokens.",
        DiaWarning,
        stacklevel=_CALLER,
    )


__all__ = ["asks_for_length", "overrun", "warn_of_overrun"]
