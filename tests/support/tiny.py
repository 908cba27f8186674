"""A Dia of 47 thousand weights and inputs for it, made by hand. Every number differs from the published model's."""

import threading
import time
from typing import Any

import torch
from torch import Tensor

from dia.configuration_dia import DiaConfig
from dia.decoding.delay import delay
from dia.modeling_dia import DiaForConditionalGeneration

EOS, BOS, PAD, VOCABULARY = 64, 65, 67, 69
PATTERN = [0, 2, 3]
CHANNELS = len(PATTERN)
TEXT_LIMIT, ROW_LIMIT = 48, 64


def tiny_config(**changes: Any) -> DiaConfig:
    """Two layers in each half; query, key and cross heads all different in number or width."""
    encoder = {
        "max_position_embeddings": TEXT_LIMIT,
        "num_hidden_layers": 2,
        "hidden_size": 24,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "intermediate_size": 40,
        "initializer_range": 0.3,
    }
    decoder = {
        "max_position_embeddings": ROW_LIMIT,
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "cross_num_attention_heads": 2,
        "cross_num_key_value_heads": 2,
        "cross_head_dim": 32,
        "cross_hidden_size": 24,
        "vocab_size": VOCABULARY,
        "num_channels": CHANNELS,
        "initializer_range": 0.3,
        "eos_token_id": EOS,
        "bos_token_id": BOS,
        "pad_token_id": PAD,
    }
    fields = {"encoder_config": encoder, "decoder_config": decoder, "delay_pattern": list(PATTERN)}
    return DiaConfig(**{**fields, **changes})


def tiny_model(config: DiaConfig | None = None, seed: int = 0) -> DiaForConditionalGeneration:
    """Seeded weights; the same seed gives the same model."""
    torch.manual_seed(seed)
    return DiaForConditionalGeneration(config or tiny_config()).eval()


def texts(*lengths: int) -> dict[str, Tensor]:
    """Random bytes, one text per length, padded on the right: `input_ids` and `attention_mask`, [B, S]."""
    noise = torch.Generator().manual_seed(sum(lengths))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(1, 256, mask.shape, generator=noise) * mask
    return {"input_ids": ids, "attention_mask": mask}


def prompts(*lengths: int, config: DiaConfig | None = None) -> dict[str, Tensor]:
    """Random speech, one prompt per length in frames (0: none), delayed and padded with BOS on the left."""
    pattern, decoder = (config or tiny_config()).delay_pattern, (config or tiny_config()).decoder_config
    noise = torch.Generator().manual_seed(sum(lengths))
    frames = torch.full((len(lengths), max(lengths) + 1, len(pattern)), decoder.bos_token_id)
    mask = torch.ones(len(lengths), max(lengths) + 1 + max(pattern), dtype=torch.long)
    for row, length in enumerate(lengths):
        codes = torch.randint(0, decoder.eos_token_id, (length, len(pattern)), generator=noise)
        frames[row, frames.shape[1] - length :] = codes
        mask[row, : max(lengths) - length] = 0
    grid = delay(frames, pattern, decoder.bos_token_id, decoder.pad_token_id)
    return {"decoder_input_ids": grid, "decoder_attention_mask": mask}


ONE = {**texts(9), **prompts(0)}
BATCH = {**texts(9, 4, 12), **prompts(0, 0, 0)}
PROMPTED = {**texts(12, 7, 10), **prompts(2, 6, 0)}
INPUTS = {"one text": ONE, "padded texts": BATCH, "prompts of unequal length": PROMPTED}


PLAIN = {"max_time": 3600.0}  # settings that ask for the plain loop, which alone watches the time, and nothing else


class Rows:
    """A streamer that keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[Tensor] = []
        self.ended = False

    def put(self, value: Tensor) -> None:
        self.taken.append(value)

    def end(self) -> None:
        self.ended = True


def threads_left(seconds: float = 60.0) -> list[str]:
    """The names of this package's threads that have not ended by themselves after some time."""
    end = time.monotonic() + seconds
    while True:
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("dia.")]
        if not names or time.monotonic() > end:
            return names
        time.sleep(0.002)
