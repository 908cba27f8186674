"""Waveforms and audio files: reading, writing, levels, silence, pitch, time stretching and playback."""

from typing import TYPE_CHECKING

from dia.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from dia.audio.dsp.time_stretch import stretched
    from dia.audio.files import Writer
    from dia.audio.playback import Player

__getattr__, __dir__ = lazy_names(
    __name__, {"files": ("Writer",), "playback": ("Player",), "dsp.time_stretch": ("stretched",)}
)

__all__ = ["Player", "Writer", "stretched"]
