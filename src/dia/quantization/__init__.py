"""Quantization of weights to 8 and 4 bits."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.quantization.config import DiaQuantizationConfig, quantize

__getattr__, __dir__ = lazy_names(__name__, {"config": ("DiaQuantizationConfig", "quantize")})

__all__ = ["DiaQuantizationConfig", "quantize"]
