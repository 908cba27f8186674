"""Receive speech while it is generated, and write it piece by piece."""

import time

import soundfile

from dia import Dia

SCRIPT = "[S1] The first words arrive before the last ones are made. [S2] That saves a lot of waiting."

model = Dia.from_pretrained("mini")
started = time.perf_counter()
with soundfile.SoundFile("stream.wav", "w", model.sample_rate, channels=1) as file:
    for piece in model.stream(SCRIPT, seed=7):  # float32 [samples]; play it here instead
        print(f"{time.perf_counter() - started:.2f} s: {len(piece) / model.sample_rate:.2f} s of speech")
        file.write(piece)
