"""Spectral losses: log-mel distance and spectral convergence at several resolutions, and envelope distance."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dia.audio.dsp.mel import cosines, mel_filters

# Weak formants and fricatives are 60 to 70 dB below full scale in single bands. With a floor of 3e-4 the loss ignores
# them: it looks better, but a recognizer then gets nine words in ten wrong.
LOG_FLOOR = 3e-5

ENVELOPE = (25, 13)  # mel bands and cepstral coefficients, as in speech recognition


def resolutions_for(sampling_rate: int) -> tuple[tuple[int, int, float], ...]:
    """The FFT sizes closest to 64, 32, 16 and 8 ms, each with its number of mel bands and its weight.

    Windows of 32 ms have the largest weight: they resolve formants, and recognizers use them.
    """
    shapes = ((0.064, 80, 1.0), (0.032, 48, 2.0), (0.016, 32, 1.0), (0.008, 16, 0.5))
    return tuple((2 ** round(math.log2(seconds * sampling_rate)), bands, weight) for seconds, bands, weight in shapes)


class SpectralLoss(nn.Module):
    """The spectral distance of decoded and original audio.

    It is the weighted mean over resolutions of log-mel L1 plus `convergence_weight` times spectral convergence, plus
    `envelope_weight` times the L1 distance of mel cepstra, which distinguish vowels even if single bands are noisy.
    Magnitudes are scaled so that a sine of amplitude a peaks near a / 2 for every FFT size.

    Args:
        sampling_rate: in Hz.
        resolutions: FFT sizes, each with its number of mel bands and its weight; by default `resolutions_for` the
            rate. The hop is a quarter of the FFT size.
        convergence_weight: of spectral convergence.
        envelope_weight: of the distance of mel cepstra.
    """

    def __init__(
        self,
        sampling_rate: int,
        resolutions: Sequence[tuple[int, int, float]] | None = None,
        convergence_weight: float = 0.3,
        envelope_weight: float = 0.5,
    ) -> None:
        super().__init__()
        resolutions = resolutions_for(sampling_rate) if resolutions is None else resolutions
        self.weights = {fft_size: weight for fft_size, _, weight in resolutions}
        self.convergence_weight, self.envelope_weight = convergence_weight, envelope_weight
        self.envelope_fft = max(self.weights, key=lambda fft_size: self.weights[fft_size])
        bands, coefficients = ENVELOPE
        envelope = mel_filters(bands, self.envelope_fft, sampling_rate)
        self.register_buffer("mel_envelope", envelope, persistent=False)
        self.register_buffer("cosines", cosines(bands, coefficients), persistent=False)
        for fft_size, bands, _ in resolutions:
            self.register_buffer(f"window_{fft_size}", torch.hann_window(fft_size), persistent=False)
            self.register_buffer(f"mel_{fft_size}", mel_filters(bands, fft_size, sampling_rate), persistent=False)

    def magnitudes(self, audio: Tensor, fft_size: int) -> Tensor:
        """`audio` [B, samples] → [B, frames, fft_size // 2 + 1]."""
        window = self.get_buffer(f"window_{fft_size}")
        spectrum = torch.stft(audio, fft_size, fft_size // 4, window=window, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return (power + 1e-10).sqrt().transpose(1, 2) / window.sum()

    def at(self, fft_size: int, decoded: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
        """The log-mel L1 and the spectral convergence at one resolution."""
        ours, theirs = self.magnitudes(decoded, fft_size), self.magnitudes(original, fft_size)
        mel = self.get_buffer(f"mel_{fft_size}")
        log_ours, log_theirs = (_log_mel(x, mel) for x in (ours, theirs))
        convergence = (ours - theirs).norm(dim=(1, 2)) / theirs.norm(dim=(1, 2)).clamp(min=1e-2)
        return (log_ours - log_theirs).abs().mean(), convergence.mean()

    def envelope(self, decoded: Tensor, original: Tensor) -> Tensor:
        """The L1 distance of the first cepstral coefficients, at the resolution with the largest weight."""
        mel = self.get_buffer("mel_envelope")
        ours, theirs = (_log_mel(self.magnitudes(x, self.envelope_fft), mel) for x in (decoded, original))
        return ((ours - theirs) @ self.get_buffer("cosines")).abs().mean()

    def forward(self, decoded: Tensor, original: Tensor) -> Tensor:
        """`decoded`, `original` [B, samples] in fp32 → a scalar: nats of mel magnitude plus the other two terms."""
        total = decoded.new_zeros(())
        for fft_size, weight in self.weights.items():
            mel, convergence = self.at(fft_size, decoded, original)
            total = total + weight * (mel + self.convergence_weight * convergence)
        total = total / sum(self.weights.values())
        return total + self.envelope_weight * self.envelope(decoded, original) if self.envelope_weight else total


def _log_mel(magnitudes: Tensor, filters: Tensor) -> Tensor:
    return (magnitudes @ filters).clamp(min=LOG_FLOOR).log()
