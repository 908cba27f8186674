"""Alignment of text and frames: a regression of word lengths, and a loss that keeps attention near the result."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dia.text.lexicon import PHONES

_LETTER = re.compile(rf"[a-z'{PHONES}]")
Floats = NDArray[np.float64]

_PIECE = re.compile(rf"\([a-z ]+\)|[A-Za-z'{PHONES}]+|[^A-Za-z'{PHONES}\s(]")


class Piece(NamedTuple):
    """A word, a punctuation mark or a (tag) of a text, and the bytes it covers, `start` to `end`."""

    key: str
    start: int
    end: int

    @property
    def parts(self) -> list[str]:
        """The parts whose lengths add up to this piece's: the letters or phones of a word and their pairs, including
        pairs with the word's edges; for a mark or a tag, itself."""
        if not _LETTER.fullmatch(self.key[-1]):
            return [self.key]
        edged = f"<{self.key}>"
        return [*self.key, *(edged[at : at + 2] for at in range(len(edged) - 1))]


def pieces_of(text: str) -> list[Piece]:
    """The words, marks and tags of an ASCII text, with or without phones, in order. A mark at the end has no length
    and is left out."""
    pieces = [Piece(match.group().lower(), match.start(), match.end()) for match in _PIECE.finditer(text)]
    while pieces and re.fullmatch(rf"[^a-z{PHONES}(]", pieces[-1].key):
        pieces.pop()
    return pieces


class WordLengths:
    """The number of frames that each word, mark and tag takes, and from it the position of each frame in its text.

    The lengths of letters and of their pairs are the solution of a ridge regression on clip lengths. This needs no
    aligner, and it gives a length for unknown words, too. The residual of a clip is distributed over its pieces in
    proportion to their lengths, so that slow voices need no lengths of their own.

    Args:
        texts: one per clip.
        frames: length of each clip in frames.
        edge: frames of silence at either end of a clip.
    """

    def __init__(self, texts: Sequence[str], frames: Sequence[int], edge: float) -> None:
        self.edge = edge
        parts = [Counter(part for piece in pieces_of(text) for part in piece.parts) for text in texts]
        self._columns = {key: column for column, key in enumerate(sorted(set().union(*parts)))}
        counts = np.zeros((len(texts), len(self._columns) + 1), np.float32)
        counts[:, -1] = 1.0
        for row, found in enumerate(parts):
            for key, count in found.items():
                counts[row, self._columns[key]] = count
        lengths = np.asarray(frames, np.float64)
        gram = (counts.T @ counts).astype(np.float64) + np.eye(counts.shape[1])
        self.solution: Floats = np.asarray(np.linalg.solve(gram, counts.T @ lengths.astype(np.float32)), np.float64)
        self.residual = float(np.std(lengths - counts @ self.solution.astype(np.float32)))

    def length(self, piece: Piece) -> float:
        """Expected frames of a piece, at least half a frame."""
        columns = [self._columns[part] for part in piece.parts if part in self._columns]
        return max(0.5, float(self.solution[columns].sum())) if columns else 2.0 * len(piece.key)

    def places(self, text: str, frames: int) -> Floats:
        """The position in `text` being spoken in each frame, in bytes with fractions: [frames], non-decreasing."""
        pieces = pieces_of(text)
        if not pieces:
            return np.linspace(0.0, len(text), frames)
        lengths = np.array([self.length(piece) for piece in pieces])
        ends = self.edge + np.cumsum(lengths) * max(1.0, frames - 2 * self.edge) / lengths.sum()
        return np.asarray(np.interp(np.arange(frames) + 0.5, *_corners(pieces, ends, self.edge)))


def _corners(pieces: Sequence[Piece], ends: Floats, edge: float) -> tuple[Floats, Floats]:
    """Times and bytes of the polyline through the start and end of every piece."""
    begins = np.concatenate([[edge], ends[:-1]])
    times = np.stack([begins, ends - 1e-6], axis=1).ravel()
    places = np.array([[piece.start, piece.end] for piece in pieces], np.float64).ravel()
    return times, places


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
