"""The tiny Dia as a folder: model, generation settings, processor and codec, everything `from_pretrained` reads."""

from pathlib import Path

import torch
from tiny import BOS, CHANNELS, EOS, PAD, PATTERN, TEXT_LIMIT, tiny_model
from transformers import DacConfig, DacModel, GenerationConfig

from dia import DiaFeatureExtractor, DiaProcessor, DiaTokenizer

RATE, HOP = 8000, 40


def tiny_codec() -> DacModel:
    """A seeded DacModel that fits the tiny model."""
    torch.manual_seed(1)
    config = DacConfig(
        encoder_hidden_size=4,
        downsampling_ratios=[2, 4, 5],
        decoder_hidden_size=16,
        upsampling_ratios=[5, 4, 2],
        n_codebooks=CHANNELS,
        codebook_size=EOS,
        codebook_dim=4,
        hidden_size=32,
        sampling_rate=RATE,
    )
    return DacModel(config).eval()


def tiny_processor(codec: DacModel | None = None) -> DiaProcessor:
    """Reads and writes for the tiny model."""
    extractor = DiaFeatureExtractor(sampling_rate=RATE, hop_length=HOP)
    tokenizer = DiaTokenizer(max_length=TEXT_LIMIT)
    codec = tiny_codec() if codec is None else codec
    return DiaProcessor(extractor, tokenizer, codec, PATTERN, bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD)


def write_tiny_checkpoint(folder: Path) -> Path:
    """Write it all; greedy search is not the default, and the sampling is sharp enough to speak of something."""
    model = tiny_model()
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=1.2, top_k=20, top_p=0.95, guidance_scale=2.0, max_length=40
    )
    model.save_pretrained(folder)
    tiny_processor().save_pretrained(folder)
    return folder
