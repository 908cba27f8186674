"""Turn recordings and voices into prompts that the model continues, and shorten them to fit a pass.

Independent of how recordings are prepared and how voices are stored.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, floor
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging

from dia.audio.dsp.noise import pauses
from dia.audio.dsp.silence import EDGE_SECONDS
from dia.codec.speaker_encoder import SpeakerEncoder
from dia.decoding.grid import Channels, codes_of
from dia.synthesis.synthesizer import Synthesizer
from dia.synthesis.takes.alignment import Alignment, align
from dia.synthesis.takes.take import Line
from dia.text.prompt_format import PromptFormat
from dia.text.tags import TAG, speakers_in
from dia.voices.library import find_voice
from dia.voices.prompt import Limit, encode_recording
from dia.voices.timbre import Timbre

logger = logging.get_logger(__name__)

_SENTENCE = re.compile(r"[.!?…]+[\"')\]]*(?=\s|$)")
_CLAUSE = re.compile(r"[,;:][\"')\]]*(?=\s)")
_NEXT_WORD = re.compile(rf"(?:\s|{TAG.pattern})*(?P<word>[^\s\[])")
_OPEN_END = re.compile(r"[,;:]([\"')\]]*)$")
UNMATCHED = (
    "the timbre of the voice is not matched, because two speakers alternate. Speak the turns of each in a script of "
    "their own to match them."
)
_MIN_SECONDS = 1.0  # a shorter prompt does not convey a voice
_MIN_SENTENCE_SECONDS = 2.0  # from this length, whole sentences are preferred to a longer prompt that ends in a clause
_TOLERANCE_SECONDS = 0.15  # the error of the alignment at a pause
_CONTEXT_SECONDS = 0.6  # of audio around a gap, to compare the pause with speech


@dataclass(frozen=True, eq=False)
class VoicePrompt:
    """A recording to continue.

    Attributes:
        parts: a single line without text, or one for each speaker.
        remarks: problems with the recording.
        timbre: how speech has to change to sound like the recording; None for not at all.
    """

    parts: tuple[Line, ...]
    remarks: tuple[str, ...] = ()
    timbre: Timbre | None = None

    @property
    def line(self) -> Line:
        """All parts joined: their codes and transcripts in order."""
        codes = torch.cat([_codes(part) for part in self.parts])
        return Line("", codes if len(self.parts) > 1 else self.parts[0].prompt, _transcript(self.parts))


def prompt_from_recording(
    synthesizer: Synthesizer, audio: Any, transcript: str, name: str = "audio_prompt", limit: Limit | None = None
) -> VoicePrompt:
    """Make a prompt from a recording, or from its codes [T, C].

    Args:
        synthesizer: model, processor and codec.
        audio: the recording, in any form that `DiaFeatureExtractor` reads, or codes, see `codes_of`.
        transcript: the words of the recording in spoken form; empty if unknown.
        name: the caller's name for the recording, used in error messages.
        limit: the maximum length; by default the model's limit.

    Raises:
        TypeError, ValueError, FileNotFoundError: the recording is unusable or too long; the message names it.
    """
    limit = limit or prompt_limit(synthesizer)
    channels = synthesizer.processor.channels
    if (codes := codes_of(audio, channels, name)) is not None:
        _check_codes(codes, channels, name)
        limit.check(len(codes) / synthesizer.processor.frame_rate, name)
        return VoicePrompt((Line("", codes.cpu(), transcript),))
    found = encode_recording(audio, transcript, synthesizer.processor, name=name, limit=limit)
    remarks = tuple(f"about {name}: {remark}" for remark in found.remarks)
    return VoicePrompt((Line("", found.codes, transcript),), remarks)


def prompt_from_voice(synthesizer: Synthesizer, given: Any, limit: Limit | None = None) -> VoicePrompt:
    """Make a prompt from a voice, with one part for each speaker if there are several.

    Args:
        synthesizer: model and processor.
        given: the voice, in any form that `dia.voices.library.find_voice` accepts.
        limit: as in `prompt_from_recording`.

    Raises:
        TypeError, ValueError, FileNotFoundError: the voice is unusable or too long.
    """
    whole = find_voice(given)
    whole.check_fits(synthesizer.processor)
    (limit or prompt_limit(synthesizer)).check(whole.seconds, "voice")
    voices = [whole]
    if isinstance(given, Mapping):
        voices = [find_voice(given[speaker]).speaking_as(speaker) for speaker in whole.speakers]
    lines = tuple(Line("", voice.codes, voice.transcript) for voice in voices)
    lost = whole.timbre is None and any(voice.timbre is not None for voice in voices)
    return VoicePrompt(lines, (UNMATCHED,) if lost else (), whole.timbre)


def prompt_limit(synthesizer: Synthesizer, max_tokens: int | None = None, one_pass: bool = False) -> Limit:
    """The maximum length of a prompt.

    Args:
        synthesizer: model and processor.
        max_tokens: grid rows requested by the caller; may exceed the number of positions of the model.
        one_pass: whether `max_tokens` includes the prompt. In the long form it limits the new speech of each part.
    """
    rate = synthesizer.processor.frame_rate
    max_rows, delay = (
        synthesizer.model.config.decoder_config.max_position_embeddings,
        max(synthesizer.model.config.delay_pattern),
    )
    if max_tokens is not None and (one_pass or max_tokens > max_rows):
        return Limit((max_tokens - delay - 2) / rate, max_tokens)  # two rows are BOS and EOS
    return Limit(max_rows / rate)


def fit_prompt(synthesizer: Synthesizer, prompt: VoicePrompt, reserved: float) -> tuple[Line, tuple[str, ...]]:
    """Shorten a prompt if it leaves too little time for new speech in a pass; return it as a line, with remarks.

    Each speaker of a prompt that is too long keeps the longest beginning that ends at a pause after a sentence, or
    after a clause. Codes and transcript are cut at the same word.

    Args:
        synthesizer: model, processor and codec.
        prompt: the prompt.
        reserved: seconds to leave for new speech, see `dia.synthesis.parts.planning.reserved_seconds`.
    """
    line, rate = prompt.line, synthesizer.processor.frame_rate
    describe = partial(_described, synthesizer.processor.speaker_encoder, prompt.parts)
    max_seconds = PromptFormat.of(synthesizer.model.generation_config).pass_seconds - reserved
    if len(_codes(line)) <= max_seconds * rate or not line.transcript or synthesizer.processor.audio_tokenizer is None:
        return describe(prompt.parts), prompt.remarks
    parts = _shorten_parts(synthesizer, prompt.parts, max_seconds)
    shorter = describe(parts)
    seconds = len(_codes(shorter)) / rate
    if seconds <= max_seconds:
        logger.info("The voice is shortened to %.1f s: %s", seconds, VoicePrompt(tuple(parts)).line.transcript)
        return shorter, prompt.remarks
    return shorter, (
        *prompt.remarks,
        f"the voice takes {seconds:.1f} s of the {max_seconds + reserved:.1f} s that the model speaks well in one "
        f"pass, and it has no pause to shorten it at, so the speech may be garbled. Use a voice of at most "
        f"{max_seconds / len(prompt.parts):.1f} s{' for each speaker' if len(prompt.parts) > 1 else ''}.",
    )


def _described(encoder: SpeakerEncoder | None, whole: Sequence[Line], kept: Sequence[Line]) -> Line:
    """The parts that are kept, joined. Each part's transcript has a description of the voice in its whole part."""
    if encoder is not None:
        described = (encoder.described(part.transcript, _codes(full)) for part, full in zip(kept, whole, strict=True))
        kept = [replace(part, transcript=said) for part, said in zip(kept, described, strict=True)]
    return VoicePrompt(tuple(kept)).line


def shorten_prompt(synthesizer: Synthesizer, part: Line, seconds: float) -> Line:
    """The longest beginning of a prompt, up to `seconds`, that ends at a pause; without one, the whole prompt.

    Aligns the prompt with its transcript to find the words that remain.

    Args:
        synthesizer: model, processor and codec.
        part: codes and transcript, as a line without text.
        seconds: the maximum length.
    """
    text, codes = PromptFormat.of(synthesizer.model.generation_config).end_turns(part.transcript), _codes(part)
    aligned = align(synthesizer.model, synthesizer.processor, text, codes)
    for pattern, min_seconds in (
        (_SENTENCE, _MIN_SENTENCE_SECONDS),
        (_CLAUSE, _MIN_SECONDS),
        (_SENTENCE, _MIN_SECONDS),
    ):
        for end in reversed([found.end() for found in pattern.finditer(text)]):
            gap = _word_gap(aligned, end)
            if gap is None or not min_seconds <= gap[0] <= seconds:
                continue
            if set(speakers_in(text[:end])) != set(speakers_in(text)):
                continue
            cut = _cut_point(synthesizer, codes, gap)
            if cut is not None and cut <= seconds:
                kept = codes[: int(cut * synthesizer.processor.frame_rate)]
                return Line("", kept, _OPEN_END.sub(r".\1", text[:end]))
    return part


def _shorten_parts(synthesizer: Synthesizer, parts: Sequence[Line], seconds: float) -> list[Line]:
    """Shorten parts to `seconds` in total if possible. Each has an equal share, plus what shorter parts leave."""
    rate, made = synthesizer.processor.frame_rate, dict[int, Line]()
    for index in sorted(range(len(parts)), key=lambda index: len(_codes(parts[index]))):
        share, part = seconds / (len(parts) - len(made)), parts[index]
        made[index] = part if len(_codes(part)) <= share * rate else shorten_prompt(synthesizer, part, share)
        seconds -= len(_codes(made[index])) / rate
    return [made[index] for index in range(len(parts))]


def _word_gap(aligned: Alignment, position: int) -> tuple[float, float] | None:
    """The end of the word before a position and the start of the next word, in seconds; None after the last word."""
    following = _NEXT_WORD.search(aligned.text, position)
    return None if following is None else aligned.span(position - 1, following.start("word"))


def _cut_point(synthesizer: Synthesizer, codes: Tensor, gap: tuple[float, float]) -> float | None:
    """The time in seconds at which to cut near a gap between words, shortly after a pause begins; None without one."""
    frame_rate, rate = synthesizer.processor.frame_rate, synthesizer.processor.sampling_rate
    first = max(0, floor((gap[0] - _CONTEXT_SECONDS) * frame_rate))
    sound = synthesizer.sound(codes[first : ceil((gap[1] + _CONTEXT_SECONDS) * frame_rate)])
    spans = [
        (first / frame_rate + start / rate, first / frame_rate + end / rate) for start, end in pauses(sound, rate)
    ]
    earliest, latest = gap[0] - _TOLERANCE_SECONDS, gap[1] + _TOLERANCE_SECONDS
    near = [(start, end) for start, end in spans if start < latest and end > earliest]
    if not near:
        return None
    start, end = max(near, key=lambda pause: pause[1] - pause[0])
    return min(start + EDGE_SECONDS, end)


def _check_codes(codes: Tensor, channels: Channels, name: str) -> None:
    size = channels.eos
    if not len(codes):
        raise ValueError(f"{name} contains no codes; pass at least one frame.")
    lowest, highest = int(codes.min()), int(codes.max())
    if lowest < 0 or highest >= size:
        raise ValueError(f"{name} contains codes from {lowest} to {highest}; expected 0 to {size - 1}.")


def _codes(part: Line) -> Tensor:
    assert part.prompt is not None
    return part.prompt


def _transcript(parts: Sequence[Line]) -> str:
    return " ".join(part.transcript for part in parts if part.transcript)


__all__ = ["VoicePrompt", "fit_prompt", "prompt_from_recording", "prompt_from_voice", "prompt_limit", "shorten_prompt"]
