"""A voice: the codes and transcript of a recording, the codec of the codes, and the consent to use the voice.

Independent of the model and of where voices are stored.
"""

import json
import warnings as warning_filters
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dia.codec.identity import CodecRecord
from dia.processing_dia import DiaProcessor
from dia.runtime.files.atomic import atomic_file
from dia.runtime.files.reading import check_file, check_is_file
from dia.runtime.files.tensor_files import read_header
from dia.runtime.limits import VOICE_BYTES
from dia.runtime.warnings import DiaWarning
from dia.text.prompt_format import Frontend, continue_transcript
from dia.text.tags import SPEAKERS, TAG, speakers_in
from dia.voices.description import KIND, SUFFIX, check_consent, checked_transcript
from dia.voices.prompt import encode_recording
from dia.voices.timbre import Timbre

_TIMBRE = "timbre."  # before the names of a timbre's tensors


@dataclass(frozen=True, eq=False)
class Voice:
    """An encoded recording for a model to continue. It can be reused, with any model that has the same codec.

    Attributes:
        codes: int64 [T, C], on the CPU.
        transcript: the words of the recording with speaker tags, in the form that the model reads.
        codec: the codec of the codes.
        consent: whose voice it is, and the right to copy it.
        warnings: problems of the recording.
        timbre: how the model's speech has to change to sound like the recording, see `Dia.match`; None for not at all.

    Raises:
        TypeError, ValueError: an attribute is invalid.
    """

    codes: Tensor
    transcript: str
    codec: CodecRecord
    consent: str
    warnings: tuple[str, ...] = ()
    timbre: Timbre | None = None

    def __post_init__(self) -> None:
        _check_codes(self.codes, self.codec)
        if not TAG.match(self.transcript) or not TAG.sub("", self.transcript).strip():
            raise ValueError(
                f"transcript {self.transcript!r} has no words or no speaker tag. Write it as '[S1] What is said.'"
            )
        check_consent(self.consent)

    @classmethod
    def from_audio(
        cls,
        audio: Any,
        transcript: str | None = None,
        *,
        processor: DiaProcessor,
        consent: str | None = None,
        sampling_rate: int | None = None,
        text_frontend: Frontend = "en",
    ) -> "Voice":
        """Make a voice from a recording: check it, trim silence, normalize its loudness and encode it.

        Only make voices of people who have agreed to it. Problems that only make the voice worse are issued as
        warnings and stored in `warnings`.

        Args:
            audio: a path, samples of up to 8 channels, or another input of `DiaFeatureExtractor`; 1 to 20 s of speech,
                ideally 5 to 10 s.
            transcript: the exact words of the recording, as a script: `[S1] …`, or `[S1] … [S2] …` for two voices. A
                text without tags has one speaker.
            processor: a processor with the codec of the model that the voice is for.
            consent: whose voice it is, and the right to copy it, such as "my own voice".
            sampling_rate: Hz, if `audio` does not state its own; by default the processor's.
            text_frontend: the model's setting in generation_config.json: "en" normalizes the transcript as English,
                "none" leaves it unchanged.

        Raises:
            TypeError, ValueError, FileNotFoundError: the recording, transcript or consent is missing or unusable; the
                message states the remedy.
        """
        said = checked_transcript(transcript, text_frontend)
        check_consent(consent)
        recording = encode_recording(audio, said, processor, sampling_rate)
        assert processor.audio_tokenizer is not None
        for remark in recording.remarks:
            warning_filters.warn(f"about the recording: {remark}", DiaWarning, stacklevel=2)
        codec = CodecRecord.of(processor.audio_tokenizer)
        return cls(recording.codes, said, codec, str(consent).strip(), recording.remarks)

    @property
    def sampling_rate(self) -> int:
        """Hz of the audio that the codes decode to."""
        return self.codec.sampling_rate

    @property
    def fingerprint(self) -> str:
        """A checksum of the codec's encoder and quantizer."""
        return self.codec.weights

    @property
    def seconds(self) -> float:
        """The length of the recording."""
        return len(self.codes) * self.codec.hop_length / self.codec.sampling_rate

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers in the transcript, "S1" and "S2", by first appearance."""
        return speakers_in(self.transcript)

    def check_fits(self, processor: DiaProcessor) -> None:
        """Check that the voice has the same codec as the model.

        Raises:
            ValueError: the codec has another sampling rate, frame size, number of channels or other weights.
        """
        if wrong := self.codec.mismatches(processor):
            raise ValueError(
                f"the voice was made with a different codec than the model's: {'; '.join(wrong)}. Make it again from "
                f"its recording with this model: dia voice make NAME RECORDING --transcript TEXT --consent STATEMENT "
                f"--model MODEL"
            )

    def before(self, text: str) -> str:
        """The text for the model to speak `text` in this voice: the transcript followed by `text`.

        The first tag of `text` is omitted if the last speaker of the transcript continues.

        >>> voice.before("[S1] And more.")  # doctest: +SKIP
        '[S1] What was said before. And more.'
        """
        return continue_transcript(self.transcript, text.strip())

    def speaking_as(self, speaker: str) -> "Voice":
        """The same voice with the tag of `speaker`, "S1" or "S2".

        Raises:
            ValueError: the voice has two speakers, or the tag is unknown.
        """
        if speaker not in SPEAKERS:
            raise ValueError(f"speaker is {speaker!r}; use {' or '.join(SPEAKERS)}.")
        if len(self.speakers) > 1:
            raise ValueError(f"the voice for {speaker} has two speakers; use a voice with one, or use this one alone.")
        return replace(self, transcript=TAG.sub(f"[{speaker}]", self.transcript))

    def save(self, path: str | Path) -> None:
        """Write the voice to a file atomically. An existing file is replaced.

        Raises:
            ValueError: the path does not end in .safetensors.
            OSError: the file cannot be written.
        """
        path = Path(path)
        if path.suffix != SUFFIX:
            raise ValueError(f"{path} does not end in {SUFFIX}; a voice file must.")
        metadata = {"kind": KIND, "transcript": self.transcript, "consent": self.consent}
        metadata |= {"codec": json.dumps(asdict(self.codec)), "warnings": json.dumps(self.warnings)}
        tensors = {"codes": self.codes.to(torch.int32).contiguous()}
        if self.timbre is not None:
            tensors |= {_TIMBRE + name: values.half() for name, values in self.timbre.tensors.items()}
        content = save(tensors, metadata)
        try:
            with atomic_file(path) as partial:
                partial.write_bytes(content)
        except OSError as error:
            reason = "the folder does not exist" if not path.parent.exists() else error.strerror or error
            raise OSError(f"{path} cannot be written: {reason}. An existing file is unchanged.") from error

    @classmethod
    def load(cls, path: str | Path) -> "Voice":
        """Read a voice written by `save`.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: it is damaged, or not a voice.
        """
        path = Path(path)
        check_is_file(path, kind="voice file")
        if (size := check_file(path)) > VOICE_BYTES:
            raise ValueError(f"{path} has {size >> 20} MB, which is too large for a voice.")
        try:
            read_header(path)
            with safe_open(path, framework="pt") as file:
                metadata, codes = file.metadata() or {}, file.get_tensor("codes")
                parts = {name: file.get_tensor(name).float() for name in file.keys() if name.startswith(_TIMBRE)}  # noqa: SIM118 - it is no dict
            if metadata.get("kind") != KIND:
                raise ValueError("it is not marked as a voice")
            record = _read_record(json.loads(metadata["codec"]))
            return cls(
                _checked_dtype(codes),
                metadata["transcript"],
                record,
                metadata["consent"],
                _remarks(metadata.get("warnings")),
                _read_timbre(parts, record.sampling_rate),
            )
        except (SafetensorError, ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            raise ValueError(
                f"{path} is not a voice, or is damaged ({error}). Make it again from its recording: dia voice make"
            ) from error


def joined(voices: Mapping[str, Voice]) -> Voice:
    """Join one voice per speaker to a single prompt: `[S1] … [S2] …`, with their codes concatenated.

    Two voices have no common timbre.

    Args:
        voices: voices with one speaker, for "S1", "S2" or both.

    Raises:
        ValueError: a key is not a speaker, a voice has two speakers, or the codecs differ.
    """
    if not voices or set(voices) - set(SPEAKERS):
        raise ValueError(f"voices are given for {sorted(voices)}; pass them for S1, S2 or both.")
    parts = [voices[speaker].speaking_as(speaker) for speaker in SPEAKERS if speaker in voices]
    if any(part.codec != parts[0].codec for part in parts):
        raise ValueError("the voices for S1 and S2 were made with different codecs; make them with the same model.")
    return Voice(
        torch.cat([part.codes for part in parts]),
        " ".join(part.transcript for part in parts),
        parts[0].codec,
        "; ".join(dict.fromkeys(part.consent for part in parts)),
        tuple(dict.fromkeys(remark for part in parts for remark in part.warnings)),
        parts[0].timbre if len(parts) == 1 else None,
    )


def _check_codes(codes: Tensor, record: CodecRecord) -> None:
    if not isinstance(codes, Tensor) or codes.dtype != torch.int64:
        raise TypeError("codes must be an int64 tensor, as returned by DiaProcessor.encode_audio.")
    if codes.ndim != 2 or not len(codes) or codes.shape[1] != record.channels:
        raise ValueError(f"codes have shape {tuple(codes.shape)}; expected [frames, {record.channels}].")
    lowest, highest = int(codes.min()), int(codes.max())
    if lowest < 0 or highest >= record.codebook_size:
        raise ValueError(f"codes are {lowest} to {highest}; they must be 0 to {record.codebook_size - 1}.")


def _checked_dtype(codes: Tensor) -> Tensor:
    if codes.dtype != torch.int32:
        raise ValueError(f"its codes have dtype {codes.dtype}, expected torch.int32")
    return codes.long()


def _read_record(metadata: Any) -> CodecRecord:
    record = CodecRecord(**metadata)
    numbers = (*record.sizes, record.codebook_size)
    if not isinstance(record.weights, str) or any(type(number) is not int or number < 1 for number in numbers):
        raise ValueError("its description of the codec is invalid")
    return record


def _read_timbre(tensors: Mapping[str, Tensor], sampling_rate: int) -> Timbre | None:
    parts = {name.removeprefix(_TIMBRE): values for name, values in tensors.items()}
    return Timbre(**parts, sampling_rate=sampling_rate) if parts else None


def _remarks(metadata: str | None) -> tuple[str, ...]:
    return tuple(str(remark) for remark in json.loads(metadata or "[]"))


__all__ = ["Voice", "joined"]
