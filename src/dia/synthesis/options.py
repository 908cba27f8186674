"""The options that every way to speak has, and the range of each. Imports no torch, which takes seconds."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from dia.audio.time_stretch import FASTEST, SLOWEST


class Options(TypedDict, total=False):
    """The arguments of `Dia.generate` that every way to speak has; None is the model's own, or none."""

    max_tokens: int | None
    cfg_scale: float | None
    temperature: float | None
    top_p: float | None
    cfg_filter_top_k: int | None
    audio_prompt: Any
    audio_prompt_text: str | Sequence[str | None] | None
    seed: int | Sequence[int] | None
    voice: Any
    speaking_rate: float | None
    normalize: bool


_RANGES: Mapping[str, tuple[str, Callable[[float], bool]]] = {
    "max_tokens": ("a whole number, 1 or more", lambda value: value >= 1 and value == value // 1),
    "cfg_scale": ("0 or more", lambda value: value >= 0),
    "temperature": ("0 (greedy) or more", lambda value: value >= 0),
    "top_p": ("above 0 and at most 1", lambda value: 0 < value <= 1),
    "cfg_filter_top_k": ("1 or more", lambda value: value >= 1),
    "speaking_rate": (f"{SLOWEST:g} to {FASTEST:g}", lambda value: SLOWEST <= value <= FASTEST),
}


def check_options(options: Mapping[str, Any]) -> None:
    """Check what can be checked without a model.

    Raises:
        TypeError: an option has the wrong type; the message names it.
        ValueError: one is out of range, or two exclude each other; the message names them.
    """
    for name, (range_, fits) in _RANGES.items():
        check_number(options.get(name), name, range_, fits)
    if not isinstance(options.get("normalize", True), bool):
        raise TypeError(f"normalize is {options['normalize']!r}; expected True or False.")
    prompted = options.get("audio_prompt") is not None or options.get("audio_prompt_text") is not None
    if options.get("voice") is not None and prompted:
        raise ValueError("voice brings a prompt and its text; leave audio_prompt and audio_prompt_text out.")


def check_number(value: Any, name: str, range_: str, fits: Callable[[Any], bool]) -> None:
    """Check a number; None is fine.

    Raises:
        TypeError: it is no number.
        ValueError: it is not finite, or does not fit.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}; expected a number, {range_}.")
    if not (math.isfinite(value) and fits(value)):
        raise ValueError(f"{name}={value} must be {range_}.")


__all__ = ["Options", "check_number", "check_options"]
