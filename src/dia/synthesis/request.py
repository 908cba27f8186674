"""Validate the arguments of the facade and turn them into jobs."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, TypeAlias, Unpack, cast

import numpy as np

from dia.audio.clips import is_pair
from dia.runtime.limits import ROWS
from dia.runtime.ranges import Range, shown
from dia.synthesis.job import SynthesisJob, make_job
from dia.synthesis.options import Options, ReadingOptions, check_options
from dia.synthesis.parts.planning import reserved_seconds
from dia.synthesis.prompts import (
    UNMATCHED,
    VoicePrompt,
    fit_prompt,
    prompt_from_recording,
    prompt_from_voice,
    prompt_limit,
)
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.seeds import checked_seed
from dia.synthesis.takes.take import Line, TakeOptions
from dia.text.prompt_format import PromptFormat
from dia.text.script import Script, parse
from dia.text.speakers import by_speaker
from dia.text.tags import speakers_in
from dia.voices.prompt import Limit
from dia.voices.timbre import Timbre

Prompt: TypeAlias = Any  # what DiaFeatureExtractor reads, or codes [T, C]


def jobs_of(
    synthesizer: Synthesizer,
    text: str | Sequence[str],
    take_options: TakeOptions | None = None,
    long_form: bool | None = None,
    prompt_name: str = "audio_prompt",
    **options: "Unpack[Options]",
) -> list[SynthesisJob]:
    """Validate the arguments of `Dia.generate` and similar methods; return one job per text, with recordings as codes.

    `prompt_name` is the caller's name for `audio_prompt`, for error messages.

    Raises:
        TypeError: an argument has the wrong type; the message names it.
        ValueError: an argument is out of range, or a list has a different length than the texts; the message names it.
    """
    _check_names(options)
    options = cast(Options, check_options(options))
    texts = _checked_texts(text)
    seeds = [checked_seed(seed) for seed in _one_per_text(options.get("seed"), len(texts), "seed")]
    settings, rate = _settings(synthesizer, options), _rate(synthesizer, options.get("speaking_rate"))
    _check_timing(synthesizer, options, long_form)
    reading: Any = {name: value for name, value in options.items() if name in ReadingOptions.__annotations__}
    scripts = [read_script(synthesizer, one, **reading) for one in texts]
    format = PromptFormat.of(synthesizer.model.generation_config)
    names = [prompt_name if len(texts) == 1 else f"{prompt_name}[{row}]" for row in range(len(texts))]
    voices = _voices(synthesizer, scripts, options, long_form, names)
    jobs = [
        make_job(
            synthesizer,
            script,
            voice,
            long_form,
            seed=seed,
            settings=settings,
            take_options=take_options or TakeOptions(),
            rate=rate,
            timbre=timbre,
            remarks=(*script.warnings_for(format, _prompt_seconds(synthesizer, voice)), *remarks),
        )
        for script, (voice, timbre, remarks), seed in zip(scripts, voices, seeds, strict=True)
    ]
    for row, job in enumerate(jobs):
        _check_prompt_length(synthesizer, job, options, names[row])
    return jobs


def job_of(
    synthesizer: Synthesizer,
    text: Any,
    take_options: TakeOptions | None = None,
    long_form: bool | None = None,
    **options: "Unpack[Options]",
) -> SynthesisJob:
    """One script as a job. A job is returned unchanged.

    Raises:
        TypeError: `text` is neither a script nor a job, or options are passed with a job.
        ValueError: as in `jobs_of`.
    """
    if isinstance(text, SynthesisJob):
        if options or long_form is not None or take_options not in (None, TakeOptions()):
            raise TypeError("text is a job, so no further options are allowed; pass them to `Dia.job`.")
        return text
    if not isinstance(text, str):
        raise TypeError(f"text is {type(text).__name__}; expected one script.")
    (job,) = jobs_of(synthesizer, text, take_options, long_form, **options)
    return job


def read_script(synthesizer: Synthesizer, text: str, **options: "Unpack[ReadingOptions]") -> Script:
    """Parse a text with the text frontend of the checkpoint, and check its phones against the tokenizer.

    Raises:
        TypeError, ValueError: the text cannot be spoken.
    """
    frontend = PromptFormat.of(synthesizer.model.generation_config).text_frontend
    script = parse(text, frontend=frontend, **options)
    synthesizer.processor.tokenizer.spoken(script.spoken)
    return script


def _check_names(options: Mapping[str, Any]) -> None:
    unknown = sorted(set(options) - set(Options.__annotations__))
    if unknown:
        raise TypeError(f"unknown option {unknown[0]}; expected one of {', '.join(sorted(Options.__annotations__))}.")


def _checked_texts(text: Any) -> list[str]:
    if not isinstance(text, str | list | tuple):
        raise TypeError(f"text is {type(text).__name__}; expected a script or a list of scripts.")
    texts = [text] if isinstance(text, str) else list(text)
    if not texts:
        raise ValueError("text is an empty list; pass at least one script.")
    for one in texts:
        if not isinstance(one, str):
            raise TypeError(f"text contains {shown(one)}; expected scripts.")
    return texts


def _voices(
    synthesizer: Synthesizer,
    scripts: Sequence[Script],
    options: Mapping[str, Any],
    long_form: bool | None,
    names: Sequence[str],
) -> list[tuple[Line | None, Timbre | None, tuple[str, ...]]]:
    """The prompt for each script, or None, and the timbre of its voice, with remarks on them."""
    prompts = _prompts(synthesizer, scripts, options, long_form, names)
    fit = cache(partial(fit_prompt, synthesizer))  # shorten a prompt that several scripts share only once
    found: list[tuple[Line | None, Timbre | None, tuple[str, ...]]] = []
    for prompt, script in zip(prompts, scripts, strict=True):
        if prompt is None:
            found.append((None, None, ()))
            continue
        line, remarks = fit(prompt, reserved_seconds(script))
        timbre = _timbre(synthesizer, prompt, script)
        lost = prompt.timbre is not None and timbre is None
        found.append((line, timbre, (*remarks, UNMATCHED) if lost else remarks))
    return found


def _timbre(synthesizer: Synthesizer, prompt: VoicePrompt, script: Script) -> Timbre | None:
    """The timbre of the voice, if it speaks the whole script and there is audio to change."""
    strangers = set(speakers_in(script.spoken)) - set(speakers_in(prompt.line.transcript))
    return None if strangers or synthesizer.processor.audio_tokenizer is None else prompt.timbre


def _prompts(
    synthesizer: Synthesizer,
    scripts: Sequence[Script],
    options: Mapping[str, Any],
    long_form: bool | None,
    names: Sequence[str],
) -> list[VoicePrompt | None]:
    """The prompt for each text, or None."""
    texts, limit = len(scripts), partial(_limit, synthesizer, options.get("max_tokens"), long_form)
    if options.get("voice") is not None:
        given = _one_per_text(options["voice"], texts, "voice")
        voices = [
            by_speaker(voice, script.names, "voice") if isinstance(voice, Mapping) else voice
            for voice, script in zip(given, scripts, strict=True)
        ]
        return _make_once(voices, lambda voice, row: prompt_from_voice(synthesizer, voice, limit(scripts[row], True)))
    prompts = _one_per_text(options.get("audio_prompt"), texts, "audio_prompt")
    transcripts = _one_per_text(options.get("audio_prompt_text"), texts, "audio_prompt_text")
    _check_types(transcripts, "audio_prompt_text", str)
    for prompt, transcript in zip(prompts, transcripts, strict=True):
        if prompt is None and transcript:
            raise ValueError("audio_prompt_text is the transcript of audio_prompt; pass audio_prompt too.")
    read = partial(read_script, synthesizer, normalize=options.get("normalize", True))
    spoken = [
        read(one, speakers=options.get("speakers") or script.names or None).spoken if one else ""
        for one, script in zip(transcripts, scripts, strict=True)
    ]

    def make(prompt: Any, row: int) -> VoicePrompt:
        row_limit = limit(scripts[row], bool(spoken[row]))
        return prompt_from_recording(synthesizer, prompt, spoken[row], names[row], row_limit)

    return _make_once(prompts, make, spoken)


def _limit(
    synthesizer: Synthesizer, max_tokens: int | None, long_form: bool | None, script: Script, transcribed: bool
) -> Limit:
    """The maximum length of a prompt as known before encoding; `max_tokens` limits it only in a single pass."""
    short = not (script.has_pauses or script.is_timed) and reserved_seconds(script) == script.seconds
    one_pass = short if long_form is None else not long_form
    return prompt_limit(synthesizer, max_tokens, one_pass or not transcribed)


def _check_prompt_length(
    synthesizer: Synthesizer, job: SynthesisJob, options: Mapping[str, Any], prompt_name: str
) -> None:
    """Reject a prompt that leaves no time for new speech within `max_tokens`."""
    if job.voice is not None and not job.long_form:
        name = "voice" if options.get("voice") is not None else prompt_name
        limit = prompt_limit(synthesizer, options.get("max_tokens"), one_pass=True)
        limit.check(_prompt_seconds(synthesizer, job.voice), name)


def _make_once(
    given: Sequence[Any], make: Callable[[Any, int], VoicePrompt], transcripts: Sequence[str] | None = None
) -> list[VoicePrompt | None]:
    """Make a prompt of each value, only once for the same value and transcript; None remains None."""
    made: dict[Any, VoicePrompt] = {}
    keys = [(id(one), None if transcripts is None else transcripts[row]) for row, one in enumerate(given)]
    for row, (one, key) in enumerate(zip(given, keys, strict=True)):
        if one is not None and key not in made:
            made[key] = make(one, row)
    return [None if one is None else made[key] for one, key in zip(given, keys, strict=True)]


def _prompt_seconds(synthesizer: Synthesizer, voice: Line | None) -> float:
    """The length of a voice's recording."""
    return 0.0 if voice is None or voice.prompt is None else len(voice.prompt) / synthesizer.processor.frame_rate


def _settings(synthesizer: Synthesizer, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as keyword arguments of transformers' `generate`."""
    settings: dict[str, Any] = {}
    for name, keyword in (("top_p", "top_p"), ("cfg_filter_top_k", "top_k")):
        if options.get(name) is not None:
            settings[keyword] = options[name]
    if (scale := options.get("cfg_scale")) is not None:
        # In transformers a scale of exactly 1 turns guidance off; the native package applies guidance at 1.
        settings["guidance_scale"] = float(np.nextafter(1.0, 2.0)) if scale == 1 else scale
    if (temperature := options.get("temperature")) is not None:
        settings |= {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
    if (rows := options.get("max_tokens")) is not None:
        delay = max(synthesizer.model.config.delay_pattern)
        Range(delay + 3, ROWS.most, whole=True).check("max_tokens", rows)
        settings["max_length"] = rows - delay
        if synthesizer.model.generation_config.max_new_tokens is not None:
            settings["max_new_tokens"] = None  # the checkpoint's would take precedence
    return settings


def _rate(synthesizer: Synthesizer, rate: float | None) -> float | None:
    """A speaking rate; None if it changes nothing."""
    if rate is not None and synthesizer.processor.audio_tokenizer is None:
        raise ValueError("there is no codec, so speaking_rate cannot be applied; load the model with its codec.")
    return None if rate == 1 else rate


def _check_timing(synthesizer: Synthesizer, options: Mapping[str, Any], long_form: bool | None) -> None:
    if options.get("keep_timing"):
        if synthesizer.processor.audio_tokenizer is None:
            raise ValueError("there is no codec, so keep_timing cannot be applied; load the model with its codec.")
        if long_form is False:
            raise ValueError("keep_timing speaks each cue as a part, so long_form must not be False; omit it.")


def _one_per_text(given: Any, texts: int, name: str) -> list[Any]:
    """One value per text: a list is returned as it is, any other value, or a clip with its rate, is repeated."""
    if not isinstance(given, list | tuple) or is_pair(given) or (texts == 1 and len(given) != 1):
        return [given] * texts
    if len(given) != texts:
        raise ValueError(f"{name} has {len(given)} entries for {texts} texts; pass one value, or one per text.")
    return list(given)


def _check_types(values: Sequence[Any], name: str, kind: type) -> None:
    for value in values:
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise TypeError(f"{name} contains {shown(value)}; expected {kind.__name__}, or a list with one per text.")


__all__ = ["Prompt", "job_of", "jobs_of", "read_script"]
