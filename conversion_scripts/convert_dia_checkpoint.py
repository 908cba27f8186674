"""Converts a native Nari Labs Dia into a complete Hugging Face folder, see `dia.checkpoints.native`."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import DacModel

from dia.checkpoints import native
from dia.configuration_dia import DiaConfig, DiaDecoderConfig
from dia.decoding.sampling import published_generation_config
from dia.model import REAL_CODEC
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.runtime.atomic import atomic_folder, check_vacant

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

EXAMPLES = f"""\
examples:
  python conversion_scripts/convert_dia_checkpoint.py nari-labs/Dia-1.6B dia-1.6b
  python conversion_scripts/convert_dia_checkpoint.py ./native dia-1.6b --dtype bfloat16
  python conversion_scripts/convert_dia_checkpoint.py ./native dia-1.6b --codec ./dac_44khz

SRC is a Hub id, or a folder with config.json (either generation) and model.safetensors, sharded or not, or a .pth.
Without --codec the processor names {REAL_CODEC}, fetched when it is first loaded; nothing is downloaded now if
SRC is a folder. With --codec the codec lies inside DST, which then works without a network.

Dia speaks with any voice it is given. Do not imitate real people without their permission, do not deceive, do nothing
illegal or harmful with it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 converted, 2 refused with one line on stderr, 130 interrupted."""
    options = parser().parse_args(arguments)
    try:
        dtype = DTYPES.get(options.dtype)
        convert(options.source, options.target, options.codec, dtype, options.overwrite)
    except (ValueError, OSError) as error:
        print(f"error: {_first_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    print(f"{options.target}: converted; DiaForConditionalGeneration and DiaProcessor load it.")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    described = argparse.ArgumentParser(
        prog="convert_dia_checkpoint.py",
        description="Turn a native Nari Labs Dia checkpoint into a complete Hugging Face folder.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    described.add_argument("source", metavar="SRC", help="native checkpoint: a folder, a weight file or a Hub id")
    described.add_argument("target", metavar="DST", type=Path, help="folder to write; must not exist or be empty")
    described.add_argument("--codec", metavar="FOLDER_OR_ID", help="transformers codec (DacModel) to put inside DST")
    described.add_argument("--dtype", choices=list(DTYPES), help="of the written weights; as in SRC by default")
    described.add_argument("--overwrite", action="store_true", help="replace DST if it is there")
    return described


def convert(
    source: str | Path,
    target: Path,
    codec: str | Path | None = None,
    dtype: torch.dtype | None = None,
    overwrite: bool = False,
) -> None:
    """Write `target` whole or not at all.

    Raises:
        ValueError: `source` cannot be converted, `codec` does not fit it, or `target` is occupied.
    """
    check_vacant(target, overwrite)
    if Path(source).exists() and target.resolve() in (Path(source).resolve(), *Path(source).resolve().parents):
        raise ValueError(f"{target} holds the source; name another folder.")
    checkpoint = find_source(source)
    config = checkpoint.config()
    audio = load_codec(codec, config)
    bar = partial(tqdm, desc="converting", unit="tensor")
    with atomic_folder(target, overwrite) as folder:
        save_model(config, checkpoint.state_dict(dtype, bar), folder)
        save_processor(config, audio, folder)


def find_source(source: str | Path) -> native.NativeCheckpoint:
    """A folder, a weight file beside its config.json, or a Hub id. Raises ValueError if nothing native is there."""
    path = Path(source)
    if path.is_file():
        return native.NativeCheckpoint(path.parent / "config.json", (path,))
    if not path.exists() and (path.is_absolute() or str(source).startswith(".")):
        raise ValueError(f"{source} does not exist.")
    try:
        checkpoint = native.locate(source, prefer_native=True)
    except OSError as error:
        raise ValueError(
            f"{source} is no local folder and cannot be had from the Hub: {_first_line(error)}"
        ) from error
    if checkpoint is None:
        raise ValueError(
            f"{source} holds no native Dia checkpoint; if it is in the Hugging Face layout, use it as it is."
        )
    return checkpoint


def load_codec(codec: str | Path | None, config: DiaConfig) -> DacModel | None:
    """The codec to put inside, None to name the published one.

    Raises:
        ValueError: its codebooks are not the model's channels and codes.
    """
    model = DacModel.from_pretrained(codec) if codec is not None else None
    published = DiaDecoderConfig()
    has = (published.num_channels, published.eos_token_id)
    if model is not None:
        has = (model.config.n_codebooks, model.config.codebook_size)
    decoder = config.get_text_config()
    if has != (decoder.num_channels, decoder.eos_token_id):
        raise ValueError(
            f"codec {codec or REAL_CODEC} has {has[0]} codebooks of {has[1]} codes, this Dia {decoder.num_channels} "
            f"channels of {decoder.eos_token_id}; give the codec it was trained with (--codec)."
        )
    return model


def save_model(config: DiaConfig, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Weights in shards of at most 5 GB, config.json, and the published sampling as generation_config.json."""
    with torch.device("meta"):
        model = DiaForConditionalGeneration(config)
    model.load_state_dict(weights, assign=True)
    model.generation_config = published_generation_config(config)
    model.save_pretrained(folder, max_shard_size="5GB")


def save_processor(config: DiaConfig, codec: DacModel | None, folder: Path) -> None:
    """Tokenizer, feature extractor and processor; the codec inside, or else the published one by name."""
    processor = DiaProcessor.for_config(config, codec)
    processor.save_pretrained(folder, audio_tokenizer_reference=REAL_CODEC if codec is None else None)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
