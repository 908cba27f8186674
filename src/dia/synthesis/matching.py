"""Learn how a model's speech in a voice has to change to sound like the recording of the voice."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dia.runtime.ranges import Range
from dia.runtime.warnings import DiaWarning
from dia.synthesis.request import jobs_of
from dia.synthesis.speak import speak_batch
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.seeds import checked_seed
from dia.synthesis.takes.take import Take
from dia.voices.recording import prepare
from dia.voices.timbre import learned
from dia.voices.voice import Voice

TAKES = 12
_MOST_TAKES = 64
_SHORTEST_SECONDS = 2.0  # of a recording that shows enough of a voice
_TOLERANCE_SECONDS = 0.3  # by which recording and voice may differ in length
_LENGTHS = 0.6, 1.6  # how long a take may be, in lengths of the recording


def match(
    synthesizer: Synthesizer,
    voice: Voice,
    recording: Any,
    sampling_rate: int | None = None,
    takes: int = TAKES,
    seed: int = 0,
) -> Voice:
    """The voice with its `timbre`: the model says the words of the recording, and what differs is learned.

    The recording is needed, since some of its timbre is lost in the voice's codes.

    Args:
        synthesizer: model, processor and codec.
        voice: a voice with one speaker.
        recording: what the voice was made from, as for `Voice.from_audio`.
        sampling_rate: Hz, if the recording does not state its own; by default the processor's.
        takes: how often the words are said, with consecutive seeds.
        seed: the first seed.

    Raises:
        TypeError, ValueError, FileNotFoundError: an argument is invalid; the voice has two speakers, another codec or
            less than 2 s; the recording is another one; or the model does not say the words.
    """
    takes = Range(1, _MOST_TAKES, whole=True).check("takes", takes)
    if synthesizer.processor.audio_tokenizer is None:
        raise ValueError("there is no codec, so a voice cannot be matched; load the model with its codec.")
    voice.check_fits(synthesizer.processor)
    if len(voice.speakers) > 1:
        raise ValueError("the voice has two speakers, whose timbre differs. Match a voice of one speaker.")
    if voice.seconds < _SHORTEST_SECONDS:
        raise ValueError(
            f"the voice lasts {voice.seconds:.1f} s, too short to learn its timbre from. Make it from 5 to 10 s."
        )
    original = prepare(recording, sampling_rate, voice.sampling_rate, "recording").waveform
    if abs(len(original) / voice.sampling_rate - voice.seconds) > _TOLERANCE_SECONDS:
        raise ValueError(
            f"recording lasts {len(original) / voice.sampling_rate:.1f} s without silence, and the voice "
            f"{voice.seconds:.1f} s. Pass the recording that the voice was made from."
        )
    plain, first = replace(voice, timbre=None), checked_seed(seed) or 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DiaWarning)  # of takes, which are chosen below
        jobs = jobs_of(
            synthesizer,
            [voice.transcript] * takes,
            long_form=False,
            voice=plain,
            seed=[first + number for number in range(takes)],
            normalize=False,
            max_tokens=_rows(synthesizer, len(voice.codes)),
        )
        said = _like(voice.seconds, speak_batch(synthesizer, jobs))
    return replace(voice, timbre=learned([(take.audio, original) for take in said], voice.sampling_rate))


def _rows(synthesizer: Synthesizer, frames: int) -> int:
    """The rows of the grid for a recording of `frames`, and for its words in the longest take that is used."""
    config = synthesizer.model.config
    rows = round((1 + _LENGTHS[1]) * frames) + 2 * max(config.delay_pattern) + 2
    return min(rows, int(config.decoder_config.max_position_embeddings))


def _like(seconds: float, takes: Sequence[Take]) -> list[Take]:
    """The takes that say the words once: those without faults if there are any, and of a likely length."""
    shortest, longest = (share * seconds for share in _LENGTHS)
    likely = [take for take in takes if shortest <= take.seconds <= longest]
    if not likely:
        raise ValueError(
            "the model does not say the words of the recording in this voice. Check that the transcript contains "
            "exactly its words, or use another recording of 5 to 10 s."
        )
    return [take for take in likely if not take.warnings] or likely


__all__ = ["TAKES", "match"]
