"""Recordings and saved voices."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.voices.library import find_voice, keep_voice, remove_voice, voice_files
    from dia.voices.voice import Voice

__getattr__, __dir__ = lazy_names(
    __name__, {"library": ("find_voice", "keep_voice", "remove_voice", "voice_files"), "voice": ("Voice",)}
)

__all__ = ["Voice", "find_voice", "keep_voice", "remove_voice", "voice_files"]
