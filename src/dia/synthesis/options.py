"""The options that all entry points share, with their ranges. Does not import torch, which takes seconds."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from dia.audio.dsp.time_stretch import FASTEST, SLOWEST
from dia.runtime import limits
from dia.runtime.ranges import Range, check_given, shown
from dia.text.markup.formats import TextFormat, check_text_format
from dia.text.speakers import checked_speakers


class ReadingOptions(TypedDict, total=False):
    """How a script is read; see `dia.text.script.parse`."""

    normalize: bool
    speakers: Mapping[str, str] | None
    text_format: TextFormat
    keep_timing: bool


class Options(ReadingOptions, total=False):
    """Arguments of `Dia.generate` that all entry points share; None selects the model's default, or no value."""

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


_RANGES: Mapping[str, Range] = {
    "max_tokens": limits.ROWS,
    "cfg_scale": limits.GUIDANCE,
    "temperature": limits.TEMPERATURE,
    "top_p": limits.NUCLEUS,
    "cfg_filter_top_k": limits.FILTERED,
    "speaking_rate": Range(SLOWEST, FASTEST),
}


def check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Check options as far as possible without a model, and return them with plain numbers.

    Raises:
        TypeError: an option has the wrong type; the message names it.
        ValueError: an option is out of range, or two options conflict; the message names them.
    """
    numbers = check_given(_RANGES, options)
    for name in ("normalize", "keep_timing"):
        if not isinstance(options.get(name, True), bool):
            raise TypeError(f"{name} is {shown(options[name])}; expected True or False.")
    check_text_format(options.get("text_format", "plain"))
    checked_speakers(options.get("speakers"))
    prompted = options.get("audio_prompt") is not None or options.get("audio_prompt_text") is not None
    if options.get("voice") is not None and prompted:
        raise ValueError("voice cannot be combined with audio_prompt or audio_prompt_text; pass one or the other.")
    return {**options, **numbers}


__all__ = ["Options", "ReadingOptions", "check_options"]
