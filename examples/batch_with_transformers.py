"""Speak several texts in one batch with transformers' classes alone."""

import torch
from transformers import AutoModelForTextToWaveform, AutoProcessor

import dia  # makes transformers resolve "dia" to this package

processor = AutoProcessor.from_pretrained(dia.MINI)
model = AutoModelForTextToWaveform.from_pretrained(dia.MINI)

texts = ["[S1] The first text.", "[S2] The second text, a little longer.", "[S1] Three. [S2] Four."]
generators = [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]  # one per text: the same alone and in a batch
grids = model.generate(**processor(text=texts), generator=generators)  # int64 [batch, rows, channels]
waveforms = processor.batch_decode(grids)  # float32 [samples], one for each text
processor.save_audio(waveforms, [f"text-{number}.wav" for number in (1, 2, 3)])
