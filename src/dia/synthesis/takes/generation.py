"""Generate takes: run passes, analyze them, and retry those with faults.

Independent of files and of scripts that are longer than a pass.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing as closing_of
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from transformers.generation.streamers import BaseStreamer

from dia.audio.dsp.silence import certain_span, trimmed
from dia.audio.waveform import Waveform
from dia.runtime.log import get_logger
from dia.synthesis.stream import stream
from dia.synthesis.synthesizer import PassResult, Synthesizer
from dia.synthesis.takes.analysis import TakeAnalysis
from dia.synthesis.takes.checks import min_plausible_seconds
from dia.synthesis.takes.seeds import checked_seed, later_seed
from dia.synthesis.takes.take import Attempt, Line, Take, TakeOptions

logger = get_logger(__name__)

_NO_SETTINGS: Mapping[str, Any] = {}
_CLOSING_TAG_SECONDS = 2.0  # the sound of a closing tag is hardly longer; it is cut off once the pass ends
_FIRST_SECONDS = 0.4  # of sound in the first chunk; less is not yielded, see `certain_span`


def make_take(
    synthesizer: Synthesizer,
    line: Line,
    seed: int | None = None,
    settings: Mapping[str, Any] = _NO_SETTINGS,
    take_options: TakeOptions | None = None,
) -> Take:
    """Like `make_takes`, for a single line."""
    return make_takes(synthesizer, [line], [seed], settings, take_options)[0]


def make_takes(
    synthesizer: Synthesizer,
    lines: Sequence[Line],
    seeds: Sequence[int | None],
    settings: Mapping[str, Any] = _NO_SETTINGS,
    take_options: TakeOptions | None = None,
    streamer: BaseStreamer | None = None,
) -> list[Take]:
    """Speak lines in one batch, and retry those with faults.

    If all attempts at a line have faults, the best of them is returned. A line gives the same take alone and in a
    batch.

    Args:
        synthesizer: model and processor. Without a codec, takes have codes but no audio.
        lines: the lines to speak; each must fit in a pass.
        seeds: seed of the first take of each line; retries and the further takes of `best_of` use the next seeds. None
            selects a random one.
        settings: keyword arguments of transformers' `generate`. Unless they set a length, a take ends when it is much
            longer than estimated from its text.
        take_options: retries, best-of and so on.
        streamer: receives every row of the first attempts.

    Raises:
        TypeError, ValueError: an argument is invalid; the message names it.
    """
    take_options = take_options or TakeOptions()
    analyses = [TakeAnalysis(synthesizer, line, take_options) for line in lines]
    firsts = [_checked_seed(seed) for seed in seeds]
    made: list[list[Take]] = [[] for _ in lines]
    for start in range(0, (take_options.retries + 1) * take_options.best_of, take_options.best_of):
        wrong = [index for index, takes in enumerate(made) if all(take.warnings for take in takes)]
        tries = [
            (index, later_seed(firsts[index], start + number))
            for index in wrong
            for number in range(take_options.best_of)
        ]
        found = _run_batch(synthesizer, [(analyses[index], seed) for index, seed in tries], settings, streamer)
        for (index, _), take in zip(tries, found, strict=True):
            made[index].append(take)
        streamer = None
    return [_best_take(takes) for takes in made]


def _checked_seed(seed: int | None) -> int:
    seed = checked_seed(seed)
    return int(torch.randint(2**31, ())) if seed is None else seed


def _best_take(takes: Sequence[Take]) -> Take:
    best = min(takes, key=lambda take: (len(take.warnings), -take.attempts[0].score))
    return replace(best, attempts=tuple(attempt for take in takes for attempt in take.attempts))


def _run_batch(
    synthesizer: Synthesizer,
    tries: Sequence[tuple[TakeAnalysis, int]],
    settings: Mapping[str, Any],
    streamer: BaseStreamer | None,
) -> list[Take]:
    """Run one pass for all lines and seeds; each clip ends at the length limit of its own line."""
    if not tries:
        return []
    spoken = synthesizer(
        [analysis.text for analysis, _ in tries],
        [analysis.line.prompt for analysis, _ in tries],
        [seed for _, seed in tries],
        settings,
        streamer,
        [analysis.max_frames(settings) for analysis, _ in tries],
    )
    has_codec = synthesizer.processor.audio_tokenizer is not None
    sounds = synthesizer.sounds([one.codes for one in spoken]) if has_codec else [None] * len(spoken)
    return [
        analysis.take(one, sound, seed) for (analysis, seed), one, sound in zip(tries, spoken, sounds, strict=True)
    ]


def stream_take(
    synthesizer: Synthesizer,
    line: Line,
    seed: int | None,
    settings: Mapping[str, Any] = _NO_SETTINGS,
    take_options: TakeOptions | None = None,
    timeout: float | None = None,
) -> Generator[Waveform, None, Take]:
    """Speak a line once, and yield the audio while it is generated.

    Yields nothing before there is 0.3 s of sound. A model that reads a closing tag may produce a sound for it, which
    is cut off. Once the text may be complete, the last two seconds are therefore held back. If the sound of the tag
    is longer, part of it is yielded, and a warning is logged.

    Args:
        synthesizer: model, processor and codec.
        line: the line to speak; it must fit in a pass.
        seed: seed of the take; None selects a random one.
        settings: keyword arguments of transformers' `generate`.
        take_options: only `edge_seconds` is used; there are no retries.
        timeout: seconds to wait for the next chunk; None waits indefinitely.

    Yields:
        Samples [N], float32. Concatenated, they are the beginning of the returned take's audio.

    Returns:
        The same take as `make_take` with this seed.

    Raises:
        TypeError, ValueError: an argument is invalid; the message names it.
    """
    analysis, seed = TakeAnalysis(synthesizer, line, take_options or TakeOptions()), _checked_seed(seed)
    rate, edge = synthesizer.processor.sampling_rate, analysis.take_options.edge_seconds
    closing = _CLOSING_TAG_SECONDS if analysis.format.closing_tag else 0.0
    earliest = min_plausible_seconds(line.text) * rate  # in samples; the text cannot be complete earlier
    audio, yielded = np.zeros(0, np.float32), 0
    limited = synthesizer.limited(settings, analysis.max_frames(settings))
    rows = stream(synthesizer, analysis.text, line.prompt, seed, limited, timeout, _FIRST_SECONDS)
    with closing_of(rows) as chunks:
        while True:
            try:
                audio = np.concatenate([audio, next(chunks)])
            except StopIteration as ended:
                take = analysis.take(ended.value, audio, seed)
                if yielded > len(take.audio):
                    extra = (yielded - len(take.audio)) / rate
                    logger.warning("The stream ended with %.1f s of sound that belong to no word.", extra)
                return take
            span = certain_span(audio, rate, closing if len(audio) > earliest else 0.0)
            if any(span):
                known, _ = trimmed(audio, rate, edge, 0.0, span)
                if len(known) > yielded:
                    yield known[yielded:]
                    yielded = len(known)


def restore_take(
    synthesizer: Synthesizer,
    line: Line,
    spoken: PassResult,
    seed: int,
    attempts: tuple[Attempt, ...],
    take_options: TakeOptions,
) -> Take:
    """Restore a take of `make_take` from its codes."""
    analysis = TakeAnalysis(synthesizer, line, replace(take_options, recognizer=None))
    return replace(analysis.take(spoken, synthesizer.sound(spoken.codes), seed), attempts=attempts)


__all__ = ["make_take", "make_takes", "restore_take", "stream_take"]
