"""Which character is being spoken in which frame: lengths by regression, then attention held near them.

Knows texts, frame counts and attention weights. Knows nothing of audio, codes or the teacher.
"""

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
    """A word, a mark or a (tag) of a text and the bytes it covers, `start` to `end`."""

    key: str
    start: int
    end: int

    @property
    def parts(self) -> list[str]:
        """What its length is the sum of: the letters or phones of a word and their pairs, its edges among them; else
        itself."""
        if not _LETTER.fullmatch(self.key[-1]):
            return [self.key]
        edged = f"<{self.key}>"
        return [*self.key, *(edged[at : at + 2] for at in range(len(edged) - 1))]


def pieces_of(text: str) -> list[Piece]:
    """The words, marks and tags of an ASCII text, with phones or without, in order; a closing mark is left out, for it
    has no length."""
    pieces = [Piece(match.group().lower(), match.start(), match.end()) for match in _PIECE.finditer(text)]
    while pieces and re.fullmatch(rf"[^a-z{PHONES}(]", pieces[-1].key):
        pieces.pop()
    return pieces


class WordLengths:
    """Frames that each word, mark and tag takes, and from them the place of every frame in its text.

    The lengths of letters and their pairs solve a ridge regression of clip lengths, so no aligner and no teacher is
    needed, and words never met have a length, too. What is left over in a clip is spread over its pieces in
    proportion, so that a slow voice needs no lengths of its own.

    Args:
        texts: one per clip.
        frames: length of each clip.
        edge: frames of quiet at either end of a clip.
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
        """The byte of `text`, a fraction between two, that is being spoken in each frame: [frames], never falling."""
        pieces = pieces_of(text)
        if not pieces:
            return np.linspace(0.0, len(text), frames)
        lengths = np.array([self.length(piece) for piece in pieces])
        ends = self.edge + np.cumsum(lengths) * max(1.0, frames - 2 * self.edge) / lengths.sum()
        return np.asarray(np.interp(np.arange(frames) + 0.5, *_corners(pieces, ends, self.edge)))


def _corners(pieces: Sequence[Piece], ends: Floats, edge: float) -> tuple[Floats, Floats]:
    """Times and bytes of the polyline through the beginning and end of every piece."""
    begins = np.concatenate([[edge], ends[:-1]])
    times = np.stack([begins, ends - 1e-6], axis=1).ravel()
    places = np.array([[piece.start, piece.end] for piece in pieces], np.float64).ravel()
    return times, places


class AttentionProbe:
    """Keeps queries and keys of some cross-attention layers of the forward pass under way, to hold them near the text.

    Fast attention kernels return no weights; these layers' weights are computed once more, from the projections.

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
            weight: [B, R], 0 where nothing is asked of a row.
            width: standard deviation in bytes of the window, whose peak is 1.
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
    # One function for every layer: a closure of each layer's own would make torch.compile compile each anew.
    module.remembered = output
