"""Speak with transformers' pipeline."""

import soundfile
from transformers import pipeline

import dia  # makes transformers resolve "dia" to this package

speaker = pipeline("text-to-speech", model=str(dia.MINI))
speech = speaker("[S1] Good evening. [S2] Good evening!")  # {"audio": float32 [samples], "sampling_rate": Hz}
soundfile.write("evening.wav", speech["audio"], speech["sampling_rate"])
