"""Takes that can be trusted: a pass is listened to, trimmed, timed, and made again where something is wrong with it.

Knows one pass and what may be wrong with it. Knows nothing of files, nor of scripts longer than a pass.
"""

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.utils import logging

from dia.audio.silence import EDGE_SECONDS, certain_span, cut_after, narrowed, trimmed, utterance_span
from dia.synthesis import alignment as timing
from dia.synthesis.alignment import Floats, TurnTime, WordTime
from dia.synthesis.recognition import Recogniser, agreement
from dia.synthesis.stream import stream
from dia.synthesis.synthesizer import Audio, Speech, Spoken
from dia.synthesis.take_checks import Performance, faults, longest_plausible
from dia.text.prompt_format import PromptFormat, continued

logger = logging.get_logger(__name__)

_NOTHING: Mapping[str, Any] = {}
_STRETCH_SECONDS = 0.2  # about a syllable
_CLOSING_SECONDS = 2.0  # the sound of a closing tag is hardly longer; it is cut off when all is there
_GRACE_SECONDS = 1.0  # beyond what is plausible, so that a take that runs away is seen to


@dataclass(frozen=True, eq=False)
class Line:
    """What one pass is to say.

    Attributes:
        text: the new text, with its speakers' tags.
        prompt: int64 codes [T, C] of what was said before it, or None.
        transcript: what is said in the prompt, with its tags.
    """

    text: str
    prompt: Tensor | None = None
    transcript: str = ""

    @property
    def whole(self) -> str:
        """The transcript and the text; a tag is not said again where the speaker stays."""
        return continued(self.transcript, self.text)


@dataclass(frozen=True)
class Care:
    """How much trouble is taken over a take.

    Attributes:
        retries: how often a take is made again while something is wrong with it, each time with the next seeds.
        best_of: how many takes are made at once, with one seed after another; the best is kept.
        edge_seconds: the silence that is left at either end.
        recogniser: given a waveform [N] and its rate in Hz it answers what it hears; the take in which it hears most
            of the text is the best.

    Raises:
        TypeError, ValueError: one of them is unusable; the message names it.
    """

    retries: int = 0
    best_of: int = 1
    edge_seconds: float = EDGE_SECONDS
    recogniser: Recogniser | None = None

    def __post_init__(self) -> None:
        for name, least in (("retries", 0), ("best_of", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} is {value!r}; expected a whole number, {least} or more.")
            if value < least:
                raise ValueError(f"{name}={value} must be {least} or more.")
        if not 0 <= self.edge_seconds < math.inf:
            raise ValueError(f"edge_seconds={self.edge_seconds} must be 0 or more.")
        if self.recogniser is not None and not callable(self.recogniser):
            raise TypeError(f"recogniser is {self.recogniser!r}; expected a function of a waveform and its rate.")


@dataclass(frozen=True)
class Attempt:
    """A pass that was made: its seed, what is wrong with it, and its score, of which more is better."""

    seed: int
    faults: tuple[str, ...]
    score: float


@dataclass(frozen=True, eq=False)
class Take:
    """A pass that was chosen.

    Attributes:
        audio: float32 [N], ±1, with a set length of silence at both ends.
        sampling_rate: Hz.
        seed: gives this take again, alone or among others.
        codes: int64 [T, C], everything that the model spoke, silence included.
        ended: the model ended by itself.
        start: where in the sound of `codes` the audio begins, in seconds; negative where silence was put before it.
        turns: when each turn and word is heard in `audio`.
        warnings: what is wrong with it; empty for a good take.
        attempts: every pass that was made, in order; this take is one of them.
    """

    audio: Audio
    sampling_rate: int
    seed: int
    codes: Tensor
    ended: bool
    start: float
    turns: tuple[TurnTime, ...]
    warnings: tuple[str, ...]
    attempts: tuple[Attempt, ...]

    @property
    def seconds(self) -> float:
        """How long the audio is."""
        return len(self.audio) / self.sampling_rate


def make_take(
    speech: Speech,
    line: Line,
    seed: int | None = None,
    settings: Mapping[str, Any] = _NOTHING,
    care: Care | None = None,
) -> Take:
    """Speak a line until nothing is wrong with it, or no retries are left; then the least bad take is returned.

    Args:
        speech: model, processor and codec.
        line: what to say; it must fit into a pass.
        seed: of the first take; a retry and each further take of `best_of` have the next. By default a random one.
        settings: keywords of transformers' `generate`. Where they set no length a take is ended when it is much
            longer than its text lets expect.
        care: retries and the like.

    Raises:
        TypeError, ValueError: an argument is unusable; the message names it.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | None):
        raise TypeError(f"seed is {seed!r}; expected a whole number.")
    care = care or Care()
    first = int(torch.randint(2**31, ())) if seed is None else seed
    listener, made = _Listener(speech, line, care), list[Take]()
    for start in range(first, first + (care.retries + 1) * care.best_of, care.best_of):
        made += listener.takes(range(start, start + care.best_of), settings)
        if not all(take.warnings for take in made):
            break
    best = min(made, key=lambda take: (len(take.warnings), -take.attempts[0].score))
    return replace(best, attempts=tuple(attempt for take in made for attempt in take.attempts))


def stream_take(
    speech: Speech,
    line: Line,
    seed: int,
    settings: Mapping[str, Any] = _NOTHING,
    care: Care | None = None,
) -> Generator[Audio, None, Take]:
    """Speak a line once, heard while it is made.

    Nothing is certain until 0.3 s of sound are there, and of a model that is given a closing tag not the last
    two seconds: it is cut off what comes of that. Should more come, it has been heard, and the log says so.

    Args:
        speech: model, processor and codec.
        line: what to say; it must fit into a pass.
        seed: of the take.
        settings: keywords of transformers' `generate`.
        care: of which the edges count; there are no retries.

    Yields:
        Samples [N], float32; joined they are how the audio of what is returned begins.

    Returns:
        The take that `make_take` makes with this seed.

    Raises:
        TypeError, ValueError: an argument is unusable; the message names it.
    """
    listener = _Listener(speech, line, care or Care())
    rate, edge = speech.processor.sampling_rate, listener.care.edge_seconds
    hold = _CLOSING_SECONDS if PromptFormat.of(speech.model.generation_config).closing_tag else 0.0
    heard, given = np.zeros(0, np.float32), 0
    with closing(stream(speech, listener.text, line.prompt, seed, listener.limited(settings))) as sound:
        while True:
            try:
                heard = np.concatenate([heard, next(sound)])
            except StopIteration as ended:
                take = listener.take(ended.value, heard, seed)
                if given > len(take.audio):
                    logger.warning("%.1f s were heard that belong to no word.", (given - len(take.audio)) / rate)
                return take
            span = certain_span(heard, rate, hold)
            if any(span):
                known, _ = trimmed(heard, rate, edge, 0.0, span)
                if len(known) > given:
                    yield known[given:]
                    given = len(known)


def made_take(
    speech: Speech, line: Line, spoken: Spoken, seed: int, attempts: tuple[Attempt, ...], care: Care
) -> Take:
    """The take that `make_take` made of codes which are there already."""
    listener = _Listener(speech, line, replace(care, recogniser=None))
    return replace(listener.take(spoken, speech.sound(spoken.codes), seed), attempts=attempts)


def on_sound(turns: Sequence[TurnTime], audio: Audio, sampling_rate: int) -> tuple[TurnTime, ...]:
    """Turns whose words begin and end with sound: while it is silent the attention is on one of the words beside."""
    spans = iter(narrowed(audio, sampling_rate, [(word.start, word.end) for turn in turns for word in turn.words]))
    found = []
    for turn in turns:
        words = tuple(WordTime(word.text, *next(spans)) for word in turn.words)
        found.append(replace(turn, start=words[0].start, end=words[-1].end, words=words))
    return tuple(found)


@dataclass(frozen=True)
class _Listener:
    """Finds out about passes of one line."""

    speech: Speech
    line: Line
    care: Care

    def takes(self, seeds: Sequence[int], settings: Mapping[str, Any]) -> list[Take]:
        """One pass for each seed, in one batch."""
        many = len(seeds)
        spoken = self.speech([self.text] * many, [self.line.prompt] * many, seeds, self.limited(settings))
        sounds = self.speech.sounds([one.codes for one in spoken])
        return [self.take(*one) for one in zip(spoken, sounds, seeds, strict=True)]

    @property
    def text(self) -> str:
        """All that the model reads."""
        return PromptFormat.of(self.speech.model.generation_config).as_read(self.line.whole)

    def take(self, spoken: Spoken, audio: Audio, seed: int) -> Take:
        """What is found in one pass, which is its only attempt."""
        rate, frame_rate = self.speech.processor.sampling_rate, self.speech.processor.frame_rate
        before = spoken.codes[:0] if self.line.prompt is None else self.line.prompt
        reading = timing.read(self.speech.model, self.speech.processor, self.text, torch.cat([before, spoken.codes]))
        turns = [turn.shifted(-len(before) / frame_rate) for turn in reading.turns(len(self.line.transcript.strip()))]
        closing = np.flatnonzero(reading.path[len(before) :] >= len(self.line.whole))  # frames of the closing tag
        if turns and len(closing):
            audio = cut_after(audio, rate, max(turns[-1].end, closing[0] / frame_rate))
        codes = spoken.codes[: math.ceil(len(audio) * frame_rate / rate)]
        found = faults(Performance(self.line.text, audio, rate, codes, frame_rate, spoken.ended, reading.unread))
        edge = self.care.edge_seconds
        audio, later = trimmed(audio, rate, edge, edge, utterance_span(audio, rate))
        attempt = Attempt(seed, found, self._score(reading.attention[len(before) :], audio))
        return Take(
            audio=audio,
            sampling_rate=rate,
            seed=seed,
            codes=spoken.codes,
            ended=spoken.ended,
            start=-later,
            turns=on_sound([turn.shifted(later, latest=len(audio) / rate) for turn in turns], audio, rate),
            warnings=found,
            attempts=(attempt,),
        )

    def limited(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """The settings with a limit of length, where they have none."""
        if {"max_length", "max_new_tokens"} & set(settings):
            return settings
        processor, own = self.speech.processor, self.speech.model.generation_config.max_length
        frames = math.ceil((longest_plausible(self.line.text) + _GRACE_SECONDS) * processor.frame_rate)
        given = 0 if self.line.prompt is None else len(self.line.prompt)
        if own is not None and own < given + frames:
            return settings
        return {**settings, "max_new_tokens": frames + max(processor.delay_pattern)}

    def _score(self, attention: Floats, audio: Audio) -> float:
        """What is heard of the text; or how well it was read, on the whole and where it was read worst: 0 to 1.

        Measured beside word error, reading told more than likelihood did; see docs/long_form.md.
        """
        if self.care.recogniser is not None:
            return agreement(self.line.text, self.care.recogniser(audio, self.speech.processor.sampling_rate))
        if not len(attention):
            return 0.0
        width = min(len(attention), math.ceil(_STRETCH_SECONDS * self.speech.processor.frame_rate))
        weakest = np.convolve(attention, np.full(width, 1 / width), "valid").min()
        return float(attention.mean() + weakest) / 2


__all__ = ["Attempt", "Care", "Line", "Take", "made_take", "make_take", "on_sound", "stream_take"]
