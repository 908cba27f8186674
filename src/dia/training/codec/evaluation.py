"""Evaluate a codec on held-out audio: figures, audio samples and spectrograms."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DacModel

from dia.audio.files import write
from dia.audio.waveform import Waveform, as_array
from dia.codec.dac import decode, encode
from dia.training.codec.losses import SpectralLoss
from dia.training.spectrogram import draw_spectrogram

BATCH = 8


class Probe:
    """Measures codecs on the same held-out `audio` [N, samples] at `sampling_rate`."""

    def __init__(self, audio: Tensor, sampling_rate: int) -> None:
        self.audio, self.loss = audio, SpectralLoss(sampling_rate)

    @torch.no_grad()
    def __call__(self, codec: DacModel) -> dict[str, Any]:
        """The spectral loss with the quantizer ("valid") and without it, and the number of codes used per codebook."""
        loss, drawn = self.loss.to(codec.device), list[Tensor]()
        bare, through = list[float](), list[float]()
        for part in torch.split(self.audio, BATCH):
            audio = part.to(codec.device)
            latent = codec.encoder(audio[:, None])
            quantized, codes, *_ = codec.quantizer(latent)
            for losses, hidden in ((bare, latent), (through, quantized)):
                decoded = codec.decoder(hidden)[:, 0]
                losses.append(loss(decoded, audio[:, : decoded.shape[-1]]).item() * len(part))
            drawn.append(codes.transpose(0, 1).flatten(1))
        used = [book.unique().numel() for book in torch.cat(drawn, 1)]
        count = len(self.audio)
        return {"valid": sum(through) / count, "valid_unquantized": sum(bare) / count, "codes_used": used}


class SampleWriter:
    """Writes `clips` before and after the codec to `folder`, each as a wav file and a spectrogram."""

    def __init__(self, clips: Sequence[Waveform], sampling_rate: int, folder: Path) -> None:
        self.clips, self.rate, self.folder = clips, sampling_rate, folder

    def __call__(self, codec: DacModel, name: str) -> None:
        """Write `name`-0.wav, `name`-0.png and so on, and the originals if they do not exist yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        reconstructed = decode(codec, encode(codec, [torch.from_numpy(clip) for clip in self.clips]))
        for number, (clip, decoded) in enumerate(zip(self.clips, reconstructed, strict=True)):
            if not (self.folder / f"original-{number}.wav").exists():
                self._write(clip, f"original-{number}")
            self._write(as_array(decoded), f"{name}-{number}")

    def _write(self, waveform: Waveform, name: str) -> None:
        write(self.folder / f"{name}.wav", waveform, self.rate)
        draw_spectrogram(waveform, self.rate, self.folder / f"{name}.png")
