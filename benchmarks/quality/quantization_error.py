"""Measure the loss of quality by quantized weights: errors of logits by kind of matrix, training loss and word errors.

    python benchmarks/quality/quantization_error.py                     the embedded model
    python benchmarks/quality/quantization_error.py --random            random weights of Dia-1.6B's shape, 5 GB
    python benchmarks/quality/quantization_error.py --parts errors --each-layer --model FOLDER

Errors are ‖logits − exact logits‖ / ‖exact logits‖ in percent, with one kind of matrix quantized and the rest exact.
The loss is teacher-forced, on the teacher's speech (flite) through the model's codec. pocketsphinx recognizes words.
"""

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from evaluation.held_out import TEACHER_RATE, spoken_by_teacher
from evaluation.recognizer import Recognizer
from torch import Tensor, nn

from dia import MINI, DiaConfig, DiaForConditionalGeneration, DiaProcessor
from dia.quantization.config import DiaQuantizationConfig, quantize
from dia.quantization.linear import QuantizedLinear
from dia.training.data.dialogues import Clip
from dia.training.metrics import measure

FORMATS = ("int8", "int4")
PARTS = ("errors", "loss", "words")
EVERYTHING = "all of them"
AS_SHIPPED = "as quantize() does"


def kinds(model: nn.Module, each_layer: bool) -> dict[str, list[str]]:
    """Names of matrices by half and kind, such as "decoder cross_attention.q_proj", or each by itself."""
    found: dict[str, list[str]] = {}
    for name in (name for name, module in model.named_modules() if type(module) is nn.Linear):
        half = "encoder" if ".encoder." in name else "decoder" if ".decoder." in name else "head"
        kind = name if each_layer else f"{half} {name.partition('.layers.')[2].partition('.')[2]}".strip()
        found.setdefault(kind, []).append(name)
    return found


@contextmanager
def quantized(model: nn.Module, names: Sequence[str], config: DiaQuantizationConfig) -> Iterator[None]:
    """The model with some matrices quantized, and afterwards as it was."""
    exact = {name: model.get_submodule(name) for name in names}
    try:
        for name, linear in exact.items():
            choice = config.format_of(name, linear)
            if choice is not None:
                model.set_submodule(name, QuantizedLinear.of(linear.weight, *choice))
        yield
    finally:
        for name, linear in exact.items():
            model.set_submodule(name, linear)


def relative_error(model: Any, batch: dict[str, Tensor], exact: Tensor) -> float:
    """In percent, over all logits of the batch."""
    error = model(**batch).logits.float() - exact
    return round(100 * float(error.norm() / exact.norm()), 3)


def errors(model: Any, batch: dict[str, Tensor], each_layer: bool) -> dict[str, dict[str, float]]:
    """One row to each kind of matrix, one column to each format."""
    exact = model(**batch).logits.float()
    groups = kinds(model, each_layer)
    groups[EVERYTHING] = [name for names in groups.values() for name in names]
    table: dict[str, dict[str, float]] = {}
    for kind, names in groups.items():
        table[kind] = {}
        for weights in FORMATS:
            with quantized(model, names, DiaQuantizationConfig(weights, int8=())):
                table[kind][weights] = relative_error(model, batch, exact)
        print(f"{kind:40}", *(f"{value:10.3f}" for value in table[kind].values()), flush=True)
    table[AS_SHIPPED] = {}
    for weights in FORMATS:
        with quantized(model, groups[EVERYTHING], DiaQuantizationConfig(weights)):
            table[AS_SHIPPED][weights] = relative_error(model, batch, exact)
    print(f"{AS_SHIPPED:40}", *(f"{value:10.3f}" for value in table[AS_SHIPPED].values()), flush=True)
    return table


def published_shape(layers: int | None) -> DiaConfig:
    """The published model's config, with so many layers in each half if it is not to be whole."""
    config = DiaConfig()
    if layers is not None:
        config.encoder_config.num_hidden_layers = config.decoder_config.num_hidden_layers = layers
    return config


def scale_queries(model: nn.Module) -> None:
    """Put 1 / √(head width) into the queries, as training does: attention itself does not scale.

    Without it, random weights attend to a single position, which depends on the last bit.
    """
    for name, module in model.named_modules():
        if name.endswith("_attention"):
            module.q_proj.weight.mul_(module.head_dim**-0.5)


def random_batch(config: DiaConfig, texts: int = 2, rows: int = 24) -> dict[str, Tensor]:
    """Random bytes and random codes."""
    noise, decoder = torch.Generator().manual_seed(0), config.get_text_config()
    return {
        "input_ids": torch.randint(32, 127, (texts, 48), generator=noise),
        "decoder_input_ids": torch.randint(
            0, decoder.eos_token_id, (texts, rows, decoder.num_channels), generator=noise
        ),
    }


def vocabulary(folder: Path) -> list[str]:
    """The vocabulary of a model, from its folder."""
    return (folder / "vocabulary.txt").read_text(encoding="utf-8").split()


def scripts(folder: Path, count: int) -> list[tuple[str, str]]:
    """Speaker and three to six words of the model's vocabulary, at random; the same for the same model."""
    words, draw = vocabulary(folder), random.Random("quantization")
    return [(f"S{1 + i % 2}", " ".join(draw.choices(words, k=draw.randint(3, 6))) + ".") for i in range(count)]


def taught(processor: DiaProcessor, said: Sequence[tuple[str, str]]) -> list[Clip]:
    """The teacher's speech through the codec."""
    clips = []
    for speaker, text in said:
        audio = spoken_by_teacher(text, speaker).teacher
        codes = processor.encode_audio([audio], sampling_rate=TEACHER_RATE)[0]
        clips.append(Clip([codes], f"[{speaker}] {text}", speaker))
    return clips


def real_batch(clips: Sequence[Clip]) -> dict[str, Tensor]:
    """A few clips as a training batch."""
    from dia.decoding.grid import Channels
    from dia.training.data.collator import ALIGNMENT, SWAPPED, DiaCollator
    from dia.training.data.compatibility import spelled
    from dia.training.data.dataset import HeldOut

    config = DiaConfig.from_pretrained(MINI)
    channels = Channels.of(config)
    held = HeldOut(spelled(clips[:4], config, DiaProcessor.from_pretrained(MINI, load_audio_tokenizer=False)))
    batch = DiaCollator(channels)([held[index] for index in range(len(held))])
    return {name: value for name, value in batch.items() if name not in ("labels", *ALIGNMENT, *SWAPPED)}


def word_errors(
    model: Any, processor: DiaProcessor, said: Sequence[tuple[str, str]], recognizer: Recognizer, at_once: int = 20
) -> float:
    """Of the model's own speech, the same seeds whatever the weights."""
    edits = words = 0
    for start in range(0, len(said), at_once):
        some = said[start : start + at_once]
        inputs = processor(text=[f"[{speaker}] {text}" for speaker, text in some])
        seeds = [torch.Generator().manual_seed(start + i) for i in range(len(some))]
        waveforms = processor.batch_decode(model.generate(**inputs, generator=seeds))
        for (_, text), waveform in zip(some, waveforms, strict=True):
            missed, spoken = recognizer.errors(text, waveform.numpy(), processor.sampling_rate)
            edits, words = edits + missed, words + spoken
    return edits / words


def speaking(folder: Path, parts: Sequence[str], count: int, dtype: torch.dtype) -> dict[str, Any]:
    """Loss and word errors of the model as it is and in each format."""
    processor, said = DiaProcessor.from_pretrained(folder), scripts(folder, count)
    clips = taught(processor, said) if "loss" in parts else []
    recognizer = Recognizer(vocabulary(folder)) if "words" in parts else None
    results: dict[str, Any] = {}
    for weights in ("exact", *FORMATS):
        model = DiaForConditionalGeneration.from_pretrained(folder, dtype=dtype).eval()
        if weights != "exact":
            quantize(model, weights)
        row: dict[str, float] = {}
        if "loss" in parts:
            loss = measure(model, clips, processor).loss
            row |= {"loss": round(float(loss.mean()), 4), "loss of channel 0": round(float(loss[0]), 4)}
        if recognizer is not None:
            row["word error rate"] = round(word_errors(model, processor, said, recognizer), 4)
        results[weights] = row
        print(f"{weights:8}", row, flush=True)
    return results


def main() -> None:
    """Parse arguments, print tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", type=Path, default=Path(MINI), help="folder with vocabulary.txt (default: the embedded model)"
    )
    parser.add_argument("--random", action="store_true", help="random weights of Dia-1.6B's shape instead")
    parser.add_argument("--layers", type=int, help="with --random: layers per half (default: all, 12 and 18)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    parser.add_argument("--each-layer", action="store_true", help="one row per matrix instead of per kind")
    parser.add_argument(
        "--sentences", type=int, default=100, help="number of sentences for loss and words (default: 100)"
    )
    parser.add_argument(
        "--dtype", default="float32", help="dtype of weights that are not quantized (default: float32)"
    )
    parser.add_argument("--threads", type=int, help="number of CPU threads (default: chosen by torch)")
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    dtype, results = getattr(torch, arguments.dtype), {}
    with torch.no_grad():
        if "errors" in arguments.parts or arguments.random:
            print(f"{'error of logits, percent':40}", *(f"{weights:>10}" for weights in FORMATS))
            if arguments.random:
                torch.manual_seed(0)
                config = published_shape(arguments.layers)
                model = DiaForConditionalGeneration._from_config(config, dtype=torch.bfloat16).eval()
                scale_queries(model)
                batch = random_batch(model.config)
            else:
                model = DiaForConditionalGeneration.from_pretrained(arguments.model, dtype=dtype).eval()
                processor = DiaProcessor.from_pretrained(arguments.model)
                batch = real_batch(taught(processor, scripts(arguments.model, 4)))
            results["errors"] = errors(model, batch, arguments.each_layer)
            del model
        if not arguments.random and {"loss", "words"} & set(arguments.parts):
            results |= speaking(arguments.model, arguments.parts, arguments.sentences, dtype)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
