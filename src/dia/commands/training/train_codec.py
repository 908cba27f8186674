"""`dia train-codec`: train a codec on recordings. Parses the options; `dia.training.codec.fit` does the work."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia.commands.options.numbers import number_in, training_seed
from dia.commands.training.checks import check_codec, check_data, check_place
from dia.runtime.files.locks import exclusive_writer
from dia.runtime.interruption import exit_code, interrupt_message
from dia.runtime.limits import THREADS

if TYPE_CHECKING:
    from transformers import DacModel

_GUIDE = """examples:
  dia train-codec --data recordings --output my-codec
      train a new 24 kHz codec for one hour; recordings/ holds audio files at any rate, also in subfolders
  dia train-codec --data recordings --output small --rate 16000 --ratios 4,2,10,6 --codebooks 8 --codebook-size 256 \\
      --encoder-width 8 --decoder-width 256 --minutes 90
      train a codec with the sizes of the embedded model's codec
  dia train-codec --data recordings --output better --from descript/dac_44khz --decoder-only --device cuda --bf16
      fine-tune only the decoder: codes, and models trained on them, stay valid
  dia train-codec --data recordings --output mine --from small --discriminator hinge
      fine-tune the whole codec against a discriminator; existing codes become invalid

A new codec is trained in three stages: a short warmup without the quantizer, then all parts together (60 % of the
time) with codebooks initialized by k-means, and finally the decoder alone. Unused codes are replaced. Every hundred
steps the state is saved to --work and a line is added to log.jsonl there: "valid" is the distance on held-out
recordings, "codes_used" the number of codes in use per codebook. Listen to samples/ after about ten minutes.
To continue after an interruption, run the same command again.

The result is a folder for DacModel.from_pretrained, DiaProcessor.for_config(config, codec) and
dia convert model --codec.
"""


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `train-codec` to the subparsers of `dia`; `notice` ends its help."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "train-codec",
        usage="dia train-codec --data SOURCE --output FOLDER [options]",
        help="train a codec on recordings",
        description="Train a new codec on recordings, or fine-tune an existing one.",
        epilog=f"{_GUIDE}\n{notice}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--data", required=True, help="folder of audio files, saved data set, or id of a data set on the Hub"
    )
    parser.add_argument("--output", required=True, type=Path, help="folder for the finished codec")
    parser.add_argument("--work", type=Path, help="folder for the state, log and samples (default: OUTPUT-work)")
    parser.add_argument("--overwrite", action="store_true", help="replace the folder at --output")
    _add_start(parser.add_argument_group("input"))
    _add_sizes(parser.add_argument_group("sizes of a new codec"))
    _add_length(parser.add_argument_group("training"))
    _add_machine(parser.add_argument_group("hardware"))


def _add_start(group: Any) -> None:
    group.add_argument("--from", dest="base", metavar="CODEC", help="folder or Hub id of a codec to fine-tune")
    group.add_argument(
        "--decoder-only", action="store_true", help="with --from: train only the decoder, so that codes stay valid"
    )
    group.add_argument("--audio-column", default="audio", help="column of recordings in a data set (audio)")
    group.add_argument("--split", default="train", help="split of a data set (train)")


def _add_sizes(group: Any) -> None:
    group.add_argument("--rate", type=int, metavar="HZ", help="sampling rate (24000)")
    group.add_argument(
        "--ratios",
        type=_ratios,
        metavar="R,R,...",
        help="downsampling per block; the product is the samples per frame (2,4,5,8)",
    )
    group.add_argument("--codebooks", type=int, metavar="N", help="number of codebooks: codes per frame (8)")
    group.add_argument("--codebook-size", type=int, metavar="N", help="codes per codebook (1024)")
    group.add_argument("--codebook-width", type=int, metavar="N", help="dimensions of a code vector (8)")
    group.add_argument("--encoder-width", type=int, metavar="N", help="channels of the encoder's first block (32)")
    group.add_argument("--decoder-width", type=int, metavar="N", help="channels of the decoder's first block (512)")


def _add_length(group: Any) -> None:
    group.add_argument("--minutes", type=float, default=60.0, help="minutes of training (60)")
    group.add_argument("--steps", type=int, help="stop after this many steps, if that is sooner")
    group.add_argument("--batch-size", type=int, default=8, help="excerpts per step (8)")
    group.add_argument("--segment-seconds", type=float, default=0.5, metavar="S", help="length of an excerpt (0.5)")
    group.add_argument("--learning-rate", type=float, metavar="R", help="default: 1e-3, or 1e-4 with --from")
    group.add_argument(
        "--held-out", type=float, default=0.05, metavar="SHARE", help="share of the recordings to evaluate on (0.05)"
    )
    group.add_argument(
        "--discriminator", choices=("hinge", "least_squares"), help="add the loss of a discriminator of this kind"
    )
    group.add_argument(
        "--discriminator-from",
        type=float,
        default=0.3,
        metavar="SHARE",
        help="use it after this share of a stage (0.3)",
    )
    group.add_argument(
        "--save-every", type=int, default=100, metavar="STEPS", help="steps between two saved states (100)"
    )
    group.add_argument("--seed", type=training_seed, default=0, help="seed of all random choices (0)")


def _add_machine(group: Any) -> None:
    group.add_argument("--device", help="cuda, cpu, ... (default: cuda if available)")
    group.add_argument(
        "--bf16", action="store_true", help="compute the convolutions in bfloat16; faster for wide codecs"
    )
    group.add_argument("--compile", action="store_true", help="compile the convolutions; needs a C++ compiler")
    group.add_argument("--threads", type=number_in(THREADS), metavar="N", help="CPU threads (default: torch's choice)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    _check(arguments)
    from dia.runtime.files.atomic import check_vacant

    check_vacant(arguments.output, arguments.overwrite, [arguments.data, arguments.base])
    check_place(arguments.output, arguments.data)
    work = arguments.work or arguments.output.with_name(f"{arguments.output.name}-work")
    check_place(work, arguments.data, "--work")
    check_data(arguments.data)
    with exclusive_writer(arguments.output, parents=True), exclusive_writer(work, parents=True):
        return _run(arguments, work)


def _run(arguments: argparse.Namespace, work: Path) -> int:
    from dia.training.codec.fit import BatchOptions, fit_codec
    from dia.training.codec.trainer import Diverged
    from dia.training.data.source import read_source

    recipes = _recipes(arguments)
    rows = read_source(arguments.data, audio_column=arguments.audio_column, text_column=None, split=arguments.split)
    codec = _codec(arguments)
    batch_options = BatchOptions(arguments.batch_size, arguments.segment_seconds, arguments.held_out, arguments.seed)
    try:
        trained = fit_codec(codec, rows, recipes, work, arguments.output, batch_options, overwrite=arguments.overwrite)
    except Diverged as error:
        print(f"dia: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"dia: {interrupt_message(interrupt)}. {_describe_state(work)}", file=sys.stderr)
        return exit_code(interrupt)
    print(_describe_result(arguments, trained))
    return 0


def _describe_state(work: Path) -> str:
    from dia.training.codec.state import STATE

    if (work / STATE).is_file():
        return f"To continue from the last state in {work}, run the same command again."
    return "No state was saved yet; the same command starts from the beginning."


def _check(arguments: argparse.Namespace) -> None:
    given = [name for name in _SIZES if getattr(arguments, name) is not None]
    if arguments.base is not None and given:
        raise ValueError(
            f"--{given[0].replace('_', '-')} cannot be used with --from: the sizes of an existing codec are fixed."
        )
    if arguments.decoder_only and arguments.base is None:
        raise ValueError("--decoder-only needs an existing codec. Name it with --from.")
    if arguments.base is not None:
        check_codec(arguments.base)


def _codec(arguments: argparse.Namespace) -> "DacModel":
    import torch
    from transformers import DacModel

    from dia.training.codec.initialization import build_codec, codec_config

    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    try:
        device = torch.device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {arguments.device} cannot be used here: {str(error).splitlines()[0]}") from error
    if arguments.base is not None:
        return DacModel.from_pretrained(arguments.base, dtype=torch.float32).to(device)
    given = {name: getattr(arguments, name) for name in _SIZES if getattr(arguments, name) is not None}
    return build_codec(codec_config(**given), arguments.seed).to(device)


def _recipes(arguments: argparse.Namespace) -> list[Any]:
    from dia.training.codec.recipe import stages_from_nothing, stages_of_tuning

    names = ("discriminator", "discriminator_from", "save_every", "bf16")
    options = {**{name: getattr(arguments, name) for name in names}, "compiled": arguments.compile}
    if arguments.learning_rate is not None:
        options["learning_rate"] = arguments.learning_rate
    if arguments.base is None:
        return stages_from_nothing(arguments.minutes, arguments.steps, **options)
    return stages_of_tuning(arguments.minutes, arguments.steps, arguments.decoder_only, **options)


def _describe_result(arguments: argparse.Namespace, codec: "DacModel") -> str:
    from dia.codec.dac import frame_rate

    config = codec.config
    result = (
        f"{arguments.output}: {codec.num_parameters() / 1e6:.2f} million parameters, {config.sampling_rate} Hz, "
        f"{frame_rate(config):.1f} frames per second, {config.n_codebooks} codebooks of {config.codebook_size} codes"
    )
    if arguments.decoder_only:
        return f"{result}. Codes of {arguments.base} are valid for it, too."
    return f"{result}. Codes of other codecs are not valid for it; encode your data again."


def _ratios(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


_SIZES = ("rate", "ratios", "codebooks", "codebook_size", "codebook_width", "encoder_width", "decoder_width")
