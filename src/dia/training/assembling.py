"""The embedded checkpoint's folder out of its parts: model, codec, processor files, vocabulary and model card.

Knows files and what is worth telling about the model. Knows nothing of how the parts were trained.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import DacModel, GenerationConfig

from dia.atomic import atomic_folder
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.processor_folder import CODEC_FOLDER
from dia.sampling import published_generation_config
from dia.training.english import vocabulary

SAMPLING = {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 1.0, "guidance_scale": 1.5}
LONGEST_SECONDS = 30.0

CARD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-to-speech
tags: [dia, text-to-speech, dialogue]
---
# The embedded Dia: a first voice

A small Dia ({parameters}) with a small codec of DAC's architecture ({codec_parameters}, {rate} Hz, {frames} frames a
second, {channels} codebooks of {codes}), trained from nothing on a CPU. It is here so that everything in this package
can be run, heard and tested offline. It is not a small edition of Dia-1.6B and shares no weights with it.

## What it can say
The {words} words of `vocabulary.txt`, in sentences and in any order, in two voices: `[S1]` is a woman's, `[S2]` a
man's. Scripts up to about 14 s were trained on. `(laughs)` and other tags make no sound. Other words come out as a
guess at best; there is no voice cloning worth the name.

## Teacher and data
The teacher is flite (voices `slt` for `[S1]`, `rms` for `[S2]`, 16 kHz), a free parametric synthesiser; no recording
of a person was used beside those its voices were built from. {data}
Texts are sentences of a small grammar and random word sequences; a hash of the words sets 3 % of all texts aside, and
every figure below is on such texts.

## Recipe
`python -m dia.training.mini` makes this folder from nothing. The codec is trained with its quantiser, then its decoder
alone; the language model learns from codes, with attention held near the spoken letters in two layers, random
replacement of what was said before, and 12 % of texts dropped for guidance.
{training}
![Loss, and gap to swapped text, over the minutes of training](curves.png)

## Figures
{figures}

`python benchmarks/mini_quality.py` measures them again. Words are counted by pocketsphinx, which knows the vocabulary
and nothing of grammar; `here`/`hear`, `to`/`too`/`two`, `for`/`four` and `there`/`their` count as equal.

## Limits
It was taught by a parametric synthesiser and sounds like one, a little hoarser. It misses words, most often short
ones. It has no expression, no non-verbal sounds and no other voices.

## Use it well
Do not imitate a real person without consent, and do not deceive: no fake news, nothing illegal or meant to harm. Files
written by this package carry a tag that says the speech is synthetic.
"""


def assemble(
    language: Path,
    codec: Path,
    destination: Path,
    sampling: dict[str, Any] | None = None,
    log: Path | None = None,
    figures: Path | None = None,
    data: str = "",
    remark: str = "",
) -> None:
    """Write a complete checkpoint folder, whole or not at all; what stood at `destination` is replaced.

    Args:
        language: folder of the trained model.
        codec: folder of the trained `DacModel`.
        destination: the folder to write.
        sampling: generation defaults, `SAMPLING` if none are given.
        log: the language model's `log.jsonl`, for the card's curves.
        figures: JSON of `benchmarks/mini_quality.py`, for the card's table.
        data: a sentence on the amount of data, for the card.
        remark: what the run did otherwise than the recipe says, for the card.

    Raises:
        OSError: a part is not there.
    """
    model = DiaForConditionalGeneration.from_pretrained(language, dtype=torch.bfloat16)
    dac = DacModel.from_pretrained(codec, dtype=torch.float32)
    model.generation_config = generation_config(model, dac, sampling or SAMPLING)
    lines = [] if log is None else [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    with atomic_folder(destination, overwrite=True) as folder:
        model.save_pretrained(folder)
        DiaProcessor.for_config(model.config, dac).save_pretrained(folder)
        halve(folder / CODEC_FOLDER / "model.safetensors")
        (folder / "vocabulary.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
        curves_drawn = draw_curves(lines, folder / "curves.png")
        (folder / "README.md").write_text(
            card(model, dac, lines, figures, data, remark, curves_drawn), encoding="utf-8"
        )


def generation_config(
    model: DiaForConditionalGeneration, codec: DacModel, sampling: dict[str, Any]
) -> GenerationConfig:
    """The model's ids, `sampling`, and a longest length in rows."""
    config = published_generation_config(model.config)
    frames = LONGEST_SECONDS * codec.config.sampling_rate / codec.config.hop_length
    config.update(**sampling, max_length=int(frames))
    return config


def halve(weights: Path) -> None:
    """Store weights in fp16. The config beside them still says float32, so that they are read as such."""
    tensors = {name: tensor.half().contiguous() for name, tensor in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})


def card(
    model: DiaForConditionalGeneration,
    codec: DacModel,
    lines: Sequence[dict[str, Any]],
    figures: Path | None,
    data: str,
    remark: str,
    curves_drawn: bool,
) -> str:
    """The model card, with what is known of the run."""
    measured = None if figures is None else json.loads(figures.read_text(encoding="utf-8"))
    text = CARD.format(
        parameters=f"{model.num_parameters() / 1e6:.1f} million parameters",
        codec_parameters=f"{codec.num_parameters() / 1e6:.1f} million",
        rate=codec.config.sampling_rate,
        frames=f"{codec.config.sampling_rate / codec.config.hop_length:.1f}",
        channels=codec.config.n_codebooks,
        codes=codec.config.codebook_size,
        words=len(vocabulary()),
        data=data,
        training=_told_run(lines) + (remark and f"{remark}\n"),
        figures="Not measured yet." if measured is None else figures_table(measured),
    )
    return text if curves_drawn else "\n".join(line for line in text.splitlines() if "curves.png" not in line) + "\n"


def _told_run(lines: Sequence[dict[str, Any]]) -> str:
    if not lines:
        return ""
    last = lines[-1]
    return (
        f"The language model ran {last['step']} steps in {last['minutes']:.0f} minutes; at the end channel 0 has a "
        f"validation loss of {last['validation'][0]:.2f} nat, and {last['gap']:.2f} more with another text.\n"
    )


def figures_table(measured: dict[str, Any]) -> str:
    """A Markdown table of what `benchmarks/mini_quality.py` found."""
    rows = ["| word error rate | sentences | random words |", "| --- | --- | --- |"]
    for title, key in (("the model", ""), ("the codec alone", "_codec"), ("the teacher", "_teacher")):
        rates = measured[f"word_error{key}"]
        rows.append(f"| {title} | {rates['sentence']:.2f} | {rates['sequence']:.2f} |")
    items, scripts = measured["items"], measured["scripts"]
    rows += [
        "",
        "| what | figure |",
        "| --- | --- |",
        f"| ended by itself | {measured['ended']} of {items} |",
        f"| length within 30 % of the teacher's | {measured['duration_within_30_percent']} of {items} |",
        f"| both voices at the right pitch in scripts of two turns | {measured['two_voices_right']} of {scripts} |",
        f"| channel 0: loss more with another text | {measured['channel_0']['gap']:.2f} nat |",
        f"| speed on 2 CPU cores | {measured['realtime_factor']:.1f} times realtime |",
    ]
    return "\n".join(rows)


def draw_curves(lines: Sequence[dict[str, Any]], path: Path) -> bool:
    """A small picture of validation loss and gap over minutes; false without lines or without matplotlib."""
    if not lines:
        return False
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no curves in the model card: matplotlib is missing (pip install 'dia-tts[train]')")
        return False
    figure = Figure(figsize=(5.0, 2.6), dpi=80, layout="constrained")
    axes = figure.subplots()
    minutes = [line["minutes"] for line in lines]
    axes.plot(minutes, [line["validation"][0] for line in lines], label="channel 0, right text")
    axes.plot(minutes, [line["validation"][0] + line["gap"] for line in lines], label="channel 0, another text")
    axes.set_xlabel("minutes")
    axes.set_ylabel("nat")
    axes.legend(frameon=False)
    figure.savefig(path)
    return True
