"""A voice to speak in: codes of a recording, the words said in it, whose codec's the codes are, and by whose leave.

Knows recordings, transcripts and the file that a voice is kept in. Knows nothing of the model, nor where voices lie.
"""

import json
import os
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
from dia.runtime.atomic import atomic_file
from dia.runtime.limits import VOICE_BYTES
from dia.runtime.reading import check_file
from dia.runtime.tensor_files import read_header
from dia.runtime.warnings import DiaWarning
from dia.text.prompt_format import Frontend, continued
from dia.text.tags import SPEAKERS, TAG, speakers_in
from dia.voices.description import KIND, SUFFIX, check_consent, checked_transcript
from dia.voices.prompt import encode_recording


@dataclass(frozen=True, eq=False)
class Voice:
    """A recording, ready to be gone on with. It can be used any number of times, with any model that has its codec.

    Attributes:
        codes: int64 [T, C], on the CPU.
        transcript: what is said in it, with speakers' tags, spelt out as the model's text frontend does.
        codec: which codec the codes are of.
        consent: whose voice it is, and by what right it is copied.
        warnings: what is not as it should be about the recording.

    Raises:
        TypeError, ValueError: the parts make no voice.
    """

    codes: Tensor
    transcript: str
    codec: CodecRecord
    consent: str
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_codes(self.codes, self.codec)
        if not TAG.match(self.transcript) or not TAG.sub("", self.transcript).strip():
            raise ValueError(f"transcript {self.transcript!r} says nothing, or not who speaks: '[S1] What is said.'")
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
        """Make a voice of a recording: check it, cut silence off its ends, level its loudness, encode it once.

        Only make voices of people who have agreed to it.

        Args:
            audio: a path, samples of up to 8 channels, or whatever else `DiaFeatureExtractor` reads; 1 to 20 s of
                speech, best 5 to 10.
            transcript: exactly what is said in it, as a script: `[S1] …`, or `[S1] … [S2] …` for two voices. A text
                without tags is of one speaker.
            processor: with the codec of the model that shall speak.
            consent: whose voice it is, and by what right it is copied: "my own voice".
            sampling_rate: Hz, where `audio` does not bring its own; by default the processor's.
            text_frontend: how the model reads the transcript: "en" as English, "none" as it stands; that of its
                generation_config.json.

        Raises:
            TypeError, ValueError, FileNotFoundError: recording, transcript or consent are missing or unusable; the
                message says what to do. What only makes the voice worse is a warning, kept in `warnings`, too.
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
        """Hz of the sound that the codes decode to."""
        return self.codec.sampling_rate

    @property
    def fingerprint(self) -> str:
        """A checksum of what encodes in the codec."""
        return self.codec.weights

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.codes) * self.codec.hop_length / self.codec.sampling_rate

    @property
    def speakers(self) -> tuple[str, ...]:
        """Whose turns it holds, "S1" and "S2", in order of their appearance."""
        return speakers_in(self.transcript)

    def check_fits(self, processor: DiaProcessor) -> None:
        """Refuse to go on with codes that mean something else to the model's codec.

        Raises:
            ValueError: rate, frames, channels or weights of the codec are others.
        """
        if wrong := self.codec.mismatches(processor):
            raise ValueError(
                f"the voice was made with another codec than the model's: {'; '.join(wrong)}. Make it anew from its "
                f"recording, with this model: dia voice make NAME RECORDING --model MODEL"
            )

    def before(self, text: str) -> str:
        """What the model shall read to say `text` in this voice: the transcript, then the text.

        Where the transcript's last speaker goes on, the tag is not said again.

        >>> voice.before("[S1] And more.")  # doctest: +SKIP
        '[S1] What was said before. And more.'
        """
        return continue_transcript(self.transcript, text.strip())

    def speaking_as(self, speaker: str) -> "Voice":
        """The same voice under the tag of `speaker`, "S1" or "S2".

        Raises:
            ValueError: it holds two speakers, or there is no such tag.
        """
        if speaker not in SPEAKERS:
            raise ValueError(f"{speaker!r} is no speaker; there are {' and '.join(SPEAKERS)}.")
        if len(self.speakers) > 1:
            raise ValueError(f"the voice for {speaker} is of two speakers; give a voice of one, or use it alone.")
        return replace(self, transcript=TAG.sub(f"[{speaker}]", self.transcript))

    def save(self, path: str | Path) -> None:
        """Write the voice into one file, whole or not at all; a file that is there is replaced.

        Raises:
            ValueError: the path does not end in .safetensors.
            OSError: it cannot be written.
        """
        path = Path(path)
        if path.suffix != SUFFIX:
            raise ValueError(f"{path} does not end in {SUFFIX}, as the file of a voice does.")
        metadata = {"kind": KIND, "transcript": self.transcript, "consent": self.consent}
        metadata |= {"codec": json.dumps(asdict(self.codec)), "warnings": json.dumps(self.warnings)}
        content = save({"codes": self.codes.to(torch.int32).contiguous()}, metadata)
        try:
            with atomic_file(path) as partial:
                partial.write_bytes(content)
        except OSError as error:
            reason = "the folder does not exist" if not path.parent.exists() else error.strerror or error
            raise OSError(f"{path} cannot be written: {reason}. What stood there stays.") from error

    @classmethod
    def load(cls, path: str | Path) -> "Voice":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or holds something else.
        """
        path = Path(path)
        if not os.path.isfile(path):
            raise FileNotFoundError(f"there is no voice at {path}.")
        if (size := check_file(path)) > VOICE_BYTES:
            raise ValueError(f"{path} has {size >> 20} MB, and so is no voice.")
        try:
            read_header(path)
            with safe_open(path, framework="pt") as file:
                metadata, codes = file.metadata() or {}, file.get_tensor("codes")
            if metadata.get("kind") != KIND:
                raise ValueError("it does not say that it is a voice")
            record = _read_record(json.loads(metadata["codec"]))
            return cls(
                _whole(codes), metadata["transcript"], record, metadata["consent"], _remarks(metadata.get("warnings"))
            )
        except (SafetensorError, ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            raise ValueError(f"{path} is no voice, or damaged ({error}). Make it anew: dia voice make") from error


def joined(voices: Mapping[str, Voice]) -> Voice:
    """One prompt of a voice for each speaker: `[S1] … [S2] …`, codes one after another.

    Args:
        voices: a voice of one speaker for "S1", for "S2", or for both.

    Raises:
        ValueError: a key is no speaker, a voice is of two, or their codecs differ.
    """
    if not voices or set(voices) - set(SPEAKERS):
        raise ValueError(f"voices are given for {sorted(voices)}; give one for S1, for S2, or for both.")
    parts = [voices[speaker].speaking_as(speaker) for speaker in SPEAKERS if speaker in voices]
    if any(part.codec != parts[0].codec for part in parts):
        raise ValueError("the voices for S1 and S2 were made with different codecs; make them with the same model.")
    return Voice(
        torch.cat([part.codes for part in parts]),
        " ".join(part.transcript for part in parts),
        parts[0].codec,
        "; ".join(dict.fromkeys(part.consent for part in parts)),
        tuple(dict.fromkeys(remark for part in parts for remark in part.warnings)),
    )


def _check_codes(codes: Tensor, record: CodecRecord) -> None:
    if not isinstance(codes, Tensor) or codes.dtype != torch.int64:
        raise TypeError("codes are no int64 tensor; give what DiaProcessor.encode_audio returns.")
    if codes.ndim != 2 or not len(codes) or codes.shape[1] != record.channels:
        raise ValueError(f"codes have shape {tuple(codes.shape)}; expected [frames, {record.channels} channels].")
    lowest, highest = int(codes.min()), int(codes.max())
    if lowest < 0 or highest >= record.codebook_size:
        raise ValueError(f"codes are {lowest} to {highest}; the codec has 0 to {record.codebook_size - 1}.")


def _whole(codes: Tensor) -> Tensor:
    if codes.dtype != torch.int32:
        raise ValueError(f"its codes are of type {codes.dtype}, and ought to be whole numbers of 32 bits")
    return codes.long()


def _read_record(metadata: Any) -> CodecRecord:
    record = CodecRecord(**metadata)
    numbers = (*record.sizes, record.codebook_size)
    if not isinstance(record.weights, str) or any(type(number) is not int or number < 1 for number in numbers):
        raise ValueError("what it says of its codec is not possible")
    return record


def _remarks(metadata: str | None) -> tuple[str, ...]:
    return tuple(str(remark) for remark in json.loads(metadata or "[]"))


__all__ = ["Voice", "joined"]
