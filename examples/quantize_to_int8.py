"""Load a model with weights of 8 bits, speak, and save it in that form."""

from dia import Dia

model = Dia.from_pretrained("mini", quantization="int8")  # "int4" is smaller, and less exact
model.save_audio("int8.wav", model.generate("[S1] Fewer bytes, the same words.", seed=7))

model.model.save_pretrained("dia-int8")
model.processor.save_pretrained("dia-int8")
again = Dia.from_pretrained("dia-int8")  # has 8-bit weights from the start
again.save_audio("again.wav", again.generate("[S1] Fewer bytes, the same words.", seed=7))
