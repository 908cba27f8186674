"""Training of the embedded codec on the teacher's speech: batches, validation and stages."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import DacModel

from dia.runtime.resources.processor import multiplies_bfloat16
from dia.training.codec.initialization import MINI_CODEC, build_codec
from dia.training.codec.recipe import CodecRecipe
from dia.training.codec.state import check_sizes, read_state, sizes_of
from dia.training.codec.trainer import CodecTrainer, PredictedBatches
from dia.training.mini.speech_batches import heldout_probe, speech_batches

SEGMENT_FRAMES = 16
BATCH = 8
PREDICTED = 3  # excerpts of a batch whose codes the language model predicts, in the decoder stage


def train_codec(
    speech: Path,
    folder: Path,
    recipes: Sequence[CodecRecipe],
    threads: int | None = None,
    start: DacModel | None = None,
    predicted: PredictedBatches | None = None,
) -> DacModel:
    """Run `recipes` in order, from the state in `folder` if there is one; returns the averaged codec.

    Args:
        speech: folder of the corpus.
        folder: for state, log and samples.
        recipes: the stages.
        threads: number of CPU threads, by default torch's choice.
        start: the codec to begin with, in float32; by default a new one.
        predicted: batches of `PREDICTED` excerpts with codes of the language model, for the decoder stage.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    samples = SEGMENT_FRAMES * MINI_CODEC.hop_length
    trainer = CodecTrainer(
        build_codec(MINI_CODEC) if start is None else start,
        lambda drawn: speech_batches(speech, samples, MINI_CODEC.sampling_rate, BATCH, seed=1 + drawn),
        folder,
        heldout_probe(speech, samples, MINI_CODEC.sampling_rate),
        predicted=predicted,
    )
    return trainer.run_all(recipes)


def mini_recipes(joint_minutes: float, decoder_minutes: float, compiled: bool = True) -> list[CodecRecipe]:
    """The three stages of the embedded codec; the second and third are limited by time, not steps.

    The second and third also adapt a trained codec to other speech. Codes change in the second. Convolutions are in
    bfloat16 where the CPU multiplies in it.
    """
    common: dict[str, Any] = {"compiled": compiled, "bf16": multiplies_bfloat16()}
    return [
        CodecRecipe("warmup", 250, 1.5e-3, final_share=1.0, **common),
        CodecRecipe(
            "joint",
            100_000,
            6e-4,
            "muon",
            steadiness=4.0,
            average_decay=0.997,
            seconds=60 * joint_minutes,
            **common,
        ),
        CodecRecipe(
            "decoder",
            100_000,
            6e-4,
            "muon",
            average_decay=0.997,
            discriminator="hinge",
            discriminator_from=0.1,
            seconds=60 * decoder_minutes,
            **common,
        ),
    ]


def load_start(folder: Path) -> DacModel:
    """The codec to begin with, in float32.

    Raises:
        ValueError: it has other sizes than the embedded codec.
    """
    start = DacModel.from_pretrained(folder, dtype=torch.float32)
    if sizes_of(start.config) != sizes_of(MINI_CODEC):
        raise ValueError(f"{folder} has the sizes {sizes_of(start.config)}, not {sizes_of(MINI_CODEC)}.")
    return start


def save_codec(state: Path, destination: Path) -> None:
    """Write the averaged codec from a trainer's folder `state` to `destination`, in fp16, for `from_pretrained`.

    Raises:
        ValueError: `state` contains no codec, or one of other sizes.
    """
    content = read_state(state)
    if content is None:
        raise ValueError(f"state {state} contains no codec. Run python -m dia.training.mini.codec_stages first.")
    codec = DacModel(MINI_CODEC)
    check_sizes(content, MINI_CODEC, codec.state_dict(), state)
    codec.load_state_dict(content["average"])
    codec.half().save_pretrained(destination)


def main() -> None:
    """`python -m dia.training.mini.codec_stages SPEECH FOLDER`; the codec is written to FOLDER/codec at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", type=Path, help="folder of the corpus")
    parser.add_argument("folder", type=Path, help="folder for state, log and samples")
    parser.add_argument("--threads", type=int, help="number of CPU threads (default: chosen by torch)")
    parser.add_argument("--joint-minutes", type=float, default=25, help="minutes of joint training (default: 25)")
    parser.add_argument("--decoder-minutes", type=float, default=60, help="minutes of the decoder alone (default: 60)")
    parser.add_argument("--compiled", action="store_true", help="compile the layers; needs a C++ compiler")
    parser.add_argument(
        "--start", type=Path, help="folder of a codec of the same sizes to adapt (default: start with a new one)"
    )
    arguments = parser.parse_args()
    recipes, start = mini_recipes(arguments.joint_minutes, arguments.decoder_minutes, arguments.compiled), None
    if arguments.start is not None:
        recipes = recipes[1:]
        try:
            start = load_start(arguments.start)
        except ValueError as error:
            parser.error(f"--start: {error}")
    train_codec(arguments.speech, arguments.folder, recipes, arguments.threads, start)
    save_codec(arguments.folder, arguments.folder / "codec")


if __name__ == "__main__":
    main()
