"""Warns of clips that reach the model's default length limit. Independent of text and audio."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import GenerationConfig

from dia.decoding.call.inputs import Grid
from dia.decoding.delay import last_end
from dia.runtime.warnings import DiaWarning

_LENGTHS = ("max_length", "max_new_tokens")
_CALLER = 5  # stack level of the caller of `generate`, which torch wraps once


def asks_for_length(own: GenerationConfig, given: GenerationConfig | None, keywords: Mapping[str, Any]) -> bool:
    """Whether a call sets a length limit.

    A config with the model's own limits does not count, because transformers' pipelines pass a copy of it.

    Args:
        own: the model's config.
        given: the call's config.
        keywords: the call's keyword arguments.
    """
    if any(keywords.get(name) is not None for name in _LENGTHS):
        return True
    wanted = [(getattr(given, name, None), getattr(own, name)) for name in _LENGTHS]
    return any(value not in (None, usual) for value, usual in wanted)


def overrun(grid: Grid, end: int, limit: int, delay_rows: int, eos: int) -> list[int]:
    """Indices of the clips that ended only because of the length limit.

    Args:
        grid: the generated grid.
        end: number of its rows that are not only PAD.
        limit: maximum number of rows.
        delay_rows: the largest delay.
        eos: EOS id.
    """
    last = last_end(limit, grid.prefilled, delay_rows)
    if end < limit or last == limit:
        return []
    spoken = grid.rows(grid.prefilled, last)[..., 0]  # [B, R]
    ended = ((spoken == eos) | (spoken == grid.pad)).any(1)
    return [clip for clip, has_ended in enumerate(ended.tolist()) if not has_ended]


def warn_of_overrun(clips: Sequence[int], all_clips: int, limit: int) -> None:
    """Warn of the clips found by `overrun`, if there are any."""
    if not clips:
        return
    which = f"clip {', '.join(map(str, clips))} of {all_clips}" if all_clips > 1 else "the speech"
    warnings.warn(
        f"{which} did not end by itself within {limit} rows, the model's own limit, so what follows the text is "
        f"noise. Use another seed, or pass max_new_tokens.",
        DiaWarning,
        stacklevel=_CALLER,
    )


__all__ = ["asks_for_length", "overrun", "warn_of_overrun"]
