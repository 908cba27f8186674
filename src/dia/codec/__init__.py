"""Conversion between codes and waveforms."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.codec.dac import decode, decode_context, encode, frame_rate

__getattr__, __dir__ = lazy_names(__name__, {"dac": ("decode", "decode_context", "encode", "frame_rate")})

__all__ = ["decode", "decode_context", "encode", "frame_rate"]
