"""Keeping a residual quantiser's codebooks alive: a k-means start, counts of use, revival of dead codes.

Knows `DacModel`'s quantiser. Knows nothing of audio, losses or training loops.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import DacModel

# An encoder that has learnt little says nearly the same of everything. To magnify that to unit length would make the
# quantiser's loss run away at the first steps.
LEAST_SCALE = 0.2


def kmeans(points: Tensor, count: int, iterations: int = 12, seed: int = 0) -> Tensor:
    """`count` centres [count, D] of the directions of `points` [N, D]; a centre without points is redrawn."""
    generator = torch.Generator().manual_seed(seed)
    points = nn.functional.normalize(points)
    if len(points) < count:
        raise ValueError(f"points has {len(points)} rows; k-means needs at least count={count}. Pass more audio")
    centres = points[torch.randperm(len(points), generator=generator)[:count]].clone()
    for _ in range(iterations):
        nearest = (points @ centres.T).argmax(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        counts = torch.bincount(nearest, minlength=count)
        redrawn = points[torch.randint(len(points), (count,), generator=generator)]
        centres = nn.functional.normalize(torch.where(counts[:, None] > 0, sums, redrawn))
    return centres


@torch.no_grad()
def start_codebooks(codec: DacModel, audio: Tensor, chunk: int = 16) -> None:
    """Set every quantiser from what the encoder says of `audio` [N, samples], one after the other on the residual.

    The projection into the codebook's space is the residual's principal directions, scaled to unit mean length as far
    as `LEAST_SCALE` lets it, and the projection out is its least-squares inverse on the quantised points.
    """
    codec.eval()
    residual = torch.cat([codec.encoder(part[:, None]) for part in torch.split(audio, chunk)])
    # On the CPU: its least squares do not mind directions in which nothing varies.
    rows = residual.transpose(1, 2).flatten(0, 1).cpu()
    for number, quantiser in enumerate(codec.quantizer.quantizers):
        rows = rows - _start_one(quantiser, rows, seed=number)
    codec.train()


def _start_one(quantiser: Any, rows: Tensor, seed: int) -> Tensor:
    """Fit one quantiser to `rows` [N, hidden] and return its reconstruction of them, [N, hidden]."""
    dimension = quantiser.in_proj.out_channels
    mean = rows.mean(0)
    directions = torch.linalg.eigh((rows - mean).T @ (rows - mean)).eigenvectors.flip(1)[:, :dimension]
    latents = (rows - mean) @ directions
    scale = latents.norm(dim=1).mean().clamp(min=LEAST_SCALE)
    quantiser.in_proj.weight.copy_(directions.T[:, :, None] / scale)
    quantiser.in_proj.bias.copy_(-(mean @ directions) / scale)
    latents = latents / scale
    centres = kmeans(latents, quantiser.codebook.num_embeddings, seed=seed)
    nearest = (nn.functional.normalize(latents) @ centres.T).argmax(1)
    vectors = _with_lengths(centres, latents, nearest)
    quantiser.codebook.weight.copy_(vectors)
    design = torch.cat([vectors[nearest], torch.ones(len(rows), 1)], 1)
    solution = torch.linalg.lstsq(design, rows).solution
    quantiser.out_proj.weight.copy_(solution[:-1].T[:, :, None])
    quantiser.out_proj.bias.copy_(solution[-1])
    reconstructed: Tensor = design @ solution
    return reconstructed


def _with_lengths(centres: Tensor, latents: Tensor, nearest: Tensor) -> Tensor:
    """Directions → code vectors as long as their points are on average: lookup ignores length, decoding does not."""
    along = (latents * centres[nearest]).sum(1)
    counts = torch.bincount(nearest, minlength=len(centres)).clamp(min=1)
    length = torch.zeros(len(centres)).index_add_(0, nearest, along) / counts
    return centres * length.clamp(min=0.1 * float(latents.norm(dim=1).mean()))[:, None]


class CodebookUse:
    """Counts which codes are drawn since the last revival, and gives dead ones a new place."""

    def __init__(self, codec: DacModel) -> None:
        self.codec = codec
        config = codec.config
        self.counts = torch.zeros(config.n_codebooks, config.codebook_size, dtype=torch.long, device=codec.device)
        self.latent = torch.empty(0)

    @torch.no_grad()
    def count(self, codes: Tensor, latent: Tensor) -> None:
        """Note `codes` [B, C, T] and keep `latent` [B, hidden, T], the encoder's output they came from."""
        size = self.counts.shape[1]
        for number in range(codes.shape[1]):
            self.counts[number] += torch.bincount(codes[:, number].flatten(), minlength=size)
        self.latent = latent.detach()

    @torch.no_grad()
    def revive(self, average: dict[str, Tensor], seed: int = 0) -> int:
        """Move every code that was never drawn onto a random latent of the last batch; returns how many were moved.

        `average`, a state dict of averaged weights, is moved with them. Counts start again.
        """
        generator = torch.Generator().manual_seed(seed)
        revived, residual = 0, self.latent
        for number, quantiser in enumerate(self.codec.quantizer.quantizers):
            dead = (self.counts[number] == 0).nonzero().flatten()
            projected = quantiser.in_proj(residual).transpose(1, 2).flatten(0, 1)
            drawn = projected[torch.randint(len(projected), (len(dead),), generator=generator)]
            residual = residual - quantiser(residual)[0]
            quantiser.codebook.weight[dead] = drawn
            average[f"quantizer.quantizers.{number}.codebook.weight"][dead] = drawn
            revived += len(dead)
        self.counts.zero_()
        return revived
