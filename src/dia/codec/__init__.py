"""Codes to waveforms and back."""
