"""Waveforms and audio files: reading, writing, levels, silence, pitch, time stretching and playback."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.audio.files import Writer
    from dia.audio.playback import Player
    from dia.audio.time_stretch import stretched

__getattr__, __dir__ = lazy_names(
    __name__, {"files": ("Writer",), "playback": ("Player",), "time_stretch": ("stretched",)}
)

__all__ = ["Player", "Writer", "stretched"]
