"""Adversarial training: a discriminator of decoded and recorded audio, and the losses that it gives a codec.

The discriminator consists of several small networks on complex spectrograms with different resolutions.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

Kind = Literal["hinge", "least_squares"]
KINDS: tuple[str, ...] = get_args(Kind)
SLOPE = 0.2
Opinion = list[tuple[Tensor, list[Tensor]]]


class SpectrogramDiscriminator(nn.Module):
    """Six 2-D convolutions on real and imaginary parts for one FFT size; the frequency axis is halved three times."""

    def __init__(self, fft_size: int, width: int) -> None:
        super().__init__()
        self.fft_size = fft_size
        self.register_buffer("window", torch.hann_window(fft_size), persistent=False)
        layers = [_convolution(2, width, (3, 9))]
        # The dilation in time doubles from layer to layer.
        layers += [_convolution(width, width, (3, 9), stride=(1, 2), dilation=(2**depth, 1)) for depth in range(3)]
        layers += [_convolution(width, width, (3, 3))]
        self.layers = nn.ModuleList(layers)
        self.verdict = _convolution(width, 1, (3, 3))

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        """`audio` [B, samples] in fp32 → scores [B, frames, bands], high for real audio, and the layers' outputs,
        [B, width, frames, bands]."""
        window = self.get_buffer("window")
        spectrum = torch.stft(
            audio, self.fft_size, self.fft_size // 4, window=window, normalized=True, return_complex=True
        )
        parts, features = torch.view_as_real(spectrum), []
        # The square root of the magnitude, so that quiet harmonics matter as much as loud ones.
        hidden = (parts * (parts.square().sum(-1, keepdim=True) + 1e-5) ** -0.25).permute(0, 3, 2, 1)
        for layer in self.layers:
            hidden = nn.functional.leaky_relu(layer(hidden), SLOPE)
            features.append(hidden)
        return self.verdict(hidden)[:, 0], features


class Discriminator(nn.Module):
    """One `SpectrogramDiscriminator` for each of `fft_sizes`; `forward` returns their outputs in that order."""

    def __init__(self, fft_sizes: Sequence[int] = (1024, 512, 256), width: int = 16) -> None:
        super().__init__()
        self.parts = nn.ModuleList(SpectrogramDiscriminator(size, width) for size in fft_sizes)

    def forward(self, audio: Tensor) -> Opinion:
        return [part(audio) for part in self.parts]


def discriminator_loss(real: Opinion, fake: Opinion, kind: Kind) -> Tensor:
    """The discriminator's loss: scores of real audio go to 1, of decoded audio to -1 (hinge) or 0 (least squares)."""
    total = real[0][0].new_zeros(())
    for (of_real, _), (of_fake, _) in zip(real, fake, strict=True):
        if kind == "hinge":
            total = total + (1 - of_real).relu().mean() + (1 + of_fake).relu().mean()
        else:
            total = total + (1 - of_real).square().mean() + of_fake.square().mean()
    return total / len(real)


def generator_loss(fake: Opinion, kind: Kind) -> Tensor:
    """The codec's adversarial loss: scores of decoded audio go to those of real audio."""
    scores = [-score.mean() if kind == "hinge" else (1 - score).square().mean() for score, _ in fake]
    return torch.stack(scores).mean()


def feature_loss(real: Opinion, fake: Opinion) -> Tensor:
    """The L1 distance of the layers' outputs for decoded and original audio, relative to the latter."""
    distances = [
        (of_fake - of_real).abs().mean() / of_real.abs().mean().clamp(min=1e-5)
        for (_, reals), (_, fakes) in zip(real, fake, strict=True)
        for of_real, of_fake in zip(reals, fakes, strict=True)
    ]
    return torch.stack(distances).mean()


class Adversary:
    """A discriminator and its optimizer: `learn` updates it, `generator_losses` returns the losses of the codec.

    Args:
        kind: of the loss, "hinge" or "least_squares".
        fft_sizes: of the spectrograms.
        learning_rate: of the discriminator.
        width: channels of its layers.
        device: of the waveforms.

    Raises:
        ValueError: `kind` is unknown.
    """

    def __init__(
        self,
        kind: Kind,
        fft_sizes: Sequence[int],
        learning_rate: float = 3e-4,
        width: int = 16,
        device: torch.device | str = "cpu",
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}.")
        self.kind, self.discriminator = kind, Discriminator(fft_sizes, width).to(device)
        self.optimizer = torch.optim.AdamW(self.discriminator.parameters(), learning_rate, betas=(0.8, 0.99))

    def learn(self, decoded: Tensor, original: Tensor) -> float:
        """One update on `decoded` and `original` [B, samples]; returns the discriminator's loss before it."""
        self.discriminator.requires_grad_(True)
        loss = discriminator_loss(self.discriminator(original), self.discriminator(decoded.detach()), self.kind)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.discriminator.parameters(), 5.0)
        self.optimizer.step()
        return loss.item()

    def generator_losses(self, decoded: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
        """The adversarial loss and the feature loss of `decoded`, with a gradient only for `decoded`."""
        self.discriminator.requires_grad_(False)
        with torch.no_grad():
            real = self.discriminator(original)
        fake = self.discriminator(decoded)
        return generator_loss(fake, self.kind), feature_loss(real, fake)

    def state_dict(self) -> dict[str, Any]:
        """The weights and the optimizer's state."""
        return {"weights": self.discriminator.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the result of `state_dict`."""
        self.discriminator.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])


def _convolution(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
) -> nn.Conv2d:
    padding = (dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2)
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation)
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return weight_norm(layer)
