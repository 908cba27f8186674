"""Fine-tune the embedded model with low-rank adapters. `dia train --lora` does the same from the command line.

Needs `pip install -e '.[train]'`. Six clips and three steps show how it works; a voice takes minutes of audio.
"""

from pathlib import Path

from dia import Dia
from dia.text import PromptFormat
from dia.training.data import check, encode_rows, read_source
from dia.training.lora import with_lora
from dia.training.trainer import DiaTrainer, DiaTrainingArguments

model = Dia.from_pretrained("mini", device="cpu")

# Stands in for recordings of your own: a.wav with its transcript in a.txt, and so on.
recordings = Path("recordings")
recordings.mkdir(exist_ok=True)
sentences = [f"[S1] This is sentence number {number}." for number in range(6)]
for number, clip in enumerate(model.generate(sentences, voice="clara", seed=1)):
    model.save_audio(recordings / f"{number}.wav", clip)
    (recordings / f"{number}.txt").write_text(sentences[number], encoding="utf-8")

report = check(read_source("recordings"), model.processor, format=PromptFormat.of(model.model.generation_config))
print(report)
codes = encode_rows(report.usable, model.processor, "tuned/codes", shifts=1)
arguments = DiaTrainingArguments(
    "tuned", max_steps=3, learning_rate=6e-4, per_device_train_batch_size=2, use_cpu=True, report_to=[]
)
trainer = DiaTrainer(with_lora(model.model, rank=8), arguments, codes, processing_class=model.processor)
trainer.train()
trainer.save_model()

tuned = Dia.from_pretrained("tuned")
tuned.save_audio("tuned.wav", tuned.generate("[S1] This is my voice.", seed=7))
