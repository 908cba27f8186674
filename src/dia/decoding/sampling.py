"""Draws ids from scores, detects the end, and holds the published sampling settings. Independent of the model."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import GenerationConfig

from dia.configuration_dia import DiaConfig

Generators = torch.Generator | Sequence[torch.Generator | None] | None

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


def token_chooser(sample: bool, generator: Generators, clips: int) -> Callable[[Tensor], Tensor]:
    """A function that chooses ids from scores [B · C, V].

    Args:
        sample: draw ids; otherwise take the highest score.
        generator: one generator for all clips, or a list with one per clip.
        clips: B.

    Raises:
        ValueError: `generator` has an invalid type or length.
    """
    if not sample:
        return lambda scores: scores.argmax(-1)
    noise = noise_source(generator, clips)
    # The argmax of p / exponential noise is a draw from p. Unlike multinomial() it does not synchronize with the host.
    return lambda scores: (scores.softmax(-1) / noise(torch.empty_like(scores))).argmax(-1)


def noise_source(generator: Generators, clips: int) -> Callable[[Tensor], Tensor]:
    """A function that fills a tensor [B · C, V] with exponential noise, with each clip's own generator if it has one.

    Raises:
        ValueError: `generator` is neither a generator nor a list with one per clip.
    """
    if generator is None or isinstance(generator, torch.Generator):
        generators: list[torch.Generator | None] = [generator]
    else:
        generators = list(generator)
    known = all(one is None or isinstance(one, torch.Generator) for one in generators)
    if not known or len(generators) not in (1, clips):
        raise ValueError(f"`generator` must be a torch.Generator or a list of {clips}, one per returned clip.")

    def fill(noise: Tensor) -> Tensor:
        for part, one in zip(noise.chunk(len(generators)), generators, strict=True):
            if one is None or one.device.type == part.device.type:
                part.exponential_(generator=one)
            else:
                part.copy_(part.new_empty(part.shape, device=one.device).exponential_(generator=one))
        return noise

    return fill


class EndFlag:
    """Reports whether all channels have ended, without blocking the device. On CUDA each result is one call late.

    The delay is always exactly one call, independent of timing, so that equal calls draw the same amount of noise.
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


__all__ = ["EndFlag", "Generators", "noise_source", "published_generation_config", "token_chooser"]
