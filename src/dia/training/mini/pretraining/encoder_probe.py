"""An auxiliary head that predicts codes from the text encoder's output alone."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

AROUND = torch.arange(-1, 3)  # positions of the letters that are read, relative to the one being spoken


class EncoderProbe(nn.Module):
    """Predicts channel 0 of a frame from the encoder's output at the letters around the one being spoken.

    The decoder can predict much of a frame from the previous ones, so the encoder receives little gradient about how
    its letters sound. This head sees only the letters, and its gradient goes to the encoder. It is not part of the
    trained model.

    Args:
        encoder: the text encoder, whose output is read.
        width: width of that output, E.
        codes: size of the decoder's vocabulary, V.
        learning_rate: for the head's own weights.
    """

    def __init__(self, encoder: nn.Module, width: int, codes: int, learning_rate: float = 1e-3) -> None:
        super().__init__()
        inputs = len(AROUND) * width + 3
        self.head = nn.Sequential(nn.Linear(inputs, 2 * width), nn.GELU(), nn.Linear(2 * width, codes))
        self.optimizer = torch.optim.AdamW(self.head.parameters(), lr=learning_rate, betas=(0.9, 0.98))
        self._encoded: Tensor = torch.empty(0)
        encoder.register_forward_hook(self._remember)

    def _remember(self, module: nn.Module, _: tuple[Any, ...], output: Any) -> None:
        self._encoded = output[0]

    def loss(self, places: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        """Mean cross entropy of channel 0 for the encoder's last forward pass.

        Args:
            places: [B, R], the position being spoken in the frame that each row predicts, in bytes with fractions.
            weight: [B, R], 0 for rows without a loss.
            labels: [B, R], codes of channel 0, -100 where there is no loss.

        Returns:
            A scalar in nats; 0 if no row has a weight.
        """
        logits = self.head(self._read(places)).float()
        labels = torch.where(weight > 0, labels, -100)
        lost = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum")
        return lost / (labels != -100).sum().clamp_min(1)

    def _read(self, places: Tensor) -> Tensor:
        """The encoded letters around each position, and the fraction of the current letter, [B, R, inputs]."""
        at = places.floor()
        nearby = at.long()[..., None] + AROUND.to(at.device)
        nearby = nearby.clamp(0, self._encoded.shape[1] - 1).flatten(1)[..., None]
        letters = self._encoded.gather(1, nearby.expand(-1, -1, self._encoded.shape[2])).view(*places.shape, -1)
        part = (places - at)[..., None]
        phase = torch.cat([part, (torch.pi * part).sin(), (torch.pi * part).cos()], -1)
        return torch.cat([letters, phase.to(letters.dtype)], -1)

    def step(self) -> None:
        """Update the head's weights with the gradients of the last backward pass."""
        self.optimizer.step()
        self.optimizer.zero_grad()

    def save(self, path: Path) -> None:
        """Write the head's weights and its optimizer's state to `path`."""
        torch.save([self.head.state_dict(), self.optimizer.state_dict()], path)

    def load(self, path: Path) -> None:
        """Load what `save` wrote; without the file, nothing changes."""
        if path.is_file():
            head, optimizer = torch.load(path, weights_only=True)
            self.head.load_state_dict(head)
            self.optimizer.load_state_dict(optimizer)


__all__ = ["EncoderProbe"]
