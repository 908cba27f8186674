"""What a caller of the facade asks for, checked and made into jobs."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, TypeAlias, Unpack

import numpy as np

from dia.runtime.limits import ROWS
from dia.runtime.ranges import Range, shown
from dia.synthesis.job import SynthesisJob, is_long, with_remarks
from dia.synthesis.options import Options, check_options
from dia.synthesis.parts.planning import room_for
from dia.synthesis.prompts import VoicePrompt, fitted, limit_of, named, recorded
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.seeds import check_seed
from dia.synthesis.takes.take import Line, TakeOptions
from dia.text.prompt_format import PromptFormat
from dia.text.script import Script, parse
from dia.voices.prompt import Limit

Prompt: TypeAlias = Any  # a path, waveform, {"array", "sampling_rate"} or codes [T, C]; what DiaFeatureExtractor reads


def jobs_of(
    synthesizer: Synthesizer,
    text: str | Sequence[str],
    take_options: TakeOptions | None = None,
    long_form: bool | None = None,
    **options: "Unpack[Options]",
) -> list[SynthesisJob]:
    """Check what `Dia.generate` and its like are asked for; a job for each text, recordings as codes.

    Raises:
        TypeError: an argument has the wrong type; the message names it.
        ValueError: an argument is out of range, or a list of another length than the texts; the message names it.
    """
    unknown = sorted(set(options) - set(Options.__annotations__))
    if unknown:
        raise TypeError(f"{unknown[0]} is no option; there are {', '.join(sorted(Options.__annotations__))}.")
    check_options(options)
    texts = _checked_texts(text)
    seeds = _one_per_text(options.get("seed"), len(texts), "seed")
    for seed in seeds:
        check_seed(seed)
    settings, rate = _settings(synthesizer, options), _rate(synthesizer, options.get("speaking_rate"))
    normalize = options.get("normalize", True)
    scripts = [read_script(synthesizer, one, normalize) for one in texts]
    format = PromptFormat.of(synthesizer.model.generation_config)
    voices = _voices(synthesizer, scripts, options, long_form)
    jobs = [
        with_remarks(
            synthesizer,
            SynthesisJob(
                script=script,
                voice=voice,
                seed=seed,
                settings=settings,
                take_options=take_options or TakeOptions(),
                long_form=long_form,
                rate=rate,
                remarks=(*script.warnings_for(format, _seconds(synthesizer, voice)), *remarks),
            ),
        )
        for script, (voice, remarks), seed in zip(scripts, voices, seeds, strict=True)
    ]
    for row, job in enumerate(jobs):
        _check_room(synthesizer, job, options, row, len(jobs))
    return jobs


def job_of(
    synthesizer: Synthesizer,
    text: Any,
    take_options: TakeOptions | None = None,
    long_form: bool | None = None,
    **options: "Unpack[Options]",
) -> SynthesisJob:
    """One script as a job; what is a job already stays as it is.

    Raises:
        TypeError: it is neither, or options are given beside a job.
        ValueError: as `jobs_of`.
    """
    if isinstance(text, SynthesisJob):
        if options or long_form is not None or take_options not in (None, TakeOptions()):
            raise TypeError("text is a job, which has its options already; pass them to `Dia.job`.")
        return text
    if not isinstance(text, str):
        raise TypeError(f"text is {type(text).__name__}; expected one script.")
    (job,) = jobs_of(synthesizer, text, take_options, long_form, **options)
    return job


def read_script(synthesizer: Synthesizer, text: str, normalize: bool = True) -> Script:
    """A text, read as the checkpoint's text frontend reads it; phones that its tokenizer does not know are refused.

    Raises:
        TypeError, ValueError: the text cannot be spoken.
    """
    frontend = PromptFormat.of(synthesizer.model.generation_config).text_frontend
    script = parse(text, frontend=frontend, normalize=normalize)
    synthesizer.processor.tokenizer.spoken(script.spoken)
    return script


def _checked_texts(text: Any) -> list[str]:
    if not isinstance(text, str | list | tuple):
        raise TypeError(f"text is {type(text).__name__}; expected a script or a list of scripts.")
    texts = [text] if isinstance(text, str) else list(text)
    if not texts:
        raise ValueError("text is an empty list; give at least one script.")
    for one in texts:
        if not isinstance(one, str):
            raise TypeError(f"text holds {shown(one)}; expected scripts.")
    return texts


def _voices(
    synthesizer: Synthesizer, scripts: Sequence[Script], options: Mapping[str, Any], long_form: bool | None
) -> list[tuple[Line | None, tuple[str, ...]]]:
    """What every script continues, or None, and what is doubtful about it."""
    prompts = _prompts(synthesizer, scripts, options, long_form)
    fit = cache(partial(fitted, synthesizer))  # a prompt of many scripts is shortened once
    return [
        (None, ()) if prompt is None else fit(prompt, room_for(script))
        for prompt, script in zip(prompts, scripts, strict=True)
    ]


def _prompts(
    synthesizer: Synthesizer, scripts: Sequence[Script], options: Mapping[str, Any], long_form: bool | None
) -> list[VoicePrompt | None]:
    """What every text continues, or None."""
    texts, limit = len(scripts), partial(_limit, synthesizer, options.get("max_tokens"), long_form)
    if options.get("voice") is not None:
        voices = _one_per_text(options["voice"], texts, "voice")
        return _each_once(voices, lambda voice, row: named(synthesizer, voice, limit(scripts[row], True)))
    prompts = _one_per_text(options.get("audio_prompt"), texts, "audio_prompt")
    transcripts = _one_per_text(options.get("audio_prompt_text"), texts, "audio_prompt_text")
    _check_types(transcripts, "audio_prompt_text", str)
    for prompt, transcript in zip(prompts, transcripts, strict=True):
        if prompt is None and transcript:
            raise ValueError("audio_prompt_text is given without audio_prompt, the recording of it.")
    normalize = options.get("normalize", True)
    said = [read_script(synthesizer, transcript, normalize).spoken if transcript else "" for transcript in transcripts]

    def make(prompt: Any, row: int) -> VoicePrompt:
        return recorded(synthesizer, prompt, said[row], _name(row, texts), limit(scripts[row], bool(said[row])))

    return _each_once(prompts, make, said)


def _limit(
    synthesizer: Synthesizer, max_tokens: int | None, long_form: bool | None, script: Script, transcribed: bool
) -> Limit:
    """How long a prompt may be, as far as it shows before it is encoded: a long form is limited part by part."""
    short = not script.has_pauses and room_for(script) == script.seconds
    one_pass = short if long_form is None else not long_form
    return limit_of(synthesizer, max_tokens, one_pass or not transcribed)


def _check_room(synthesizer: Synthesizer, job: SynthesisJob, options: Mapping[str, Any], row: int, texts: int) -> None:
    """Refuse a prompt that leaves a pass no room for speech within `max_tokens`."""
    if job.voice is not None and not is_long(synthesizer, job):
        name = "voice" if options.get("voice") is not None else _name(row, texts)
        limit_of(synthesizer, options.get("max_tokens"), one_pass=True).check(_seconds(synthesizer, job.voice), name)


def _each_once(
    given: Sequence[Any], make: Callable[[Any, int], VoicePrompt], words: Sequence[str] | None = None
) -> list[VoicePrompt | None]:
    """What is given, made into prompts, each once with the same words; None stays None."""
    made: dict[Any, VoicePrompt] = {}
    keys = [(id(one), None if words is None else words[row]) for row, one in enumerate(given)]
    for row, (one, key) in enumerate(zip(given, keys, strict=True)):
        if one is not None and key not in made:
            made[key] = make(one, row)
    return [None if one is None else made[key] for one, key in zip(given, keys, strict=True)]


def _name(row: int, texts: int) -> str:
    return "audio_prompt" if texts == 1 else f"audio_prompt[{row}]"


def _seconds(synthesizer: Synthesizer, voice: Line | None) -> float:
    """How long the recording of a voice is."""
    return 0.0 if voice is None or voice.prompt is None else len(voice.prompt) / synthesizer.processor.frame_rate


def _settings(synthesizer: Synthesizer, options: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of transformers' `generate` that say the same."""
    settings: dict[str, Any] = {}
    for name, keyword in (("top_p", "top_p"), ("cfg_filter_top_k", "top_k")):
        if options.get(name) is not None:
            settings[keyword] = options[name]
    if (scale := options.get("cfg_scale")) is not None:
        # To transformers exactly 1 means no guidance; the native package guides at 1 as at any other scale.
        settings["guidance_scale"] = float(np.nextafter(1.0, 2.0)) if scale == 1 else scale
    if (temperature := options.get("temperature")) is not None:
        settings |= {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
    if (rows := options.get("max_tokens")) is not None:
        delay = max(synthesizer.model.config.delay_pattern)
        Range(delay + 3, ROWS.most, whole=True).check("max_tokens", rows)
        settings["max_length"] = int(rows) - delay
    return settings


def _rate(synthesizer: Synthesizer, rate: float | None) -> float | None:
    """A speaking rate; None where it changes nothing."""
    if rate is not None and synthesizer.processor.audio_tokenizer is None:
        raise ValueError("speaking_rate changes sound, and there is no codec to make any; load the model with it.")
    return None if rate == 1 else rate


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
            raise TypeError(f"{name} holds {shown(value)}; expected {kind.__name__}, or a list of one per text.")


__all__ = ["Prompt", "job_of", "jobs_of", "read_script"]
