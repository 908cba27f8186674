"""Alignment of text and frames: when each phone of a text is spoken, and a loss that keeps attention near it."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float64]


class Heard(NamedTuple):
    """What is spoken in a clip, one character for each phone, mark or space, and when.

    Args:
        characters: phones are those of the text; a sound such as (laughs) is written out.
        times: [characters, 2], start and end in seconds.
    """

    characters: str
    times: Floats


def places(text: str, heard: Heard, seconds: Sequence[float] | Floats) -> Floats:
    """The position in `text` being spoken at each of `seconds`, in characters with fractions, non-decreasing.

    Text and speech are matched by their longest common parts. Where they differ, as at a word that keeps its letters,
    the time is divided evenly. What is in the text alone takes no time. During what is in the speech alone, the
    position stays.
    """
    matcher = SequenceMatcher(None, text, heard.characters, autojunk=False)
    corners: list[tuple[float, float]] = []
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind == "equal":
            for offset, (begin, finish) in enumerate(heard.times[start:end]):
                corners += [(begin, first + offset), (finish, first + offset + 1)]
        elif start < end:
            corners += [(heard.times[start][0], first), (heard.times[end - 1][1], last)]
    if not corners:
        return np.linspace(0.0, len(text), len(seconds))
    times, positions = np.array(corners, np.float64).T
    rising = np.maximum.accumulate(times) + 1e-6 * np.arange(len(times))
    return np.asarray(np.interp(seconds, rising, positions))


class AttentionProbe:
    """A loss that keeps the attention of some cross-attention layers near the text being spoken.

    Fast attention kernels return no weights. Hooks therefore store the queries and keys of the current forward pass,
    from which the weights are computed a second time.

    Args:
        layers: the modules with `q_proj`, `k_proj` and `head_dim`.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self._layers = list(layers)
        for layer in self._layers:
            for name in ("q_proj", "k_proj"):
                layer.get_submodule(name).register_forward_hook(_remember)

    def loss(self, places: Tensor, text_mask: Tensor, weight: Tensor, width: float = 2.0) -> Tensor:
        """Mean of -log(attention mass near the spoken byte) over frames, heads and layers.

        Args:
            places: [B, R], the byte being spoken in the frame that each row predicts.
            text_mask: [B, S], 0 where the text is padded.
            weight: [B, R], 0 for rows without a loss.
            width: standard deviation of the window in bytes; its peak is 1.
        """
        bytes_ = torch.arange(text_mask.shape[1], device=places.device)
        window = torch.exp(-((bytes_ - places[..., None]) ** 2) / (2 * width**2))  # [B, R, S]
        total = places.new_zeros(())
        for layer in self._layers:
            near = (self._weights(layer, text_mask) * window[:, None]).sum(-1)  # [B, H, R]
            total = total - (near.clamp_min(1e-4).log() * weight[:, None]).sum() / near.shape[1]
        return total / weight.sum().clamp_min(1.0) / len(self._layers)

    def _weights(self, layer: nn.Module, text_mask: Tensor) -> Tensor:
        width: int = layer.head_dim  # type: ignore[assignment]
        projections = (layer.get_submodule(name).remembered for name in ("q_proj", "k_proj"))
        query, key = (output.unflatten(-1, (-1, width)).transpose(1, 2) for output in projections)  # type: ignore[operator]
        scores = (query @ key.transpose(2, 3)).float()
        return scores.masked_fill(text_mask[:, None, None] == 0, float("-inf")).softmax(-1)  # [B, H, R, S]


def _remember(module: nn.Module, _: tuple[Any, ...], output: Tensor) -> None:
    # One function for all layers: with a closure per layer, torch.compile would compile each layer separately.
    module.remembered = output
