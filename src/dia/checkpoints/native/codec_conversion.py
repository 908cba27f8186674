"""Converts a native Descript Audio Codec checkpoint to a `DacModel` folder."""

from pathlib import Path
from typing import Any

import torch
from transformers import DacFeatureExtractor, DacModel

from dia.checkpoints.native import dac as native_dac
from dia.runtime.files.atomic import atomic_folder, check_vacant


def convert_codec(source: Path, target: Path, overwrite: bool = False, verify: bool = False) -> str:
    """Convert a codec. `target` is written atomically.

    Args:
        source: native weights, a .pth file with `state_dict` and `metadata`.
        target: the folder to write.
        overwrite: replace `target` if it exists.
        verify: compare codes and waveform with descript-audio-codec, if it is installed.

    Returns:
        The result of verification, if requested, and a description of the codec, one line each.

    Raises:
        ValueError: `source` cannot be converted, `target` exists, or verification found a difference.
    """
    check_vacant(target, overwrite, [source])
    config, weights = native_dac.read(source)
    with torch.device("meta"):
        model = DacModel(config)
    model.load_state_dict(weights, assign=True)
    model.eval()
    found = [check_against_native(source, model)] if verify else []
    with atomic_folder(target, overwrite) as folder:
        model.save_pretrained(folder)
        extractor = DacFeatureExtractor(sampling_rate=config.sampling_rate, hop_length=config.hop_length)
        extractor.save_pretrained(folder)
    about = f"{config.sampling_rate} Hz, {config.hop_length} samples per frame, {config.n_codebooks} codebooks"
    return "\n".join([*found, about])


@torch.inference_mode()
def check_against_native(source: Path, model: DacModel, seconds: float = 1.0, tolerance: float = 1e-4) -> str:
    """Encode and decode seeded noise with both implementations.

    Returns:
        One line with the differences, or that descript-audio-codec cannot be imported.

    Raises:
        ValueError: codes differ, or samples differ by more than `tolerance`.
    """
    native = _native_model(source)
    if native is None:
        return "not verified: descript-audio-codec cannot be imported (pip install descript-audio-codec)."
    hop = model.config.hop_length
    frames = max(1, round(seconds * model.config.sampling_rate / hop))
    noise = 0.1 * torch.randn(1, 1, frames * hop, generator=torch.Generator().manual_seed(0))
    quantized, native_codes, *_ = native.encode(noise)
    codes = model.encode(noise).audio_codes
    agreement = (codes == native_codes).float().mean().item()
    waveform = model.decode(audio_codes=native_codes).audio_values
    difference = (waveform - native.decode(quantized).squeeze(1)).abs().max().item()
    found = f"{agreement:.2%} of codes are equal, samples differ by at most {difference:.1e}"
    if agreement < 1 or difference > tolerance:
        raise ValueError(f"the converted codec differs from the native one: {found}. Nothing was written.")
    return f"verified against descript-audio-codec: {found}."


def _native_model(source: Path) -> Any | None:
    """Descript's model with the same weights, built without unpickling, or None if it is not installed."""
    try:
        import dac  # type: ignore[import-not-found]
    except ImportError:
        return None
    weights, kwargs = native_dac.read_native(source)
    model = dac.DAC(**{name: value for name, value in kwargs.items() if value is not None})
    model.load_state_dict(weights)
    return model.eval()


__all__ = ["check_against_native", "convert_codec"]
