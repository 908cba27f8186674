"""`dia convert`: convert native checkpoints to Hugging Face folders. Parses options; `dia.checkpoints` converts."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dia.checkpoints.source import REAL_CODEC, check_source
from dia.runtime.files.atomic import check_vacant
from dia.runtime.files.locks import exclusive_writer
from dia.runtime.files.reading import check_is_file

_MODEL = f"""examples:
  dia convert model nari-labs/Dia-1.6B dia-1.6b
  dia convert model ./native dia-1.6b --dtype bfloat16
  dia convert model ./native dia-1.6b --codec ./dac_44khz

SRC is a Hub id, or a folder with a config.json of either generation and weights: model.safetensors, sharded or not,
or a .pth file. Without --codec, the processor refers to {REAL_CODEC}, which is downloaded when the
processor is first loaded. With --codec, the codec is copied into DST, which then works offline.
"""
_CODEC = f"""examples:
  dia convert codec weights.pth dac_44khz
  dia convert codec weights.pth dac_44khz --verify

DST is a transformers codec like {REAL_CODEC}: DacModel.from_pretrained("dac_44khz") loads it, and
`dia convert model --codec dac_44khz` copies it into a Dia folder. descript-audio-codec is not required.
"""


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `convert` to the subparsers of `dia`; `notice` is appended to its help."""
    examples = ["examples:", *(text.splitlines()[1] for text in (_MODEL, _CODEC))]
    parser = subparsers.add_parser(
        "convert",
        help="convert native checkpoints to Hugging Face folders",
        description="Convert native checkpoints to Hugging Face folders.",
        epilog="\n".join([*examples, "", notice]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(metavar="kind", required=True)
    _add_model(
        _kind(kinds, "model", "convert a native Nari Labs Dia to a Hugging Face folder", _model, _MODEL, notice)
    )
    summary = "convert a native Descript Audio Codec to a DacModel folder"
    _add_codec(_kind(kinds, "codec", summary, _codec, _CODEC, notice))


def _kind(
    kinds: Any, name: str, summary: str, run: Callable[[argparse.Namespace], int], guide: str, notice: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = kinds.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"{guide}\n{notice}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="native checkpoint: a folder, a weight file or a Hub id")
    parser.add_argument("target", metavar="DST", type=Path, help="folder to write; must not exist, or be empty")
    parser.add_argument("--codec", metavar="FOLDER_OR_ID", help="transformers codec (DacModel) to copy into DST")
    dtypes = ("float32", "bfloat16", "float16")
    parser.add_argument("--dtype", choices=dtypes, help="data type of the weights (default: as in SRC)")
    parser.add_argument("--overwrite", action="store_true", help="replace DST if it exists")


def _add_codec(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC.pth", type=Path, help="native weights: state_dict and metadata")
    parser.add_argument("target", metavar="DST", type=Path, help="folder to write; must not exist, or be empty")
    parser.add_argument("--overwrite", action="store_true", help="replace DST if it exists")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="compare codes and waveform with descript-audio-codec, if it is installed",
    )


def _model(arguments: argparse.Namespace) -> int:
    check_vacant(arguments.target, arguments.overwrite, [arguments.source, arguments.codec])
    if arguments.codec is not None:
        check_source(arguments.codec, "dac")
    if not Path(arguments.source).is_file():
        check_source(arguments.source, "native")
    import torch

    from dia.checkpoints.native.conversion import convert_model

    dtype = None if arguments.dtype is None else getattr(torch, arguments.dtype)
    with exclusive_writer(arguments.target, parents=True):
        convert_model(arguments.source, arguments.target, arguments.codec, dtype, arguments.overwrite)
    print(f"{arguments.target}: converted; DiaForConditionalGeneration and DiaProcessor load it.")
    return 0


def _codec(arguments: argparse.Namespace) -> int:
    check_vacant(arguments.target, arguments.overwrite, [arguments.source])
    check_is_file(arguments.source, "SRC.pth")
    from dia.checkpoints.native.codec_conversion import convert_codec

    with exclusive_writer(arguments.target, parents=True):
        result = convert_codec(arguments.source, arguments.target, arguments.overwrite, arguments.verify)
    print(f"{arguments.target}: {result}")
    return 0


__all__ = ["add_command"]
