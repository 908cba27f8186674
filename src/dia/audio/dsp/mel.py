"""The mel scale and cepstra: bands of a spectrum that are as wide as ears resolve, and their cosine transform."""

import torch
from torch import Tensor


def mel_corners(bands: int, sampling_rate: int) -> Tensor:
    """Hz of the start, the center and the end of bands that overlap by half, [bands + 2].

    They are evenly spaced on the mel scale 2595·log10(1 + f/700).
    """
    highest = 2595 * torch.log10(torch.tensor(1 + sampling_rate / 2 / 700))
    return 700 * (10 ** (torch.linspace(0, float(highest), bands + 2) / 2595) - 1)


def mel_filters(bands: int, fft_size: int, sampling_rate: int) -> Tensor:
    """Triangles between the `mel_corners`, each of unit sum: [fft_size // 2 + 1, bands]."""
    corners = mel_corners(bands, sampling_rate)
    frequencies = torch.linspace(0, sampling_rate / 2, fft_size // 2 + 1)[:, None]
    rising = (frequencies - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - frequencies) / (corners[2:] - corners[1:-1])
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return triangles / triangles.sum(0).clamp(min=1e-3)


def cosines(bands: int, count: int) -> Tensor:
    """The first `count` vectors of the orthonormal cosine transform of `bands` values, [bands, count]."""
    angles = torch.pi * (torch.arange(bands)[:, None] + 0.5) * torch.arange(count) / bands
    basis = angles.cos() * (2 / bands) ** 0.5
    basis[:, 0] *= 0.5**0.5
    return basis


__all__ = ["cosines", "mel_corners", "mel_filters"]
