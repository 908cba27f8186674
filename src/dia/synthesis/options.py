"""The options that every way to speak has, and the range of each. Imports no torch, which takes seconds."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from dia.audio.time_stretch import FASTEST, SLOWEST
from dia.runtime import limits
from dia.runtime.ranges import Range, check_given, shown


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


_RANGES: Mapping[str, Range] = {
    "max_tokens": limits.ROWS,
    "cfg_scale": limits.GUIDANCE,
    "temperature": limits.TEMPERATURE,
    "top_p": limits.NUCLEUS,
    "cfg_filter_top_k": limits.FILTERED,
    "speaking_rate": Range(SLOWEST, FASTEST),
}


def check_options(options: Mapping[str, Any]) -> None:
    """Check what can be checked without a model.

    Raises:
        TypeError: an option has the wrong type; the message names it.
        ValueError: one is out of range, or two exclude each other; the message names them.
    """
    check_given(_RANGES, options)
    if not isinstance(options.get("normalize", True), bool):
        raise TypeError(f"normalize is {shown(options['normalize'])}; expected True or False.")
    prompted = options.get("audio_prompt") is not None or options.get("audio_prompt_text") is not None
    if options.get("voice") is not None and prompted:
        raise ValueError("voice brings a prompt and its text; leave audio_prompt and audio_prompt_text out.")


__all__ = ["Options", "check_options"]
