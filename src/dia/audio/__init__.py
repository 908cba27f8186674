"""Waveforms and files: reading, writing, level, silence, pitch, time stretching, playback."""
