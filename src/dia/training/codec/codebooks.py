"""Codebooks of a residual quantizer: fit them by k-means, or replace unused codes while they train by gradient."""

from collections import deque
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DacModel

# DAC looks up a code by direction only. One coordinate is therefore constant, this many times the RMS length of the
# others. The nearest direction is then the nearest point, and a code also encodes the level of a frame.
CONSTANT = 3.0
# Rows to fit each codebook on: the minimum per code, and the maximum in memory.
FEWEST_ROWS, MOST_ROWS = 6, 24_000


def kmeans(points: Tensor, count: int, iterations: int = 12, seed: int = 0) -> Tensor:
    """`count` centers [count, D] of `points` [N, D]; a center without points is drawn again.

    Raises:
        ValueError: there are fewer points than centers.
    """
    generator = torch.Generator().manual_seed(seed)
    if len(points) < count:
        raise ValueError(f"points has {len(points)} rows; k-means needs at least count={count}. Pass more audio.")
    centers = points[torch.randperm(len(points), generator=generator)[:count]].clone()
    for _ in range(iterations):
        nearest = torch.cdist(points, centers).argmin(1)
        redrawn = points[torch.randint(len(points), (count,), generator=generator)]
        centers = _means(points, nearest, redrawn)
    return centers


def _means(points: Tensor, of: Tensor, otherwise: Tensor) -> Tensor:
    """The mean of the points of each center; for a center without points, its row of `otherwise`."""
    counts = torch.bincount(of, minlength=len(otherwise))[:, None]
    sums = torch.zeros_like(otherwise).index_add_(0, of, points)
    return torch.where(counts > 0, sums / counts.clamp(min=1), otherwise)


@torch.no_grad()
def fit_codebooks_to_audio(codec: DacModel, audio: Tensor, chunk: int = 16) -> None:
    """`fit_codebooks` on the encoder's output for `audio` [N, samples]."""
    codec.eval()
    fit_codebooks(codec, torch.cat([codec.encoder(part[:, None]) for part in torch.split(audio, chunk)]))
    codec.train()


@torch.no_grad()
def fit_codebooks(codec: DacModel, latent: Tensor) -> None:
    """Set all quantizers from the encoder's output [B, hidden, T], each fitted to the residual of the previous ones.

    A quantizer projects the residual on its principal directions and adds a constant coordinate, so that the nearest
    code by direction is the nearest code. The output projection is the transpose of the input projection.

    Raises:
        ValueError: there are fewer frames than codes.
    """
    rows = latent.transpose(1, 2).flatten(0, 1).float().cpu()
    for number, quantizer in enumerate(codec.quantizer.quantizers):
        rows = rows - _fit_one(quantizer, rows, seed=number)


def _fit_one(quantizer: Any, rows: Tensor, seed: int) -> Tensor:
    """Fit one quantizer to `rows` [N, hidden] and return its reconstruction of them, [N, hidden]."""
    width = quantizer.in_proj.out_channels - 1
    mean = rows.mean(0)
    directions = torch.linalg.eigh((rows - mean).T @ (rows - mean)).eigenvectors.flip(1)[:, :width]
    points = (rows - mean) @ directions
    scale = CONSTANT * points.square().sum(1).mean().sqrt().clamp(min=1e-4)
    centers = kmeans(points / scale, quantizer.codebook.num_embeddings, seed=seed)
    for weight in (quantizer.in_proj.weight, quantizer.out_proj.weight, quantizer.in_proj.bias):
        weight.zero_()
    quantizer.in_proj.weight[:width, :, 0] = directions.T / scale
    quantizer.in_proj.bias[:width] = -(mean @ directions) / scale
    quantizer.in_proj.bias[width:] = 1.0
    quantizer.codebook.weight.fill_(1.0)
    quantizer.codebook.weight[:, :width] = centers
    quantizer.out_proj.weight[:, :width, 0] = directions * scale
    quantizer.out_proj.bias.copy_(mean)
    nearest = (_unit(points / scale) @ _unit(centers).T).argmax(1)
    centers = _means(points / scale, nearest, centers)
    quantizer.codebook.weight[:, :width] = centers
    reconstructed: Tensor = centers[nearest] @ (directions * scale).T + mean
    return reconstructed


def _unit(points: Tensor) -> Tensor:
    """Unit vectors of points [N, D] with the constant coordinate added, [N, D + 1]."""
    return nn.functional.normalize(nn.functional.pad(points, (0, 1), value=1.0))


class CodebookUse:
    """Keeps recent encoder outputs and counts of codes, to refit codebooks or to replace unused codes."""

    def __init__(self, codec: DacModel) -> None:
        self.codec = codec
        config = codec.config
        self.counts = torch.zeros(config.n_codebooks, config.codebook_size, dtype=torch.long, device=codec.device)
        self.fewest = FEWEST_ROWS * config.codebook_size
        self._latents: deque[Tensor] = deque()

    def state_dict(self) -> dict[str, Any]:
        """The counts and encoder outputs."""
        return {"counts": self.counts, "latents": list(self._latents)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the result of `state_dict`."""
        self.counts, self._latents = state["counts"], deque(state["latents"])

    @torch.no_grad()
    def note(self, codes: Tensor, latent: Tensor) -> None:
        """Count `codes` [B, C, T] and keep `latent` [B, hidden, T], the encoder's output they are from."""
        size = self.counts.shape[1]
        for number in range(codes.shape[1]):
            self.counts[number] += torch.bincount(codes[:, number].flatten(), minlength=size)
        self._latents.append(latent.detach())
        while len(self._latents) > 1 and self._frames() - _frames(self._latents[0]) >= max(MOST_ROWS, self.fewest):
            self._latents.popleft()

    def _frames(self) -> int:
        return sum(map(_frames, self._latents))

    def refit(self) -> bool:
        """Fit all codebooks to recent encoder outputs and reset the counts; returns False if there are too few."""
        if self._frames() < self.fewest:
            return False
        fit_codebooks(self.codec, torch.cat(list(self._latents)))
        self.counts.zero_()
        return True

    @torch.no_grad()
    def revive(self, average: dict[str, Tensor], seed: int = 0) -> int:
        """Replace each unused code by a random latent of the last batch; returns the number of replaced codes.

        The codes are also replaced in `average`, a state dict of averaged weights. The counts are reset.
        """
        generator = torch.Generator().manual_seed(seed)
        revived, residual = 0, self._latents[-1]
        for number, quantizer in enumerate(self.codec.quantizer.quantizers):
            dead = (self.counts[number] == 0).nonzero().flatten()
            projected = quantizer.in_proj(residual).transpose(1, 2).flatten(0, 1)
            drawn = projected[torch.randint(len(projected), (len(dead),), generator=generator)]
            residual = residual - quantizer(residual)[0]
            quantizer.codebook.weight[dead] = drawn
            average[f"quantizer.quantizers.{number}.codebook.weight"][dead] = drawn
            revived += len(dead)
        self.counts.zero_()
        return revived


def _frames(latent: Tensor) -> int:
    return latent.shape[0] * latent.shape[2]
