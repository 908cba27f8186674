"""How ids are drawn from scores, how the end is noticed, and the published settings. Knows nothing of the model."""

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
    """The sampling that Dia-1.6B was published with, for checkpoints that bring no generation_config.json."""
    decoder = config.get_text_config()
    return GenerationConfig(
        **PUBLISHED_SAMPLING,
        bos_token_id=decoder.bos_token_id,
        decoder_start_token_id=decoder.bos_token_id,
        eos_token_id=decoder.eos_token_id,
        pad_token_id=decoder.pad_token_id,
    )


def drawer(sample: bool, generator: Generators, clips: int) -> Callable[[Tensor], Tensor]:
    """How an id is chosen from scores [B · C, V], decided once before the loop.

    Args:
        sample: draw; else take the highest score.
        generator: one source of randomness for all clips, or a list of one per clip.
        clips: B.

    Raises:
        ValueError: `generator` is neither.
    """
    if not sample:
        return lambda scores: scores.argmax(-1)
    noise = noise_source(generator, clips)
    # The largest of p / exponential noise is a draw from p; unlike multinomial() it never asks the host.
    return lambda scores: (scores.softmax(-1) / noise(torch.empty_like(scores))).argmax(-1)


def noise_source(generator: Generators, clips: int) -> Callable[[Tensor], Tensor]:
    """How a tensor [B · C, V] is filled with exponential noise, each clip's part by its own generator if it has one.

    Raises:
        ValueError: `generator` is neither one source of randomness nor a list of one per clip.
    """
    if generator is None or isinstance(generator, torch.Generator):
        generators: list[torch.Generator | None] = [generator]
    else:
        generators = list(generator)
    known = all(one is None or isinstance(one, torch.Generator) for one in generators)
    if not known or len(generators) not in (1, clips):
        raise ValueError(f"`generator` must be one torch.Generator or a list of {clips}, one per returned clip.")

    def fill(noise: Tensor) -> Tensor:
        for part, one in zip(noise.chunk(len(generators)), generators, strict=True):
            if one is None or one.device.type == part.device.type:
                part.exponential_(generator=one)
            else:
                part.copy_(part.new_empty(part.shape, device=one.device).exponential_(generator=one))
        return noise

    return fill


class EndFlag:
    """Tells when every channel has ended without stalling the device: on CUDA each answer comes one call late.

    Never sooner or later, whatever the speed of host and device: equal calls then draw equally much noise.
    """

    def __init__(self, device: torch.device) -> None:
        self._late = device.type == "cuda"
        self._asked: tuple[torch.cuda.Event, Tensor] | None = None

    def __call__(self, ended: Tensor) -> bool:
        if not self._late:
            return bool(ended.all())
        before, self._asked = self._asked, self._ask(ended)
        if before is None:
            return False
        event, answer = before
        event.synchronize()  # waits for the rows before the last call, while those since then keep the device busy
        return bool(answer)

    def _ask(self, ended: Tensor) -> tuple[torch.cuda.Event, Tensor]:
        # Only into pinned memory does a copy to the host not wait.
        answer = torch.empty((), dtype=torch.bool, pin_memory=True).copy_(ended.all(), non_blocking=True)
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(ended.device))
        return event, answer


__all__ = ["EndFlag", "Generators", "drawer", "noise_source", "published_generation_config"]
