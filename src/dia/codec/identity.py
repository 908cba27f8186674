"""Identify codecs: record which codec made some codes, and compare it with that of a processor or on the Hub.

Independent of where codes are stored, and of processor folders.
"""

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DacModel

from dia.codec.dac import hop_length


def checksum(tensors: Iterable[Tensor]) -> str:
    """A checksum of the values of tensors in eight hexadecimal digits, independent of device and precision."""
    content = 0
    for tensor in tensors:
        content = zlib.crc32(tensor.detach().float().cpu().numpy().tobytes(), content)
    return f"{content:08x}"


class Processor(Protocol):
    """The attributes of a `DiaProcessor` that `CodecRecord.mismatches` uses."""

    audio_tokenizer: Any
    feature_extractor: Any
    delay_pattern: list[int]
    eos_token_id: int


@dataclass(frozen=True)
class CodecRecord:
    """The codec that made some codes: a checksum of its encoder and quantizer, and its sizes."""

    weights: str
    sampling_rate: int
    hop_length: int
    channels: int
    codebook_size: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Sampling rate in Hz, samples per frame, and number of codebooks."""
        return self.sampling_rate, self.hop_length, self.channels

    @classmethod
    def of(cls, codec: DacModel) -> "CodecRecord":
        """The record of a codec. Its decoder is not included."""
        weights = checksum((*codec.encoder.parameters(), *codec.quantizer.parameters()))
        config = codec.config
        rate, hop = int(config.sampling_rate), hop_length(config)
        return cls(weights, rate, hop, int(config.n_codebooks), int(config.codebook_size))

    def mismatches(self, processor: Processor) -> list[str]:
        """The reasons why a processor cannot use these codes, such as "it has 44100 Hz, the model's 16000".

        Empty if it can. Of a processor without a codec, only the sizes are compared.
        """
        model, width = processor.audio_tokenizer, len(processor.delay_pattern)
        extractor = processor.feature_extractor
        expected = (int(extractor.sampling_rate), extractor.hop_length, width)
        facts = zip(("Hz", "samples per frame", "channels"), self.sizes, expected, strict=True)
        wrong = [f"it has {has} {unit}, the model's {wanted}" for unit, has, wanted in facts if has != wanted]
        if self.codebook_size > processor.eos_token_id:
            wrong.append(f"it has {self.codebook_size} codes, the model {processor.eos_token_id}")
        if not wrong and model is not None and CodecRecord.of(model) != self:
            wrong.append("its weights differ")
        return wrong


def published_name(codec: DacModel) -> str | None:
    """The Hub id that a codec was loaded from; None if there is none, or no equal copy in the local cache."""
    name = str(codec.name_or_path)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name) or Path(name).exists():
        return None
    try:
        published = DacModel.from_pretrained(name, local_files_only=True, dtype=codec.dtype)
    except (OSError, ValueError):
        return None
    theirs, own = published.state_dict(), codec.state_dict()
    same = theirs.keys() == own.keys() and all(torch.equal(own[key].cpu(), theirs[key]) for key in theirs)
    return name if same else None


__all__ = ["CodecRecord", "checksum", "published_name"]
