"""Speak a script of two speakers into a file, with the embedded model."""

from dia import Dia

model = Dia.from_pretrained("mini")  # "nari-labs/Dia-1.6B-0626" is the published model
speech = model.generate("[S1] Did you get my letter? [S2] Yes, on May 3rd. (laughs)", seed=7)  # float32 [samples]
model.save_audio("letter.wav", speech)
print(f"letter.wav: {len(speech) / model.sample_rate:.1f} s")
