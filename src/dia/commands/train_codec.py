"""`dia train-codec`: a codec from recordings. Knows arguments and what to print; `codec_fitting` does the work."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia.commands.numbers import count, training_seed
from dia.commands.train_checks import check_codec, check_data, check_place
from dia.runtime.interruption import described, exit_code
from dia.runtime.locks import only_writer

if TYPE_CHECKING:
    from transformers import DacModel

_GUIDE = """examples:
  dia train-codec --data recordings --output my-codec
      a codec for 24 kHz from nothing, one hour; recordings/ holds sound files of any rate, in any subfolders
  dia train-codec --data recordings --output small --rate 16000 --ratios 4,2,10,6 --codebooks 8 --codebook-size 256 \\
      --encoder-width 8 --decoder-width 256 --minutes 90
      the sizes of the codec in the embedded model
  dia train-codec --data recordings --output better --from descript/dac_44khz --decoder-only --device cuda --bf16
      teach only the decoder: codes, and models trained on them, stay valid
  dia train-codec --data recordings --output mine --from small --discriminator hinge
      teach all of it further, against a discriminator; codes have to be made anew

What happens, in order: the codec learns without its quantiser for a moment, k-means places the codebooks, then all of
it learns together (three fifths of the time) and at last the decoder alone. Codes that nobody uses are moved to where
they are needed. Every hundred steps the state is saved to --work, with a line in log.jsonl: "valid" is the distance
on held-out recordings, "codes_used" tells whether codebooks live. Listen to samples/ there after ten minutes.
Run the same command again to go on after an interruption.

The result is a folder for DacModel.from_pretrained; DiaProcessor.for_config(config, codec) takes it, and
dia convert model --codec.
"""


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `train-codec` to the subparsers of `dia`; `notice` ends its help."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "train-codec",
        usage="dia train-codec --data SOURCE --output FOLDER [options]",
        help="train a codec on recordings",
        description="Train a codec on recordings, from nothing or from one that is there.",
        epilog=f"{_GUIDE}\n{notice}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("--data", required=True, help="folder of sound files, saved data set, or data set of the Hub")
    parser.add_argument("--output", required=True, type=Path, help="folder for the finished codec")
    parser.add_argument("--work", type=Path, help="folder for states, log and samples (default: OUTPUT-work)")
    parser.add_argument("--overwrite", action="store_true", help="replace what stands at --output")
    _add_start(parser.add_argument_group("where it starts"))
    _add_sizes(parser.add_argument_group("sizes of a codec from nothing"))
    _add_length(parser.add_argument_group("how it learns"))
    _add_machine(parser.add_argument_group("where it runs"))


def _add_start(group: Any) -> None:
    group.add_argument("--from", dest="base", metavar="CODEC", help="folder or Hub id of a codec to teach further")
    group.add_argument("--decoder-only", action="store_true", help="with --from: leave its codes as they are")
    group.add_argument("--audio-column", default="audio", help="column of recordings in a data set")
    group.add_argument("--split", default="train", help="split of a data set")


def _add_sizes(group: Any) -> None:
    group.add_argument("--rate", type=int, metavar="HZ", help="sampling rate (24000)")
    group.add_argument(
        "--ratios", type=_ratios, metavar="R,R,...", help="their product is a frame in samples (2,4,5,8)"
    )
    group.add_argument("--codebooks", type=int, metavar="N", help="codes in a frame (8)")
    group.add_argument("--codebook-size", type=int, metavar="N", help="codes in a codebook (1024)")
    group.add_argument("--codebook-width", type=int, metavar="N", help="numbers in a code's vector (8)")
    group.add_argument("--encoder-width", type=int, metavar="N", help="channels where the encoder starts (32)")
    group.add_argument("--decoder-width", type=int, metavar="N", help="channels where the decoder starts (512)")


def _add_length(group: Any) -> None:
    group.add_argument("--minutes", type=float, default=60.0, help="of training (60)")
    group.add_argument("--steps", type=int, help="end after so many steps, if that is sooner")
    group.add_argument("--batch-size", type=int, default=8, help="stretches of sound in a step (8)")
    group.add_argument("--segment-seconds", type=float, default=0.5, metavar="S", help="length of a stretch (0.5)")
    group.add_argument("--learning-rate", type=float, metavar="R", help="(1e-3; with --from 1e-4)")
    group.add_argument("--held-out", type=float, default=0.05, metavar="SHARE", help="of the recordings (0.05)")
    group.add_argument("--discriminator", choices=("hinge", "least_squares"), help="learn against a listener, too")
    group.add_argument(
        "--discriminator-from", type=float, default=0.3, metavar="SHARE", help="from which share of a stage on (0.3)"
    )
    group.add_argument("--save-every", type=int, default=100, metavar="STEPS", help="(100)")
    group.add_argument("--seed", type=training_seed, default=0, help="(0)")


def _add_machine(group: Any) -> None:
    group.add_argument("--device", help="cuda, cpu, ... (default: cuda where it is)")
    group.add_argument("--bf16", action="store_true", help="16-bit arithmetic in the convolutions; wide codecs gain")
    group.add_argument("--compile", action="store_true", help="compile the convolutions; needs a C++ compiler")
    group.add_argument("--threads", type=count, metavar="N", help="of the CPU (default: as torch finds)")


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments say; returns the exit code."""
    _check(arguments)
    work = arguments.work or arguments.output.with_name(f"{arguments.output.name}-work")
    from dia.runtime.atomic import check_vacant

    check_vacant(arguments.output, arguments.overwrite)
    check_place(arguments.output, arguments.data)
    check_place(work, arguments.data, "--work")
    check_data(arguments.data)
    with only_writer(arguments.output, parents=True), only_writer(work, parents=True):
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
        print(f"dia: {described(interrupt)}. {_describe_state(work)}", file=sys.stderr)
        return exit_code(interrupt)
    print(_describe_result(arguments, trained))
    return 0


def _describe_state(work: Path) -> str:
    from dia.training.codec.state import STATE

    if (work / STATE).is_file():
        return f"The same command continues from the last state in {work}."
    return "No state was saved yet; the same command begins anew."


def _check(arguments: argparse.Namespace) -> None:
    given = [name for name in _SIZES if getattr(arguments, name) is not None]
    if arguments.base is not None and given:
        raise ValueError(f"--{given[0].replace('_', '-')} and --from exclude each other: a codec keeps its sizes.")
    if arguments.decoder_only and arguments.base is None:
        raise ValueError("--decoder-only needs a codec whose codes are kept; name it with --from.")
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
        f"{frame_rate(config):.1f} frames a second of {config.n_codebooks} codes out of {config.codebook_size}"
    )
    if arguments.decoder_only:
        return f"{result}. Codes of {arguments.base} are codes of this one, too."
    return f"{result}. Codes of any other codec mean nothing to it; encode your data anew."


def _ratios(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


_SIZES = ("rate", "ratios", "codebooks", "codebook_size", "codebook_width", "encoder_width", "decoder_width")
