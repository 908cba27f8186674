"""A second reader of the encoder: what the letters alone tell of the sound, learnt without the sound before it.

Knows the encoder's output, places in the text and the codes of channel 0. Knows nothing of the decoder.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

AROUND = torch.arange(-1, 3)  # letters that are read, counted from the one being spoken


class EncoderProbe(nn.Module):
    """Predicts channel 0 of a frame from the encoder's output at the letters around the one being spoken.

    The decoder guesses a frame from those before it, so that the encoder is told little of what its letters sound
    like. This head sees nothing but the letters; its gradient goes to the encoder, and it is left behind when training
    ends.

    Args:
        encoder: whose output is read.
        width: of that output, E.
        codes: size of the decoder's vocabulary, V.
        learning_rate: of the head's own weights.
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
        """Mean cross entropy of channel 0, of the forward pass that the encoder has just made.

        Args:
            places: [B, R], the byte being spoken in the frame that each row predicts, a fraction between two.
            weight: [B, R], 0 where nothing is asked of a row.
            labels: [B, R], codes of channel 0, -100 where nothing is to be learnt.

        Returns:
            A scalar in nats; 0 where no row has a weight.
        """
        logits = self.head(self._read(places)).float()
        labels = torch.where(weight > 0, labels, -100)
        lost = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum")
        return lost / (labels != -100).sum().clamp_min(1)

    def _read(self, places: Tensor) -> Tensor:
        """The letters around each place and how far the letter is spoken, [B, R, inputs]."""
        at = places.floor()
        nearby = at.long()[..., None] + AROUND.to(at.device)
        nearby = nearby.clamp(0, self._encoded.shape[1] - 1).flatten(1)[..., None]
        letters = self._encoded.gather(1, nearby.expand(-1, -1, self._encoded.shape[2])).view(*places.shape, -1)
        part = (places - at)[..., None]
        phase = torch.cat([part, (torch.pi * part).sin(), (torch.pi * part).cos()], -1)
        return torch.cat([letters, phase.to(letters.dtype)], -1)

    def step(self) -> None:
        """Move the head's weights along the gradients of the last backward pass."""
        self.optimizer.step()
        self.optimizer.zero_grad()

    def save(self, path: Path) -> None:
        """Write the head and its optimiser's state."""
        torch.save([self.head.state_dict(), self.optimizer.state_dict()], path)

    def load(self, path: Path) -> None:
        """Go on from what `save` has written; without the file, from nothing."""
        if path.is_file():
            head, optimizer = torch.load(path, weights_only=True)
            self.head.load_state_dict(head)
            self.optimizer.load_state_dict(optimizer)


__all__ = ["EncoderProbe"]
