"""Analyze a single pass: align it with its text, trim it, and check it for faults.

Independent of retries and of how the best take is chosen.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from dia.audio.dsp.silence import cut_after, narrowed, trimmed, utterance_span
from dia.audio.waveform import Waveform
from dia.synthesis.synthesizer import PassResult, Synthesizer
from dia.synthesis.takes import alignment
from dia.synthesis.takes.alignment import Alignment, FloatArray, TurnTime, WordTime
from dia.synthesis.takes.checks import CheckInput, faults, max_plausible_seconds
from dia.synthesis.takes.recognition import word_accuracy
from dia.synthesis.takes.take import Attempt, Line, Take, TakeOptions
from dia.text.prompt_format import PromptFormat, continue_transcript

_STRETCH_SECONDS = 0.2  # about a syllable
_GRACE_SECONDS = 1.0  # beyond the longest plausible duration, so that a runaway take is detected as too long


@dataclass(frozen=True)
class TakeAnalysis:
    """Analyzes the passes of one line: word times and faults."""

    synthesizer: Synthesizer
    line: Line
    take_options: TakeOptions

    @cached_property
    def format(self) -> PromptFormat:
        """The prompt conventions of the model."""
        return PromptFormat.of(self.synthesizer.model.generation_config)

    @cached_property
    def transcript(self) -> str:
        """The transcript of the prompt, as the model reads it."""
        return self.format.end_turns(self.line.transcript)

    @cached_property
    def full_text(self) -> str:
        """The transcript and the new text; a speaker tag is not repeated if the speaker stays the same."""
        return continue_transcript(self.transcript, self.format.end_turns(self.line.text))

    @cached_property
    def text(self) -> str:
        """The complete text that the model reads, including the closing tag."""
        return self.format.model_text(self.full_text)

    def take(self, spoken: PassResult, audio: Waveform | None, seed: int) -> Take:
        """Make a take from one pass, with that pass as its only attempt. `audio` is None if there is no codec."""
        if audio is None:
            return self._without_audio(spoken, seed)
        rate, frame_rate = self.synthesizer.processor.sampling_rate, self.synthesizer.processor.frame_rate
        aligned, skip, prompt_frames = self._align(spoken)
        turns = [turn.shifted(-prompt_frames / frame_rate) for turn in aligned.turns(skip, self.line.script)]
        closing = np.flatnonzero(aligned.path[prompt_frames:] >= len(self.full_text))  # frames of the closing tag
        if turns and len(closing):
            audio = cut_after(audio, rate, max(turns[-1].end, closing[0] / frame_rate))
        codes = spoken.codes[: math.ceil(len(audio) * frame_rate / rate)]
        text = self.line.text if self._transcribed else self.full_text[skip:]
        found = faults(CheckInput(text, audio, rate, codes, frame_rate, spoken.ended, aligned.missing_words))
        edge = self.take_options.edge_seconds
        audio, later = trimmed(audio, rate, edge, edge, utterance_span(audio, rate))
        attempt = Attempt(seed, found, self._score(aligned.attention[prompt_frames:], audio))
        return Take(
            audio=audio,
            sampling_rate=rate,
            seed=seed,
            codes=spoken.codes,
            ended=spoken.ended,
            start=-later,
            turns=snap_to_sound([turn.shifted(later, latest=len(audio) / rate) for turn in turns], audio, rate),
            warnings=found,
            attempts=(attempt,),
        )

    @property
    def _transcribed(self) -> bool:
        """Whether the transcript of the prompt is known; otherwise the text begins with it."""
        return self.line.prompt is None or bool(self.line.transcript)

    def _align(self, spoken: PassResult) -> tuple[Alignment, int, int]:
        """The alignment, the position of the first new word in `full_text`, and the number of prompt frames."""
        prompt = spoken.codes[:0] if self.line.prompt is None else self.line.prompt
        codes = torch.cat([prompt, spoken.codes])
        known = spoken.attention if self.line.prompt is None else None  # that of the prompt's rows is not known
        synthesizer = self.synthesizer
        aligned = alignment.align(synthesizer.model, synthesizer.processor, self.text, codes, known, spoken.places)
        if self._transcribed:
            return aligned, len(self.transcript), len(prompt)
        skip = int(aligned.path[len(prompt) - 1]) + 1 if len(aligned.path) else 0
        return aligned, skip, len(prompt)

    def _without_audio(self, spoken: PassResult, seed: int) -> Take:
        processor = self.synthesizer.processor
        found = faults(CheckInput(self.line.text, None, 0, spoken.codes, processor.frame_rate, spoken.ended))
        return Take(
            audio=np.zeros(0, np.float32),
            sampling_rate=processor.sampling_rate,
            seed=seed,
            codes=spoken.codes,
            ended=spoken.ended,
            start=0.0,
            turns=(),
            warnings=found,
            attempts=(Attempt(seed, found, 0.0),),
        )

    def max_frames(self, settings: Mapping[str, Any]) -> int | None:
        """The maximum number of frames for the line, including one for the end.

        None if the settings set a length or the model allows less.
        """
        if {"max_length", "max_new_tokens"} & set(settings):
            return None
        processor, own = self.synthesizer.processor, self.synthesizer.model.generation_config
        frames = math.ceil((max_plausible_seconds(self.line.text) + _GRACE_SECONDS) * processor.frame_rate)
        given = 0 if self.line.prompt is None else len(self.line.prompt)
        if own.max_new_tokens is not None:
            return None if own.max_new_tokens < frames + max(processor.delay_pattern) else frames
        return None if own.max_length is not None and own.max_length < given + frames else frames

    def _score(self, attention: FloatArray, audio: Waveform) -> float:
        """The word accuracy if there is a recognizer; otherwise a measure of the attention on the text, 0 to 1.

        The measure is the average of the mean attention and that of the weakest stretch. It predicts word errors
        better than the likelihood does, see docs/long_form.md.
        """
        if self.take_options.recognizer is not None:
            return word_accuracy(
                self.line.text, self.take_options.recognizer(audio, self.synthesizer.processor.sampling_rate)
            )
        if not len(attention):
            return 0.0
        width = min(len(attention), math.ceil(_STRETCH_SECONDS * self.synthesizer.processor.frame_rate))
        weakest = np.convolve(attention, np.full(width, 1 / width), "valid").min()
        return float(attention.mean() + weakest) / 2


def snap_to_sound(turns: Sequence[TurnTime], audio: Waveform, sampling_rate: int) -> tuple[TurnTime, ...]:
    """Move the starts and ends of words to sound: during silence, attention is on a neighboring word."""
    spans = iter(narrowed(audio, sampling_rate, [(word.start, word.end) for turn in turns for word in turn.words]))
    found = []
    for turn in turns:
        words = tuple(WordTime(word.text, *next(spans)) for word in turn.words)
        found.append(replace(turn, start=words[0].start, end=words[-1].end, words=words))
    return tuple(found)


__all__ = ["TakeAnalysis", "snap_to_sound"]
