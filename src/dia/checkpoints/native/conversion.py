"""Converts a native Nari Labs checkpoint to a complete Hugging Face folder."""

from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import DacModel

from dia.checkpoints.native import checkpoint as native
from dia.checkpoints.source import REAL_CODEC
from dia.configuration_dia import DiaConfig, DiaDecoderConfig
from dia.decoding.sampling import published_generation_config
from dia.modeling_dia import DiaForConditionalGeneration
from dia.processing_dia import DiaProcessor
from dia.runtime.files.atomic import atomic_folder, check_vacant


def convert_model(
    source: str | Path,
    target: Path,
    codec: str | Path | None = None,
    dtype: torch.dtype | None = None,
    overwrite: bool = False,
) -> None:
    """Convert a checkpoint. `target` is written atomically.

    Args:
        source: a native checkpoint: a folder, a weight file next to its config.json, or a Hub id.
        target: the folder to write.
        codec: folder or Hub id of a codec to copy into the folder; by default the folder refers to the published codec
            by name, without downloading it.
        dtype: dtype of the written weights; by default as in `source`.
        overwrite: replace `target` if it exists.

    Raises:
        ValueError: `source` cannot be converted, `codec` does not match it, or `target` exists.
    """
    check_vacant(target, overwrite, [source, codec])
    checkpoint = find_source(source)
    config = checkpoint.config()
    audio = _load_codec(codec, config)
    bar = partial(tqdm, desc="converting", unit="tensor", disable=None)
    with atomic_folder(target, overwrite) as folder:
        _save_model(config, checkpoint.state_dict(dtype, bar), folder)
        _save_processor(config, audio, folder)


def find_source(source: str | Path) -> native.NativeCheckpoint:
    """Find the native checkpoint in a folder, a weight file or a Hub id. Raises ValueError if there is none."""
    path = Path(source)
    if path.is_file():
        return native.NativeCheckpoint(path.parent / "config.json", (path,))
    if not path.exists() and (path.is_absolute() or str(source).startswith(".")):
        raise ValueError(f"{source} does not exist.")
    try:
        checkpoint = native.locate(source, prefer_native=True)
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{source} is not a local folder and cannot be loaded from the Hub: {reason}") from error
    if checkpoint is None:
        raise ValueError(
            f"{source} is not a native Dia checkpoint; if it is in the Hugging Face layout, it needs no conversion."
        )
    return checkpoint


def _load_codec(codec: str | Path | None, config: DiaConfig) -> DacModel | None:
    """The codec to copy into the folder, or None to refer to the published one.

    Raises:
        ValueError: its codebooks do not match the model's channels and codes.
    """
    model = DacModel.from_pretrained(codec) if codec is not None else None
    published = DiaDecoderConfig()
    has = (published.num_channels, published.eos_token_id)
    if model is not None:
        has = (model.config.n_codebooks, model.config.codebook_size)
    decoder = config.get_text_config()
    if has != (decoder.num_channels, decoder.eos_token_id):
        raise ValueError(
            f"codec {codec or REAL_CODEC} has {has[0]} codebooks of {has[1]} codes, but the model has "
            f"{decoder.num_channels} channels of {decoder.eos_token_id}; pass the codec of the model (--codec)."
        )
    return model


def _save_model(config: DiaConfig, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Save weights in shards of at most 5 GB, config.json, and the published sampling as generation_config.json."""
    with torch.device("meta"):
        model = DiaForConditionalGeneration(config)
    model.load_state_dict(weights, assign=True)
    model.generation_config = published_generation_config(config)
    model.save_pretrained(folder, max_shard_size="5GB")


def _save_processor(config: DiaConfig, codec: DacModel | None, folder: Path) -> None:
    """Save the processor, with the codec in its folder or a reference to the published one."""
    processor = DiaProcessor.for_config(config, codec)
    processor.save_pretrained(folder, audio_tokenizer_reference=REAL_CODEC if codec is None else None)


__all__ = ["convert_model", "find_source"]
