"""`SpeakerEncoder`: describes the voice in some codes by a few marks that a model reads in its text.

A small model takes little of a voice from the frames of a prompt alone. Its checkpoint may have a speaker encoder, and
ids for the marks. Dia-1.6B has none. Independent of audio, token ids and models.
"""

from collections.abc import Collection
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from dia.runtime.files.atomic import atomic_file
from dia.runtime.files.reading import REMEDY
from dia.runtime.files.tensor_files import read_header
from dia.text.tags import TAG, speakers_in

SPEAKER_ENCODER = "speaker_encoder.safetensors"
_KIND = "dia speaker encoder"
_LEAST_VARIANCE = 1e-4
_LEVELS = 2, 64


def marks(dimensions: int, levels: int) -> list[str]:
    """All marks of a speaker encoder, in the order of their ids."""
    return [_mark(number, level) for number in range(dimensions) for level in range(levels)]


def _mark(dimension: int, level: int) -> str:
    return f"v{dimension}.{level}"


def place_of_description(text: str) -> int | None:
    """Where the voice of a text is described in it: after the first speaker's tag.

    None if it has no tag at its beginning, two speakers, whose frames cannot be distinguished, or a description.
    """
    tag = TAG.match(text)
    return None if tag is None or len(speakers_in(text)) > 1 or "{v0." in text else tag.end()


class SpeakerEncoder(nn.Module):
    """Codes [T, C] → a number from -1 to 1 for each dimension of the voice, whatever is said.

    Each frame is the sum of an embedding for each of its codes. Mean and standard deviation over the frames go through
    a hidden layer. A mark is a dimension and the nearest of its `levels`, such as `v3.12`.

    Args:
        channels: C, codebooks of the codec.
        codebook_size: number of codes of each.
        dimensions: numbers that describe a voice.
        levels: values of each dimension, 2 to 64.
        width: of a frame's embedding.
        hidden: width of the hidden layer.
    """

    def __init__(
        self, channels: int, codebook_size: int, dimensions: int, levels: int, width: int = 64, hidden: int = 128
    ) -> None:
        super().__init__()
        if not _LEVELS[0] <= levels <= _LEVELS[1]:
            raise ValueError(f"levels is {levels}; it must be {_LEVELS[0]} to {_LEVELS[1]}.")
        self.levels = levels
        self.embedding = nn.Parameter(0.3 * torch.randn(channels, codebook_size, width))
        self.hidden = nn.Linear(2 * width, hidden)
        self.output = nn.Linear(hidden, dimensions)

    @property
    def dimensions(self) -> int:
        """How many numbers describe a voice."""
        return self.output.out_features

    @property
    def marks(self) -> list[str]:
        """All marks that a text can contain, in the order of their ids."""
        return marks(self.dimensions, self.levels)

    def check_fits(self, phones: Collection[str], channels: int, codebook_size: int) -> None:
        """Check that a tokenizer has the marks, and that the codes are those of the embedding.

        Raises:
            ValueError: it is not so.
        """
        fact, (count, size) = "", self.embedding.shape[:2]
        if missing := set(self.marks).difference(phones):
            fact = f"the tokenizer has no ids for {len(missing)} marks of speaker_encoder, such as {min(missing)}."
        elif (count, size) != (channels, codebook_size):
            fact = (
                f"speaker_encoder reads {count} channels of {size} codes, but the processor has {channels} of "
                f"{codebook_size}."
            )
        if fact:
            raise ValueError(f"{fact} Use parts of the same checkpoint.")

    def forward(self, codes: Tensor, mask: Tensor) -> Tensor:
        """Codes [B, T, C] with a mask [B, T] of their frames → [B, D]."""
        channels, size = self.embedding.shape[:2]
        rows = codes + size * torch.arange(channels, device=codes.device)
        summed = functional.embedding_bag(rows.flatten(0, 1), self.embedding.flatten(0, 1), mode="sum")
        frames = functional.gelu(summed).unflatten(0, codes.shape[:2])
        weight = (mask / mask.sum(1, keepdim=True))[..., None].to(frames.dtype)
        mean = (frames * weight).sum(1)
        variance = ((frames - mean[:, None]).square() * weight).sum(1)
        pooled = torch.cat([mean, (variance + _LEAST_VARIANCE).sqrt()], -1)
        return torch.tanh(self.output(functional.gelu(self.hidden(pooled))))

    def nearest(self, values: Tensor) -> Tensor:
        """The levels that are nearest to values from -1 to 1, from 0 on."""
        return ((values + 1) / 2 * (self.levels - 1)).round()

    @torch.no_grad()
    def description(self, codes: Tensor) -> str:
        """The marks of the voice in codes [T, C], as phones in braces: `{v0.9 v1.2 …}`."""
        given = codes.to(self.embedding.device).long()[None]
        values = self(given, torch.ones(given.shape[:2], device=given.device))[0]
        chosen = (_mark(number, level) for number, level in enumerate(self.nearest(values).long().tolist()))
        return "{" + " ".join(chosen) + "}"

    def described(self, text: str, codes: Tensor) -> str:
        """A text that begins with the words of some codes, with their voice described after the first speaker's tag.

        Unchanged if there is no place for it, see `place_of_description`.
        """
        place = place_of_description(text)
        if place is None or not len(codes):
            return text
        return f"{text[:place]} {self.description(codes)}{text[place:]}"

    def save(self, path: str | PathLike[str]) -> None:
        """Write a file for `load`, atomically, in half precision."""
        tensors = {name: tensor.detach().half().contiguous().cpu() for name, tensor in self.state_dict().items()}
        with atomic_file(Path(path)) as partial:
            partial.write_bytes(save(tensors, {"kind": _KIND, "levels": str(self.levels)}))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "SpeakerEncoder":
        """Read a file written by `save`.

        Raises:
            OSError: it is missing, or cannot be read.
            ValueError: it is damaged, or no speaker encoder.
        """
        path = Path(path)
        read_header(path)
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - no mapping
            if about.get("kind") != _KIND:
                raise ValueError("it is not marked as one")
            channels, size, width = tensors["embedding"].shape
            hidden, dimensions = tensors["hidden.bias"].shape[0], tensors["output.bias"].shape[0]
            with torch.device("meta"):  # without random weights, which would advance the caller's random numbers
                loaded = cls(channels, size, dimensions, int(about["levels"]), width, hidden)
            loaded.load_state_dict(tensors, assign=True)
            if not all(tensor.isfinite().all() for tensor in tensors.values()):
                raise ValueError("it contains values that are not finite")
        except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
            raise ValueError(f"{path} is not a speaker encoder, or is damaged ({error}); {REMEDY}.") from error
        return loaded.eval()


__all__ = ["SPEAKER_ENCODER", "SpeakerEncoder", "marks", "place_of_description"]
