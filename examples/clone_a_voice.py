"""Speak in the voice of a recording. Ask its owner for consent first."""

from dia import Dia
from dia.voices import Voice

RECORDING, TRANSCRIPT = "recording.wav", "[S1] The train to the coast leaves at nine, and we should be early."

model = Dia.from_pretrained("mini")
# Stands in for a recording of your own, of 5 to 10 seconds and with its exact transcript.
model.save_audio(RECORDING, model.generate(TRANSCRIPT, voice="clara", seed=1))

voice = Voice.from_audio(RECORDING, TRANSCRIPT, processor=model.processor, consent="a synthetic voice")
voice.save("my-voice.safetensors")  # load it again with voice="my-voice.safetensors"
speech = model.generate("[S1] I can say whatever you write.", voice=voice, seed=7)
model.save_audio("cloned.wav", speech)
