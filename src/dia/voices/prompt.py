"""Prepare a recording, compare it with its transcript, and encode it. All audio prompts and voices use this module."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dia.processing_dia import DiaProcessor
from dia.text.script import estimated_seconds
from dia.text.tags import speakers_in
from dia.voices.recording import Recording, prepare, two_voices

_TOLERANCE = 2.0  # factor by which the length of a recording may differ from the estimate for its transcript


@dataclass(frozen=True)
class Limit:
    """The maximum length of a prompt and the generated speech together in one pass.

    Attributes:
        seconds: a prompt must be shorter than this.
        max_tokens: the argument that sets the limit, in rows of the grid; None if the model sets it.
    """

    seconds: float
    max_tokens: int | None = None

    def check(self, seconds: float, name: str) -> None:
        """Check the length of a prompt in seconds.

        Raises:
            ValueError: the prompt is too long.
        """
        if seconds < self.seconds:
            return
        source, remedy = "the model supports", "Use"
        if self.max_tokens is not None:
            source, remedy = f"max_tokens={self.max_tokens} allows", "Raise max_tokens, or use"
        raise ValueError(
            f"{name} lasts {seconds:.1f} s, but {source} {max(0.0, self.seconds):.1f} s including the "
            f"generated speech. {remedy} a part of 5 to 10 s and its transcript."
        )


@dataclass(frozen=True)
class EncodedRecording:
    """An encoded recording for the model to continue.

    Attributes:
        codes: int64 [T, C], on the CPU.
        remarks: problems of the recording, see `Recording`, and of its transcript.
    """

    codes: Tensor
    remarks: tuple[str, ...]


def encode_recording(
    audio: Any,
    transcript: str,
    processor: DiaProcessor,
    sampling_rate: int | None = None,
    name: str = "audio",
    limit: "Limit | None" = None,
) -> EncodedRecording:
    """Prepare a recording, compare it with its transcript, and encode it.

    Args:
        audio: a path, an array or another input of `DiaFeatureExtractor`, with up to 8 channels.
        transcript: its words, as a model reads them; empty if unknown.
        processor: the processor with its codec.
        sampling_rate: Hz, if `audio` does not state its own; by default the processor's.
        name: the name of the argument, for error messages.
        limit: the maximum length, checked before encoding.

    Raises:
        TypeError, ValueError, FileNotFoundError: there is no codec, or the recording is unusable; see `prepare`.
    """
    if processor.audio_tokenizer is None:
        raise ValueError(f"{name} cannot be encoded without a codec. Load the processor with its codec.")
    recording = prepare(audio, sampling_rate, processor.sampling_rate, name)
    if limit is not None:
        limit.check(len(recording.waveform) / processor.sampling_rate, name)
    doubts = _disagreements(transcript, recording, processor.sampling_rate) if transcript else ()
    return EncodedRecording(processor.encode_audio([recording.waveform])[0].cpu(), (*recording.remarks, *doubts))


def _disagreements(transcript: str, recording: Recording, sampling_rate: int) -> Iterable[str]:
    """Warnings about a transcript that does not seem to match the recording."""
    tags = len(speakers_in(transcript)) or 1
    found = 1 + two_voices(recording.waveform, sampling_rate)
    if found > tags and recording.clean:
        yield "it contains two voices, but the transcript names one speaker. Tag their turns: '[S1] … [S2] …'"
    if found < tags and recording.clean:
        yield "the transcript names two speakers, but the pitch suggests only one. Check that both speak."
    seconds, expected = recording.seconds, estimated_seconds(transcript)
    if not expected / _TOLERANCE <= seconds <= expected * _TOLERANCE:
        yield (
            f"it contains {seconds:.1f} s of speech, but the transcript would take about {expected:.1f} s. Check that "
            f"the transcript contains exactly the words of the recording."
        )


__all__ = ["EncodedRecording", "Limit", "encode_recording"]
