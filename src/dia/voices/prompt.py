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
    """How much of a prompt and new speech together fits into a pass.

    Attributes:
        seconds: a prompt of so many or more leaves no room.
        max_tokens: the argument that sets the limit, in rows of the grid; None where the model does.
    """

    seconds: float
    max_tokens: int | None = None

    def check(self, seconds: float, name: str) -> None:
        """Refuse a prompt that leaves no room for speech.

        Raises:
            ValueError: it is too long.
        """
        if seconds < self.seconds:
            return
        holder, remedy = "the model", "Cut"
        if self.max_tokens is not None:
            holder, remedy = f"max_tokens={self.max_tokens}", "Raise max_tokens, or cut"
        raise ValueError(
            f"{name} lasts {seconds:.1f} s, and {holder} holds {max(0.0, self.seconds):.1f} s together with what it "
            f"is to say. {remedy} out a part and its transcript, best of 5 to 10 s."
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
        audio: a path, an array or whatever else `DiaFeatureExtractor` reads, of up to 8 channels.
        transcript: what is said in it, as a model reads it; empty where that is not known.
        processor: with the codec.
        sampling_rate: Hz, where `audio` does not bring its own; by default the processor's.
        name: what the caller calls it, for error messages.
        limit: how much the model holds; a longer recording is refused before it is encoded.

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
