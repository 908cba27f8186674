"""What a model continues: recordings and voices as codes with their words, short enough to leave a pass its script.

Knows the limits of a model, its alignment and its codec. Knows nothing of how recordings are prepared or voices kept.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging

from dia.audio.noise import pauses
from dia.audio.silence import EDGE_SECONDS
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.alignment import Alignment, read
from dia.synthesis.takes.take import Line
from dia.text.prompt_format import PromptFormat
from dia.text.tags import TAG, speakers_in
from dia.voices.library import find_voice
from dia.voices.prompt import Limit, encode_recording

logger = logging.get_logger(__name__)

_SENTENCE = re.compile(r"[.!?…]+[\"')\]]*(?=\s|$)")
_CLAUSE = re.compile(r"[,;:][\"')\]]*(?=\s)")
_NEXT_WORD = re.compile(rf"(?:\s|{TAG.pattern})*(?P<word>[^\s\[])")
_OPEN_END = re.compile(r"[,;:]([\"')\]]*)$")
_LEAST_SECONDS = 1.0  # of a shortened prompt: less holds no voice
_SENTENCE_SECONDS = 2.0  # which end with a sentence are better than more that end within one
_NEAR_SECONDS = 0.15  # by which the alignment may miss a pause
_AROUND_SECONDS = 0.6  # of sound around a gap: enough to compare a pause with speech


@dataclass(frozen=True, eq=False)
class VoicePrompt:
    """What is to be continued.

    Attributes:
        parts: one line without a text, or one for each speaker.
        remarks: what is doubtful about the recording.
    """

    parts: tuple[Line, ...]
    remarks: tuple[str, ...] = ()

    @property
    def line(self) -> Line:
        """All of it: codes one after another, with their words."""
        codes = torch.cat([_codes(part) for part in self.parts])
        return Line("", codes if len(self.parts) > 1 else self.parts[0].prompt, _words(self.parts))


def recorded(
    synthesizer: Synthesizer, audio: Any, transcript: str, name: str = "audio_prompt", limit: Limit | None = None
) -> VoicePrompt:
    """A recording, or the codes of one, int64 [T, C].

    Args:
        synthesizer: model, processor and codec.
        audio: the recording, in any form that `DiaFeatureExtractor` reads, or codes.
        transcript: what is said in it, as the model reads it; empty where that is not known.
        name: what the caller calls it, for error messages.
        limit: how much it may hold; by default what the model holds.

    Raises:
        TypeError, ValueError, FileNotFoundError: it is unusable, or longer than the model holds; the message names it.
    """
    limit = limit or limit_of(synthesizer)
    if isinstance(audio, Tensor) and audio.dtype == torch.int64 and audio.ndim == 2:  # no sound has 64 bits
        _check_codes(synthesizer, audio, name)
        limit.check(len(audio) / synthesizer.processor.frame_rate, name)
        return VoicePrompt((Line("", audio.cpu(), transcript),))
    found = encode_recording(audio, transcript, synthesizer.processor, name=name, limit=limit)
    remarks = tuple(f"about {name}: {remark}" for remark in found.remarks)
    return VoicePrompt((Line("", found.codes, transcript),), remarks)


def named(synthesizer: Synthesizer, given: Any, limit: Limit | None = None) -> VoicePrompt:
    """A voice, as `dia.voices.library.find_voice` takes it; a part for each speaker where there are several.

    Args:
        synthesizer: model and processor.
        given: the voice.
        limit: as in `recorded`.

    Raises:
        TypeError, ValueError, FileNotFoundError: it is unusable, or longer than the model holds.
    """
    whole = find_voice(given)
    whole.check_fits(synthesizer.processor)
    (limit or limit_of(synthesizer)).check(whole.seconds, "voice")
    voices = [whole]
    if isinstance(given, Mapping):
        voices = [find_voice(given[speaker]).speaking_as(speaker) for speaker in whole.speakers]
    return VoicePrompt(tuple(Line("", voice.codes, voice.transcript) for voice in voices))


def limit_of(synthesizer: Synthesizer, max_tokens: int | None = None, one_pass: bool = False) -> Limit:
    """How much a pass holds.

    Args:
        synthesizer: model and processor.
        max_tokens: rows of the grid that the caller asks for; more than the model was made for are allowed.
        one_pass: these rows are for prompt and speech together. In the long form they are for the speech of each part.
    """
    rate = synthesizer.processor.frame_rate
    held, delay = (
        synthesizer.model.config.decoder_config.max_position_embeddings,
        max(synthesizer.model.config.delay_pattern),
    )
    if max_tokens is not None and (one_pass or max_tokens > held):
        return Limit((max_tokens - delay - 2) / rate, max_tokens)  # beside the delay a row of BOS and one of EOS
    return Limit(held / rate)


def fitted(synthesizer: Synthesizer, prompt: VoicePrompt, room: float) -> tuple[Line, tuple[str, ...]]:
    """A prompt that leaves room in a pass, and what is doubtful about it.

    One that is too long is shortened: each speaker keeps the longest beginning that ends with a sentence, or else a
    clause, and a pause. The words are cut where the sound is.

    Args:
        synthesizer: model, processor and codec.
        prompt: what is to be continued.
        room: seconds, see `dia.synthesis.parts.planning.room_for`.
    """
    line, rate = prompt.line, synthesizer.processor.frame_rate
    most = PromptFormat.of(synthesizer.model.generation_config).pass_seconds - room
    if len(_codes(line)) <= most * rate or not line.transcript or synthesizer.processor.audio_tokenizer is None:
        return line, prompt.remarks
    shorter = VoicePrompt(tuple(_shortened_together(synthesizer, prompt.parts, most))).line
    seconds = len(_codes(shorter)) / rate
    if seconds <= most:
        logger.info("The voice is shortened to %.1f s: %s", seconds, shorter.transcript)
        return shorter, prompt.remarks
    return shorter, (
        *prompt.remarks,
        f"the voice takes {seconds:.1f} s of the {most + room:.1f} s that the model speaks well at once, and has no "
        f"pause at which it could be shortened: what is said in it may come apart. Use a voice of at most "
        f"{most / len(prompt.parts):.1f} s{' for each speaker' if len(prompt.parts) > 1 else ''}.",
    )


def shortened(synthesizer: Synthesizer, part: Line, seconds: float) -> Line:
    """The longest beginning of a prompt that lasts `seconds` at most and ends at a pause; all of it if there is none.

    Where words are heard is found by alignment, so that the transcript has exactly those that are left.

    Args:
        synthesizer: model, processor and codec.
        part: codes and their words, as a line without a text.
        seconds: that it may last.
    """
    text, codes = PromptFormat.of(synthesizer.model.generation_config).end_turns(part.transcript), _codes(part)
    reading = read(synthesizer.model, synthesizer.processor, text, codes)
    for pattern, least in ((_SENTENCE, _SENTENCE_SECONDS), (_CLAUSE, _LEAST_SECONDS), (_SENTENCE, _LEAST_SECONDS)):
        for end in reversed([found.end() for found in pattern.finditer(text)]):
            gap = _gap_at(reading, end)
            if gap is None or not least <= gap[0] <= seconds or set(speakers_in(text[:end])) != set(speakers_in(text)):
                continue
            place = _pause_in(synthesizer, codes, gap)
            if place is not None and place <= seconds:
                kept = codes[: int(place * synthesizer.processor.frame_rate)]
                return Line("", kept, _OPEN_END.sub(r".\1", text[:end]))
    return part


def _shortened_together(synthesizer: Synthesizer, parts: Sequence[Line], seconds: float) -> list[Line]:
    """Parts that last `seconds` together, if they can: each an equal share, and what shorter ones leave."""
    rate, made = synthesizer.processor.frame_rate, dict[int, Line]()
    for index in sorted(range(len(parts)), key=lambda index: len(_codes(parts[index]))):
        share, part = seconds / (len(parts) - len(made)), parts[index]
        made[index] = part if len(_codes(part)) <= share * rate else shortened(synthesizer, part, share)
        seconds -= len(_codes(made[index])) / rate
    return [made[index] for index in range(len(parts))]


def _gap_at(reading: Alignment, place: int) -> tuple[float, float] | None:
    """Seconds from the end of the word before a character to the beginning of the next; None behind the last word."""
    following = _NEXT_WORD.search(reading.text, place)
    return None if following is None else reading.span(place - 1, following.start("word"))


def _pause_in(synthesizer: Synthesizer, codes: Tensor, gap: tuple[float, float]) -> float | None:
    """The time, in seconds, at which to cut near a gap between words: shortly into the pause; None for no pause."""
    frame_rate, rate = synthesizer.processor.frame_rate, synthesizer.processor.sampling_rate
    first = max(0, floor((gap[0] - _AROUND_SECONDS) * frame_rate))
    sound = synthesizer.sound(codes[first : ceil((gap[1] + _AROUND_SECONDS) * frame_rate)])
    spans = [
        (first / frame_rate + start / rate, first / frame_rate + end / rate) for start, end in pauses(sound, rate)
    ]
    near = [(start, end) for start, end in spans if start < gap[1] + _NEAR_SECONDS and end > gap[0] - _NEAR_SECONDS]
    if not near:
        return None
    start, end = max(near, key=lambda pause: pause[1] - pause[0])
    return min(start + EDGE_SECONDS, end)


def _check_codes(synthesizer: Synthesizer, codes: Tensor, name: str) -> None:
    channels, size = len(synthesizer.processor.delay_pattern), synthesizer.processor.eos_token_id
    if not len(codes) or codes.shape[1] != channels:
        raise ValueError(f"{name} has shape {tuple(codes.shape)}; expected codes [frames, {channels} channels].")
    lowest, highest = int(codes.min()), int(codes.max())
    if lowest < 0 or highest >= size:
        raise ValueError(f"{name} holds codes {lowest} to {highest}; the model has 0 to {size - 1}.")


def _codes(part: Line) -> Tensor:
    assert part.prompt is not None
    return part.prompt


def _words(parts: Sequence[Line]) -> str:
    return " ".join(part.transcript for part in parts if part.transcript)


__all__ = ["VoicePrompt", "fitted", "limit_of", "named", "recorded", "shortened"]
