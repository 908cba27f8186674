"""What a caller of the facade asks for, checked and made ready for `dia.synthesis.synthesizer`."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypedDict

import numpy as np
import torch
from torch import Tensor

from dia.audio.time_stretch import FASTEST, SLOWEST
from dia.synthesis.synthesizer import Speech
from dia.voices.library import find_voice

Prompt: TypeAlias = Any  # a path, waveform, {"array", "sampling_rate"} or codes [T, C]; what DiaFeatureExtractor reads


class Options(TypedDict, total=False):
    """The arguments of `Dia.generate` that every way to speak has; None is the model's own, or none."""

    max_tokens: int | None
    cfg_scale: float | None
    temperature: float | None
    top_p: float | None
    cfg_filter_top_k: int | None
    audio_prompt: Prompt | Sequence[Prompt | None]
    audio_prompt_text: str | Sequence[str | None] | None
    seed: int | Sequence[int] | None
    voice: Any
    speaking_rate: float | None


@dataclass(frozen=True)
class Request:
    """What a pass is called with; everything has been checked.

    Attributes:
        scripts: what the model reads: what is said in the prompts, then the texts.
        texts: the new texts alone.
        transcripts: what is said in the prompt of each, or None.
        prompts: int64 codes [T, C] to go on with, or None, for each.
        seeds: one, or None, for each.
        settings: keywords of transformers' `generate`; what is left out is the model's own.
        rate: how many times as fast as the model speaks, 0.5 to 2; None leaves the sound as it is.
    """

    scripts: list[str]
    texts: list[str]
    transcripts: list[str | None]
    prompts: list[Tensor | None]
    seeds: list[int | None]
    settings: dict[str, Any]
    rate: float | None = None


def request_of(
    speech: Speech,
    text: str | Sequence[str],
    *,
    max_tokens: int | None = None,
    cfg_scale: float | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    cfg_filter_top_k: int | None = None,
    audio_prompt: Prompt | Sequence[Prompt | None] = None,
    audio_prompt_text: str | Sequence[str | None] | None = None,
    seed: int | Sequence[int] | None = None,
    voice: Any = None,
    speaking_rate: float | None = None,
) -> Request:
    """Check what `Dia.generate` and its like are asked for; prompts become codes.

    Raises:
        TypeError: an argument has the wrong type; the message names it.
        ValueError: an argument is out of range, or a list of another length than the texts; the message names it.
    """
    if not isinstance(text, str | list | tuple):
        raise TypeError(f"text is {type(text).__name__}; expected a script or a list of scripts.")
    texts = [text] if isinstance(text, str) else list(text)
    for one in texts:
        if not isinstance(one, str):
            raise TypeError(f"text holds {one!r}; expected scripts.")
    seeds = _one_per_text(seed, len(texts), "seed")
    _check_types(seeds, "seed", int)
    for one in seeds:
        if one is not None and not -(2**63) <= one < 2**64:
            raise ValueError(f"seed={one} must fit into 64 bits.")
    settings = _settings(max(speech.model.config.delay_pattern), max_tokens, cfg_scale, temperature, top_p)
    _check_number(cfg_filter_top_k, "cfg_filter_top_k", "1 or more", lambda value: value >= 1)
    if cfg_filter_top_k is not None:
        settings["top_k"] = cfg_filter_top_k
    rate = _rate(speech, speaking_rate)
    if voice is not None:
        if audio_prompt is not None or audio_prompt_text is not None:
            raise ValueError("voice brings a prompt and its text; leave audio_prompt and audio_prompt_text out.")
        return Request(*_in_voices(speech, texts, _one_per_text(voice, len(texts), "voice")), seeds, settings, rate)
    prompts = _one_per_text(audio_prompt, len(texts), "audio_prompt")
    transcripts = _one_per_text(audio_prompt_text, len(texts), "audio_prompt_text")
    _check_types(transcripts, "audio_prompt_text", str)
    scripts = [f"{said.strip()} {new}" if said else new for said, new in zip(transcripts, texts, strict=True)]
    return Request(scripts, texts, transcripts, _prompt_codes(speech, prompts), seeds, settings, rate)


def _in_voices(
    speech: Speech, texts: list[str], given: Sequence[Any]
) -> tuple[list[str], list[str], list[str | None], list[Tensor | None]]:
    """Scripts, texts, transcripts and prompts, for texts that each have a voice or None."""
    known: dict[int, Any] = {}  # each is read and checked once
    for one in given:
        if one is not None and id(one) not in known:
            known[id(one)] = find_voice(one)
            known[id(one)].check_fits(speech.processor)
    voices = [None if one is None else known[id(one)] for one in given]
    scripts = [text if voice is None else voice.before(text) for voice, text in zip(voices, texts, strict=True)]
    transcripts = [None if voice is None else voice.transcript for voice in voices]
    return scripts, texts, transcripts, [None if voice is None else voice.codes for voice in voices]


def _settings(
    delay: int, max_tokens: int | None, cfg_scale: float | None, temperature: float | None, top_p: float | None
) -> dict[str, Any]:
    """The keywords of transformers' `generate` that say the same."""
    _check_number(cfg_scale, "cfg_scale", "0 or more", lambda value: value >= 0)
    _check_number(temperature, "temperature", "0 (greedy) or more", lambda value: value >= 0)
    _check_number(top_p, "top_p", "above 0 and at most 1", lambda value: 0 < value <= 1)
    least = delay + 3
    _check_number(max_tokens, "max_tokens", f"{least} or more", lambda value: value >= least and value == value // 1)
    settings: dict[str, Any] = {}
    if top_p is not None:
        settings["top_p"] = top_p
    if cfg_scale is not None:
        # To transformers exactly 1 means no guidance; the native package guides at 1 as at any other scale.
        settings["guidance_scale"] = float(np.nextafter(1.0, 2.0)) if cfg_scale == 1 else cfg_scale
    if temperature is not None:
        settings |= {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
    if max_tokens is not None:
        settings["max_length"] = int(max_tokens) - delay
    return settings


def _rate(speech: Speech, rate: float | None) -> float | None:
    """A speaking rate, checked; None where it changes nothing."""
    _check_number(rate, "speaking_rate", f"{SLOWEST:g} to {FASTEST:g}", lambda value: SLOWEST <= value <= FASTEST)
    if rate is not None and speech.processor.audio_tokenizer is None:
        raise ValueError("speaking_rate changes sound, and there is no codec to make any; load the model with it.")
    return None if rate == 1 else rate


def _prompt_codes(speech: Speech, prompts: Sequence[Prompt | None]) -> list[Tensor | None]:
    """Every prompt as codes [T, C] in main memory; what is codes already stays as it is."""
    return [
        None if prompt is None else (prompt if _is_codes(prompt) else speech.processor.encode_audio([prompt])[0]).cpu()
        for prompt in prompts
    ]


def _is_codes(prompt: Prompt) -> bool:
    # No sound has two dimensions and 64 bits.
    return isinstance(prompt, Tensor) and prompt.dtype == torch.int64 and prompt.ndim == 2


def _one_per_text(given: Any, texts: int, name: str) -> list[Any]:
    """`given` for every text: a list as it stands, anything else repeated."""
    if not isinstance(given, list | tuple) or (texts == 1 and len(given) != 1):
        return [given] * texts
    if len(given) != texts:
        raise ValueError(f"{name} holds {len(given)} entries for {texts} texts; give one, or one for each.")
    return list(given)


def _check_types(values: Sequence[Any], name: str, kind: type) -> None:
    for value in values:
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise TypeError(f"{name} holds {value!r}; expected {kind.__name__}, or a list of one per text.")


def _check_number(value: Any, name: str, range_: str, fits: Callable[[Any], bool]) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}; expected a number, {range_}.")
    if not (math.isfinite(value) and fits(value)):
        raise ValueError(f"{name}={value} must be {range_}.")


__all__ = ["Options", "Prompt", "Request", "request_of"]
