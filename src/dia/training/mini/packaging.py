"""Assemble the embedded checkpoint's folder: model, codec, processor files, vocabulary and model card."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import DacModel, GenerationConfig

from dia.checkpoints.processor_files import CODEC_FOLDER
from dia.codec.speaker_encoder import SpeakerEncoder
from dia.decoding.sampling import published_generation_config
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.runtime.files.atomic import atomic_folder
from dia.training.data.lines import lines_of
from dia.training.mini.model_card import CURVES, SPECTROGRAMS, card, draw_curves
from dia.training.mini.teacher.english import vocabulary

SAMPLING: dict[str, Any] = {"do_sample": True, "temperature": 0.4, "top_k": 20, "top_p": 1.0, "guidance_scale": 2.0}
# See `dia.text.prompt_format`.
PROMPT_FORMAT = {
    "closing_tag": False,
    "final_stop": True,
    "pass_seconds": 12.0,
    "carry": "nothing",
    "shortest_seconds": 0.0,
}
LONGEST_SECONDS = 30.0


def assemble(
    language: Path,
    codec: Path,
    destination: Path,
    pronunciations: Path | None = None,
    speakers: Path | None = None,
    sampling: dict[str, Any] | None = None,
    log: Path | None = None,
    figures: Path | None = None,
    spectrograms: Path | None = None,
    data: str = "",
    remark: str = "",
    notes: Path | None = None,
) -> None:
    """Write a complete checkpoint folder, whole or not at all; an existing `destination` is replaced.

    Args:
        language: folder of the trained model.
        codec: folder of the trained `DacModel`.
        destination: the folder to write.
        pronunciations: file of `dia.training.mini.teacher.natural.pronunciations`, if the model reads phones.
        speakers: the speaker encoder, if the model was trained with one.
        sampling: generation defaults; None for `SAMPLING`.
        log: the language model's `log.jsonl`, for the card's curves.
        figures: JSON of the benchmarks in `benchmarks/quality/`, for the card's tables.
        spectrograms: PNG of `benchmarks/quality/spectrograms.py`, for the card.
        data: a sentence on the amount of training data, for the card.
        remark: a sentence on how the run differs from the recipe, for the card.
        notes: a Markdown file with sections on these weights, such as what failed, for the card.

    Raises:
        OSError: a part is missing.
    """
    model = DiaForConditionalGeneration.from_pretrained(language, dtype=torch.bfloat16)
    dac = DacModel.from_pretrained(codec, dtype=torch.float32)
    model.generation_config = generation_config(model, dac, sampling or SAMPLING)
    encoder = None if speakers is None else SpeakerEncoder.load(speakers)
    measured = None if figures is None else json.loads(figures.read_text(encoding="utf-8"))
    told = "" if notes is None else notes.read_text(encoding="utf-8")
    lines = [] if log is None else [json.loads(line) for line in lines_of(log.read_text(encoding="utf-8"))]
    with atomic_folder(destination, overwrite=True) as folder:
        model.save_pretrained(folder)
        DiaProcessor.for_config(model.config, dac, pronunciations, encoder).save_pretrained(folder)
        halve(folder / CODEC_FOLDER / "model.safetensors")
        (folder / "vocabulary.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
        pictures = [CURVES] if draw_curves(lines, folder / CURVES) else []
        if spectrograms is not None:
            shutil.copyfile(spectrograms, folder / SPECTROGRAMS)
            pictures.append(SPECTROGRAMS)
        text = card(model, dac, lines, measured, data, remark, told, pictures)
        (folder / "README.md").write_text(text, encoding="utf-8")


def generation_config(
    model: DiaForConditionalGeneration, codec: DacModel, sampling: dict[str, Any]
) -> GenerationConfig:
    """The model's token ids, `sampling`, the prompt format and the maximum length in rows."""
    config = published_generation_config(model.config)
    frames = LONGEST_SECONDS * codec.config.sampling_rate / codec.config.hop_length
    config.update(**sampling, max_length=int(frames))
    for name, value in PROMPT_FORMAT.items():  # `update` ignores unknown names
        setattr(config, name, value)
    return config


def halve(weights: Path) -> None:
    """Store weights in fp16. The config still says float32, so that they are converted back when loaded."""
    tensors = {name: tensor.half().contiguous() for name, tensor in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})
