"""Draws ids from scores, detects the end, and holds the published sampling settings. Independent of the model."""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import GenerationConfig

from dia.configuration_dia import DiaConfig
from dia.decoding.noise import exponential

PUBLISHED_SAMPLING = {
    "do_sample": True,
    "guidance_scale": 3.0,
    "max_length": 3072,
    "temperature": 1.2,
    "top_k": 45,
    "top_p": 0.95,
}


def published_generation_config(config: DiaConfig) -> GenerationConfig:
    """The published sampling settings of Dia-1.6B, for checkpoints without a generation_config.json."""
    decoder = config.get_text_config()
    return GenerationConfig(
        **PUBLISHED_SAMPLING,
        bos_token_id=decoder.bos_token_id,
        decoder_start_token_id=decoder.bos_token_id,
        eos_token_id=decoder.eos_token_id,
        pad_token_id=decoder.pad_token_id,
    )


def token_chooser(keys: Tensor | None) -> Callable[[Tensor, int], Tensor]:
    """A function that chooses ids from scores [B · C, V] and the number of rows drawn before.

    Args:
        keys: draws ids with the noise of these clips, int64 [B]; None takes the highest score.
    """
    if keys is None:
        return lambda scores, row: scores.argmax(-1)

    def drawn(scores: Tensor, row: int) -> Tensor:
        likely = scores.softmax(-1).unflatten(0, (len(keys), -1))  # [B, C, V]
        ids = torch.arange(likely.shape[-1], device=likely.device).expand_as(likely)
        # The argmax of p / exponential noise is a draw from p. Unlike multinomial() it does not wait for the device.
        return (likely / exponential(keys, row, ids, likely.shape[-1])).argmax(-1).flatten()

    return drawn


class EndFlag:
    """Reports whether all channels have ended, without blocking the device. On CUDA each result is one call late.

    The delay is always exactly one call, independent of timing.
    """

    def __init__(self, device: torch.device) -> None:
        self._late = device.type == "cuda"
        self._pending: tuple[torch.cuda.Event, Tensor] | None = None

    def __call__(self, ended: Tensor) -> bool:
        if not self._late:
            return bool(ended.all())
        previous, self._pending = self._pending, self._start_copy(ended)
        if previous is None:
            return False
        event, all_ended = previous
        event.synchronize()  # waits for the rows up to the previous call; the device is busy with later rows
        return bool(all_ended)

    def _start_copy(self, ended: Tensor) -> tuple[torch.cuda.Event, Tensor]:
        # Copies to the host are asynchronous only into pinned memory.
        all_ended = torch.empty((), dtype=torch.bool, pin_memory=True).copy_(ended.all(), non_blocking=True)
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(ended.device))
        return event, all_ended


__all__ = ["EndFlag", "published_generation_config", "token_chooser"]
