"""A recording as codes: prepared, compared with its words, and encoded once. Every recording that a model continues,
saved or not, comes from here.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dia.processing_dia import DiaProcessor
from dia.text.script import estimated_seconds
from dia.text.tags import speakers_in
from dia.voices.recording import Recording, prepare, two_voices

_HASTE = 2.0  # how many times as long or as short as its transcript suggests a recording may be


@dataclass(frozen=True)
class EncodedRecording:
    """A recording to continue.

    Attributes:
        codes: int64 [T, C], on the CPU.
        remarks: what makes the voice worse, or is doubtful about the transcript; see `Recording`.
    """

    codes: Tensor
    remarks: tuple[str, ...]


def encode_recording(
    audio: Any,
    transcript: str,
    processor: DiaProcessor,
    sampling_rate: int | None = None,
    name: str = "audio",
    longest: float = math.inf,
) -> EncodedRecording:
    """Prepare a recording, compare it with what is said in it, and encode it.

    Args:
        audio: a path, an array or whatever else `DiaFeatureExtractor` reads, of up to 8 channels.
        transcript: what is said in it, as a model reads it; empty where that is not known.
        processor: with the codec.
        sampling_rate: Hz, where `audio` does not bring its own; by default the processor's.
        name: what the caller calls it, for error messages.
        longest: seconds that the model holds; a longer recording is refused before it is encoded.

    Raises:
        TypeError, ValueError, FileNotFoundError: there is no codec, or the recording is unusable; see `prepare`.
    """
    if processor.audio_tokenizer is None:
        raise ValueError(f"{name} cannot be encoded: there is no codec. Load the processor with its codec.")
    recording = prepare(audio, sampling_rate, processor.sampling_rate, name)
    check_held(len(recording.waveform) / processor.sampling_rate, longest, name)
    doubts = _disagreements(transcript, recording, processor.sampling_rate) if transcript else ()
    return EncodedRecording(processor.encode_audio([recording.waveform])[0].cpu(), (*recording.remarks, *doubts))


def check_held(seconds: float, longest: float, name: str) -> None:
    """Refuse a prompt that leaves a model no room for speech.

    Raises:
        ValueError: it lasts `longest` seconds or more.
    """
    if seconds >= longest:
        raise ValueError(
            f"{name} lasts {seconds:.1f} s, and the model holds {longest:.1f} s together with what it is to say. Cut "
            f"out a part and its transcript, best of 5 to 10 s."
        )


def _disagreements(transcript: str, recording: Recording, sampling_rate: int) -> Iterable[str]:
    """Where recording and transcript seem not to be of the same."""
    tags = len(speakers_in(transcript)) or 1
    found = 1 + two_voices(recording.waveform, sampling_rate)
    if found > tags and recording.clean:
        yield "two voices are heard, and the transcript names one. Tag their turns: '[S1] … [S2] …'"
    if found < tags and recording.clean:
        yield "the transcript names two speakers, and by pitch only one is heard. See that both speak."
    seconds, expected = recording.seconds, estimated_seconds(transcript)
    if not expected / _HASTE <= seconds <= expected * _HASTE:
        yield (
            f"it holds {seconds:.1f} s of speech, where the transcript would take about {expected:.1f} s. See that "
            f"the transcript has all that is said, and no more."
        )


__all__ = ["EncodedRecording", "check_held", "encode_recording"]
