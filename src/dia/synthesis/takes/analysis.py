"""One pass, analysed: aligned with its text, trimmed, timed and checked.

Knows codes, the waveform and the text of a pass. Knows nothing of how often it is made.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from dia.audio.silence import cut_after, narrowed, trimmed, utterance_span
from dia.audio.waveform import Waveform
from dia.synthesis.synthesizer import Spoken, Synthesizer
from dia.synthesis.takes import alignment
from dia.synthesis.takes.alignment import Alignment, Floats, TurnTime, WordTime
from dia.synthesis.takes.checks import Performance, faults, longest_plausible
from dia.synthesis.takes.recognition import agreement
from dia.synthesis.takes.take import Attempt, Line, Take, TakeOptions
from dia.text.prompt_format import PromptFormat, continue_transcript

_STRETCH_SECONDS = 0.2  # about a syllable
_GRACE_SECONDS = 1.0  # beyond what is plausible, so that a take that runs away is seen to


@dataclass(frozen=True)
class TakeAnalysis:
    """What is found out about the passes of one line: when words are heard, and what is wrong."""

    synthesizer: Synthesizer
    line: Line
    take_options: TakeOptions

    @property
    def format(self) -> PromptFormat:
        """How the model reads."""
        return PromptFormat.of(self.synthesizer.model.generation_config)

    @property
    def transcript(self) -> str:
        """What is said in the prompt, as the model reads it."""
        return self.format.end_turns(self.line.transcript)

    @property
    def whole(self) -> str:
        """The transcript and the text; a tag is not said again where the speaker stays."""
        return continue_transcript(self.transcript, self.format.end_turns(self.line.text))

    @property
    def text(self) -> str:
        """All that the model reads, the closing tag included."""
        return self.format.model_text(self.whole)

    def take(self, spoken: Spoken, audio: Waveform | None, seed: int) -> Take:
        """What is found in one pass, which is its only attempt; without a codec there is no audio to look at."""
        if audio is None:
            return self._silent(spoken, seed)
        rate, frame_rate = self.synthesizer.processor.sampling_rate, self.synthesizer.processor.frame_rate
        reading, skip, before = self._read(spoken)
        turns = [turn.shifted(-before / frame_rate) for turn in reading.turns(skip, self.line.script)]
        closing = np.flatnonzero(reading.path[before:] >= len(self.whole))  # frames of the closing tag
        if turns and len(closing):
            audio = cut_after(audio, rate, max(turns[-1].end, closing[0] / frame_rate))
        codes = spoken.codes[: math.ceil(len(audio) * frame_rate / rate)]
        text = self.line.text if self._transcribed else self.whole[skip:]
        found = faults(Performance(text, audio, rate, codes, frame_rate, spoken.ended, reading.unread))
        edge = self.take_options.edge_seconds
        audio, later = trimmed(audio, rate, edge, edge, utterance_span(audio, rate))
        attempt = Attempt(seed, found, self._score(reading.attention[before:], audio))
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

    @property
    def _transcribed(self) -> bool:
        """Whether it is known which words a prompt says; else they are somewhere at the beginning of the text."""
        return self.line.prompt is None or bool(self.line.transcript)

    def _read(self, spoken: Spoken) -> tuple[Alignment, int, int]:
        """How the text was read, the character of `whole` with which the new words begin, and the prompt's frames."""
        before = spoken.codes[:0] if self.line.prompt is None else self.line.prompt
        codes = torch.cat([before, spoken.codes])
        reading = alignment.read(self.synthesizer.model, self.synthesizer.processor, self.text, codes)
        if self._transcribed:
            return reading, len(self.transcript), len(before)
        skip = int(reading.path[len(before) - 1]) + 1 if len(reading.path) else 0
        return reading, skip, len(before)

    def _silent(self, spoken: Spoken, seed: int) -> Take:
        processor = self.synthesizer.processor
        found = faults(Performance(self.line.text, None, 0, spoken.codes, processor.frame_rate, spoken.ended))
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

    def frames(self, settings: Mapping[str, Any]) -> int | None:
        """The most frames that the line may take; None where the settings or the model allow no more anyway."""
        if {"max_length", "max_new_tokens"} & set(settings):
            return None
        processor, own = self.synthesizer.processor, self.synthesizer.model.generation_config.max_length
        frames = math.ceil((longest_plausible(self.line.text) + _GRACE_SECONDS) * processor.frame_rate)
        given = 0 if self.line.prompt is None else len(self.line.prompt)
        return None if own is not None and own < given + frames else frames

    def _score(self, attention: Floats, audio: Waveform) -> float:
        """What is heard of the text; or how well it was read, on the whole and where it was read worst: 0 to 1.

        Measured beside word error, reading told more than likelihood did; see docs/long_form.md.
        """
        if self.take_options.recogniser is not None:
            return agreement(
                self.line.text, self.take_options.recogniser(audio, self.synthesizer.processor.sampling_rate)
            )
        if not len(attention):
            return 0.0
        width = min(len(attention), math.ceil(_STRETCH_SECONDS * self.synthesizer.processor.frame_rate))
        weakest = np.convolve(attention, np.full(width, 1 / width), "valid").min()
        return float(attention.mean() + weakest) / 2


def on_sound(turns: Sequence[TurnTime], audio: Waveform, sampling_rate: int) -> tuple[TurnTime, ...]:
    """Turns whose words begin and end with sound: while it is silent the attention is on one of the words beside."""
    spans = iter(narrowed(audio, sampling_rate, [(word.start, word.end) for turn in turns for word in turn.words]))
    found = []
    for turn in turns:
        words = tuple(WordTime(word.text, *next(spans)) for word in turn.words)
        found.append(replace(turn, start=words[0].start, end=words[-1].end, words=words))
    return tuple(found)


__all__ = ["TakeAnalysis", "on_sound"]
