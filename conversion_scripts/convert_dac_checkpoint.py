"""Converts a native Descript Audio Codec .pth into a `DacModel` folder, see `dia.checkpoints.native_dac`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import DacFeatureExtractor, DacModel

from dia.checkpoints import native_dac
from dia.runtime.atomic import atomic_folder, check_vacant

EXAMPLES = """\
examples:
  python conversion_scripts/convert_dac_checkpoint.py weights.pth dac_44khz
  python conversion_scripts/convert_dac_checkpoint.py weights.pth dac_44khz --verify

The folder is a transformers codec, as descript/dac_44khz is: DacModel.from_pretrained("dac_44khz") reads it, and
convert_dia_checkpoint.py --codec dac_44khz puts it inside a Dia. descript-audio-codec need not be installed.

A codec takes part in cloning voices. Use only voices whose owners agreed, and never to deceive.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 converted, 2 refused with one line on stderr, 130 interrupted."""
    options = parser().parse_args(arguments)
    try:
        convert(options.source, options.target, options.overwrite, options.verify)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    described = argparse.ArgumentParser(
        prog="convert_dac_checkpoint.py",
        description="Turn a native Descript Audio Codec checkpoint into a transformers DacModel folder.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    described.add_argument("source", metavar="SRC.pth", type=Path, help="native weights: state_dict and metadata")
    described.add_argument("target", metavar="DST", type=Path, help="folder to write; must not exist or be empty")
    described.add_argument("--overwrite", action="store_true", help="replace DST if it is there")
    described.add_argument(
        "--verify", action="store_true", help="compare codes and waveform with descript-audio-codec, if installed"
    )
    return described


def convert(source: Path, target: Path, overwrite: bool = False, verify: bool = False) -> None:
    """Write `target` whole or not at all.

    Raises:
        ValueError: `source` cannot be converted, `target` is occupied, or verification found a difference.
    """
    check_vacant(target, overwrite)
    config, weights = native_dac.read(source)
    with torch.device("meta"):
        model = DacModel(config)
    model.load_state_dict(weights, assign=True)
    model.eval()
    if verify:
        print(check_against_native(source, model))
    with atomic_folder(target, overwrite) as folder:
        model.save_pretrained(folder)
        extractor = DacFeatureExtractor(sampling_rate=config.sampling_rate, hop_length=config.hop_length)
        extractor.save_pretrained(folder)
    print(f"{target}: {config.sampling_rate} Hz, {config.hop_length} samples a frame, {config.n_codebooks} codebooks")


@torch.inference_mode()
def check_against_native(source: Path, model: DacModel, seconds: float = 1.0, tolerance: float = 1e-4) -> str:
    """Encode and decode seeded noise with both implementations.

    Returns:
        One line saying how near they are, or that descript-audio-codec cannot be imported.

    Raises:
        ValueError: codes differ, or samples by more than `tolerance`.
    """
    native = _native_model(source)
    if native is None:
        return "not verified: descript-audio-codec cannot be imported here (pip install descript-audio-codec)."
    hop = model.config.hop_length
    frames = max(1, round(seconds * model.config.sampling_rate / hop))
    noise = 0.1 * torch.randn(1, 1, frames * hop, generator=torch.Generator().manual_seed(0))
    quantised, native_codes, *_ = native.encode(noise)
    codes = model.encode(noise).audio_codes
    agreement = (codes == native_codes).float().mean().item()
    waveform = model.decode(audio_codes=native_codes).audio_values
    difference = (waveform - native.decode(quantised).squeeze(1)).abs().max().item()
    found = f"codes agree in {agreement:.2%}, samples within {difference:.1e}"
    if agreement < 1 or difference > tolerance:
        raise ValueError(f"the converted codec differs from the native one: {found}. Nothing was written.")
    return f"verified against descript-audio-codec: {found}."


def _native_model(source: Path) -> Any | None:
    """Descript's own model with the same weights, built from tensors rather than unpickled; None if not installed."""
    try:
        import dac  # type: ignore[import-not-found]
    except ImportError:
        return None
    weights, kwargs = native_dac.read_native(source)
    model = dac.DAC(**{name: value for name, value in kwargs.items() if value is not None})
    model.load_state_dict(weights)
    return model.eval()


if __name__ == "__main__":
    sys.exit(main())
