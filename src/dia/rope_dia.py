"""Rotary positions: the angles by which queries and keys are turned, for every rope type of transformers.

Shapes: B batch, R rows, H heads, D head width.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from dia.configuration_dia import DiaDecoderConfig, DiaEncoderConfig, check_rope_type

_LENGTH_DEPENDENT = ("dynamic", "longrope")


class DiaRotaryEmbedding(nn.Module):
    """Cosines and sines that turn queries and keys by their position (arXiv:2104.09864).

    The rope types "dynamic" and "longrope" change their angles with the length of the sequence. Here that is the
    length of the call alone; transformers' "dynamic" also remembers the longest call before.

    Raises:
        ValueError: the config names a rope type that transformers does not know, or rotates a part of each head only.
    """

    inv_freq: Tensor

    def __init__(self, config: DiaEncoderConfig | DiaDecoderConfig) -> None:
        super().__init__()
        assert config.rope_parameters is not None
        self.config = config
        check_rope_type(config.rope_parameters)
        self.rope_type: str = config.rope_parameters["rope_type"]
        frequencies, self.attention_scaling = self.frequencies()
        if 2 * len(frequencies) != config.head_dim:
            raise ValueError(
                f"rope_parameters: partial_rotary_factor turns {2 * len(frequencies)} of head_dim={config.head_dim} "
                "dimensions; Dia turns whole heads. Leave it out, or use rope_type='proportional'."
            )
        self.register_buffer("inv_freq", frequencies, persistent=False)

    def _apply(self, *args: Any, **kwargs: Any) -> "DiaRotaryEmbedding":
        """Follow the model to its device, but never to half precision: far rows would turn by wrong angles."""
        super()._apply(*args, **kwargs)
        self.inv_freq = self.frequencies()[0].to(self.inv_freq.device)
        return self

    @property
    def length_dependent(self) -> bool:
        """Whether the angles change with the length of the sequence."""
        return self.rope_type in _LENGTH_DEPENDENT

    def frequencies(self, length: Any = None, device: torch.device | None = None) -> tuple[Tensor, float]:
        """One angular step per pair of dimensions, [D / 2], and the factor on cosines and sines.

        Args:
            length: of the sequence, a number or a tensor of one; by default what the model was trained for.
            device: of the steps.
        """
        rope = self.config.rope_parameters
        assert rope is not None
        if self.rope_type != "default":
            frequencies, scale = ROPE_INIT_FUNCTIONS[self.rope_type](self.config, device, seq_len=length)
            return frequencies, float(scale)
        exponents = torch.arange(0, self.config.head_dim, 2, dtype=torch.float32, device=device) / self.config.head_dim
        return 1.0 / rope["rope_theta"] ** exponents, 1.0

    @torch.no_grad()
    def forward(self, x: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines [B or 1, R, D] of `position_ids` [B or 1, R], in the dtype of `x`."""
        angles = position_ids[..., None].float() * self._steps_for(position_ids)  # [B or 1, R, D / 2]
        angles = torch.cat((angles, angles), dim=-1)
        scale = self.attention_scaling
        return (angles.cos() * scale).to(x.dtype), (angles.sin() * scale).to(x.dtype)

    def _steps_for(self, positions: Tensor) -> Tensor:
        """The angular steps [D / 2] of a sequence whose last position is the largest of these."""
        steps = self.inv_freq.to(positions.device, torch.float32)
        if not self.length_dependent:
            return steps
        rope, dynamic = self.config.rope_parameters, self.rope_type == "dynamic"
        assert rope is not None
        limit = self.config.max_position_embeddings if dynamic else rope["original_max_position_embeddings"]
        length = positions.max() + 1
        longer, _ = self.frequencies(length if dynamic else limit + 1, positions.device)
        return torch.where(length > limit, longer, steps)


def rotate(states: Tensor, position_embeddings: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair (first half, second half) of the head by its position's angle; states: [B, H, R, D]."""
    cos, sin = (part[:, None] for part in position_embeddings)
    first, second = states.chunk(2, dim=-1)
    return states * cos + torch.cat((-second, first), dim=-1) * sin


__all__ = ["DiaRotaryEmbedding", "rotate"]
