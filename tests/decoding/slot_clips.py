"""Clips for a step: arguments of `generate` with texts, prompts and settings that all differ."""

from typing import Any

import torch
from tiny import prompts, texts

SAMPLED = {"do_sample": True}
GUIDED = {"do_sample": True, "guidance_scale": 3.0, "temperature": 0.8, "top_k": 30, "top_p": 0.8}
CLIPS = [
    (texts(9), prompts(0), SAMPLED),
    (texts(4), prompts(3), GUIDED),
    (texts(12), prompts(0), {**GUIDED, "temperature": 1.4, "guidance_scale": 1.5}),
    (texts(30), prompts(8), {"guidance_scale": 2.0}),
    (texts(7), prompts(1), {**SAMPLED, "top_k": 5, "max_new_tokens": 9}),
    (texts(1), prompts(0), {**SAMPLED, "top_p": 0.5}),
    (texts(21), prompts(5), GUIDED),
]


def arguments(number: int) -> dict[str, Any]:
    """The arguments for one of the clips, with a generator of its own."""
    text, prompt, sampling = CLIPS[number]
    generator = torch.Generator().manual_seed(number)
    return {**text, **prompt, "max_new_tokens": 25, **sampling, "generator": generator}
