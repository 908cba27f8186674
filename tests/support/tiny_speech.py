"""A tiny Dia that speaks, and does not mind what: model, processor and codec as a `Synthesizer`."""

from pathlib import Path
from typing import Any

from tiny import EOS, tiny_config, tiny_model
from tiny_codec import tiny_codec, tiny_processor
from transformers import GenerationConfig

from dia.synthesis.synthesizer import Synthesizer
from dia.tokenization_dia import DiaTokenizer

ROOM, ROWS = 400, 1600  # text ids; rows of the grid, 8 s


def tiny_speech(ends: float = 2.5, **settings: Any) -> Synthesizer:
    """A speaker that ends on its own (`ends=0`: never), with room for a dialogue.

    Args:
        ends: how loud the end is among the logits.
        **settings: of its generation_config.
    """
    config = tiny_config()
    config.encoder_config.max_position_embeddings, config.decoder_config.max_position_embeddings = ROOM, ROWS
    model = tiny_model(config)
    model.logits_dense.weight.data[EOS] *= ends
    sampling = {"do_sample": True, "temperature": 1.2, "top_k": 20, "max_length": 40, "closing_tag": False}
    model.generation_config = GenerationConfig(**{**sampling, **settings})
    processor = tiny_processor(tiny_codec((2, 4, 5)))
    processor.tokenizer = DiaTokenizer(max_length=ROOM)
    return Synthesizer(model, processor)


def saved_tiny_speech(folder: Path) -> str:
    """Save a tiny Dia that speaks long scripts in several parts; returns the folder for `--model`."""
    synthesizer = tiny_speech(pass_seconds=5.0)
    synthesizer.model.save_pretrained(folder)
    synthesizer.processor.save_pretrained(folder)
    return str(folder)
