"""Rotary position embeddings (RoPE) for all RoPE types of transformers.

Shapes: B batch, R rows, H heads, D head width.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from dia.configuration_dia import DiaDecoderConfig, DiaEncoderConfig, check_rope_type

_LENGTH_DEPENDENT = ("dynamic", "longrope")


class DiaRotaryEmbedding(nn.Module):
    """Computes the cosines and sines that rotate queries and keys by position (arXiv:2104.09864).

    For the RoPE types "dynamic" and "longrope" the angles depend on the sequence length. Only the length of the
    current call counts; transformers' "dynamic" also depends on the longest earlier call.

    Raises:
        ValueError: the RoPE type is unknown to transformers, or rotates only part of each head.
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
                f"rope_parameters: partial_rotary_factor rotates {2 * len(frequencies)} of head_dim={config.head_dim} "
                "dimensions, but Dia rotates whole heads. Remove it, or use rope_type='proportional'."
            )
        self.register_buffer("inv_freq", frequencies, persistent=False)

    def _apply(self, *args: Any, **kwargs: Any) -> "DiaRotaryEmbedding":
        """Move to the model's device, but stay in float32: in half precision the angles of late rows are wrong."""
        super()._apply(*args, **kwargs)
        self.inv_freq = self.frequencies()[0].to(self.inv_freq.device)
        return self

    @property
    def length_dependent(self) -> bool:
        """Whether the angles depend on the sequence length."""
        return self.rope_type in _LENGTH_DEPENDENT

    def frequencies(self, length: Any = None, device: torch.device | None = None) -> tuple[Tensor, float]:
        """One angle per row and pair of dimensions, [D / 2], and the factor for cosines and sines.

        Args:
            length: sequence length, a number or a one-element tensor; by default the length the model was trained for.
            device: device of the result.
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
        angles = position_ids[..., None].float() * self._frequencies_for(position_ids)  # [B or 1, R, D / 2]
        angles = torch.cat((angles, angles), dim=-1)
        scale = self.attention_scaling
        return (angles.cos() * scale).to(x.dtype), (angles.sin() * scale).to(x.dtype)

    def _frequencies_for(self, positions: Tensor) -> Tensor:
        """The frequencies [D / 2] for a sequence that ends at the largest of these positions."""
        frequencies = self.inv_freq.to(positions.device, torch.float32)
        if not self.length_dependent:
            return frequencies
        rope, dynamic = self.config.rope_parameters, self.rope_type == "dynamic"
        assert rope is not None
        limit = self.config.max_position_embeddings if dynamic else rope["original_max_position_embeddings"]
        length = positions.max() + 1
        longer, _ = self.frequencies(length if dynamic else limit + 1, positions.device)
        return torch.where(length > limit, longer, frequencies)


def rotate(states: Tensor, position_embeddings: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the pairs (first half, second half) of each head by their position's angles; states: [B, H, R, D]."""
    cos, sin = (part[:, None] for part in position_embeddings)
    first, second = states.chunk(2, dim=-1)
    return states * cos + torch.cat((-second, first), dim=-1) * sin


__all__ = ["DiaRotaryEmbedding", "rotate"]
