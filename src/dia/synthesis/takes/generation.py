"""Takes that can be trusted: passes are analysed, and made again where something is wrong with them.

Knows one pass at a time. Knows nothing of files, nor of scripts longer than a pass.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing as closing_of
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from transformers.generation.streamers import BaseStreamer

from dia.audio.silence import certain_span, trimmed
from dia.audio.waveform import Waveform
from dia.runtime.log import get_logger
from dia.synthesis.stream import stream
from dia.synthesis.synthesizer import Spoken, Synthesizer
from dia.synthesis.takes.analysis import TakeAnalysis
from dia.synthesis.takes.checks import shortest_plausible
from dia.synthesis.takes.seeds import check_seed, later_seed
from dia.synthesis.takes.take import Attempt, Line, Take, TakeOptions

logger = get_logger(__name__)

_NOTHING: Mapping[str, Any] = {}
_CLOSING_SECONDS = 2.0  # the sound of a closing tag is hardly longer; it is cut off when all is there


def make_take(
    synthesizer: Synthesizer,
    line: Line,
    seed: int | None = None,
    settings: Mapping[str, Any] = _NOTHING,
    take_options: TakeOptions | None = None,
) -> Take:
    """As `make_takes`, for one line."""
    return make_takes(synthesizer, [line], [seed], settings, take_options)[0]


def make_takes(
    synthesizer: Synthesizer,
    lines: Sequence[Line],
    seeds: Sequence[int | None],
    settings: Mapping[str, Any] = _NOTHING,
    take_options: TakeOptions | None = None,
    streamer: BaseStreamer | None = None,
) -> list[Take]:
    """Speak lines in one batch; those with something wrong are spoken again while there are retries.

    Where every try of a line has something wrong with it, the least bad one is returned. A line gives the same take
    alone and among others.

    Args:
        synthesizer: model and processor. Without a codec takes have codes and no audio.
        lines: what to say; each must fit into a pass.
        seeds: of the first take of each line; a retry and each further take of `best_of` have the next. None draws
            one.
        settings: keywords of transformers' `generate`. Where they set no length, a take is ended when it is much
            longer than its text lets expect.
        take_options: retries and the like.
        streamer: is given every row of the first tries.

    Raises:
        TypeError, ValueError: an argument is unusable; the message names it.
    """
    take_options = take_options or TakeOptions()
    listeners = [TakeAnalysis(synthesizer, line, take_options) for line in lines]
    firsts = [_checked_seed(seed) for seed in seeds]
    made: list[list[Take]] = [[] for _ in lines]
    for start in range(0, (take_options.retries + 1) * take_options.best_of, take_options.best_of):
        wrong = [index for index, takes in enumerate(made) if all(take.warnings for take in takes)]
        tries = [
            (index, later_seed(firsts[index], start + number))
            for index in wrong
            for number in range(take_options.best_of)
        ]
        found = _in_one_batch(synthesizer, [(listeners[index], seed) for index, seed in tries], settings, streamer)
        for (index, _), take in zip(tries, found, strict=True):
            made[index].append(take)
        streamer = None
    return [_best(takes) for takes in made]


def _checked_seed(seed: int | None) -> int:
    check_seed(seed)
    return int(torch.randint(2**31, ())) if seed is None else seed


def _best(takes: Sequence[Take]) -> Take:
    best = min(takes, key=lambda take: (len(take.warnings), -take.attempts[0].score))
    return replace(best, attempts=tuple(attempt for take in takes for attempt in take.attempts))


def _in_one_batch(
    synthesizer: Synthesizer,
    tries: Sequence[tuple[TakeAnalysis, int]],
    settings: Mapping[str, Any],
    streamer: BaseStreamer | None,
) -> list[Take]:
    """One pass for every line and seed; each clip ends at the length limit of its own line."""
    if not tries:
        return []
    limits = [analysis.frames(settings) for analysis, _ in tries]  # one frame of the room is for the end
    spoken = synthesizer(
        [analysis.text for analysis, _ in tries],
        [analysis.line.prompt for analysis, _ in tries],
        [seed for _, seed in tries],
        _limited(synthesizer, settings, limits),
        streamer,
    )
    spoken = [one if limit is None else one.cut(limit - 1) for one, limit in zip(spoken, limits, strict=True)]
    has_codec = synthesizer.processor.audio_tokenizer is not None
    sounds = synthesizer.sounds([one.codes for one in spoken]) if has_codec else [None] * len(spoken)
    return [
        analysis.take(one, sound, seed) for (analysis, seed), one, sound in zip(tries, spoken, sounds, strict=True)
    ]


def _limited(synthesizer: Synthesizer, settings: Mapping[str, Any], limits: Sequence[int | None]) -> Mapping[str, Any]:
    """The settings of a pass that lets every clip reach its limit in frames; None is the model's own limit."""
    frames = [limit for limit in limits if limit is not None]
    if len(frames) < len(limits):
        return settings
    return {**settings, "max_new_tokens": max(frames) + max(synthesizer.processor.delay_pattern)}


def stream_take(
    synthesizer: Synthesizer,
    line: Line,
    seed: int | None,
    settings: Mapping[str, Any] = _NOTHING,
    take_options: TakeOptions | None = None,
    timeout: float | None = None,
) -> Generator[Waveform, None, Take]:
    """Speak a line once, heard while it is made.

    Nothing is yielded before 0.3 s of sound are there. A model that reads a closing tag may make a sound of it, which
    is cut off: once the text may be over, the last two seconds are held back. Should more than that come of the tag,
    it has been heard, and the log says so.

    Args:
        synthesizer: model, processor and codec.
        line: what to say; it must fit into a pass.
        seed: of the take; None draws one.
        settings: keywords of transformers' `generate`.
        take_options: of which the edges count; there are no retries.
        timeout: seconds to wait for the next piece; None waits for ever.

    Yields:
        Samples [N], float32; joined they are how the audio of what is returned begins.

    Returns:
        The take that `make_take` makes with this seed.

    Raises:
        TypeError, ValueError: an argument is unusable; the message names it.
    """
    analysis, seed = TakeAnalysis(synthesizer, line, take_options or TakeOptions()), _checked_seed(seed)
    rate, edge = synthesizer.processor.sampling_rate, analysis.take_options.edge_seconds
    closing = _CLOSING_SECONDS if analysis.format.closing_tag else 0.0
    earliest = shortest_plausible(line.text) * rate  # samples before which the text is not over
    heard, given = np.zeros(0, np.float32), 0
    limited = _limited(synthesizer, settings, [analysis.frames(settings)])
    with closing_of(stream(synthesizer, analysis.text, line.prompt, seed, limited, timeout)) as sound:
        while True:
            try:
                heard = np.concatenate([heard, next(sound)])
            except StopIteration as ended:
                take = analysis.take(ended.value, heard, seed)
                if given > len(take.audio):
                    logger.warning("%.1f s were heard that belong to no word.", (given - len(take.audio)) / rate)
                return take
            span = certain_span(heard, rate, closing if len(heard) > earliest else 0.0)
            if any(span):
                known, _ = trimmed(heard, rate, edge, 0.0, span)
                if len(known) > given:
                    yield known[given:]
                    given = len(known)


def made_take(
    synthesizer: Synthesizer,
    line: Line,
    spoken: Spoken,
    seed: int,
    attempts: tuple[Attempt, ...],
    take_options: TakeOptions,
) -> Take:
    """The take that `make_take` made of codes which are there already."""
    analysis = TakeAnalysis(synthesizer, line, replace(take_options, recogniser=None))
    return replace(analysis.take(spoken, synthesizer.sound(spoken.codes), seed), attempts=attempts)


__all__ = ["made_take", "make_take", "make_takes", "stream_take"]
