"""The tiny Dia as a folder: model, generation settings, processor and codec, everything `from_pretrained` reads."""

from pathlib import Path

from tiny import tiny_model
from tiny_codec import RATE, tiny_codec, tiny_processor
from transformers import GenerationConfig

HOP = 40


def write_tiny_checkpoint(folder: Path) -> Path:
    """Write it all; greedy search is not the default, and the sampling is sharp enough to speak of something."""
    model = tiny_model()
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=1.2, top_k=20, top_p=0.95, guidance_scale=2.0, max_length=40, closing_tag=False
    )
    model.save_pretrained(folder)
    tiny_processor(tiny_codec((2, 4, 5))).save_pretrained(folder)
    return folder


__all__ = ["HOP", "RATE", "write_tiny_checkpoint"]
