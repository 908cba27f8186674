"""A codec that trains in a second, and tones to train it on."""

import itertools

import torch
from transformers import DacConfig

from dia.training.codec.initialization import build_codec
from dia.training.codec.recipe import CodecRecipe
from dia.training.codec.trainer import CodecTrainer

TINY = DacConfig(
    sampling_rate=16_000,
    encoder_hidden_size=4,
    decoder_hidden_size=16,
    downsampling_ratios=[4, 10],
    n_codebooks=2,
    codebook_size=16,
    codebook_dim=4,
)
HOP = 40


def tones(count, samples=1600, seed=0):
    """Sines of random pitch and level with a little noise, [count, samples]."""
    generator = torch.Generator().manual_seed(seed)
    pitch = 0.02 + 0.3 * torch.rand(count, 1, generator=generator)
    level = 0.1 + 0.4 * torch.rand(count, 1, generator=generator)
    noise = 0.01 * torch.randn(count, samples, generator=generator)
    return level * torch.sin(pitch * torch.arange(samples)) + noise


def batches(first=0):
    return (tones(4, seed=seed) for seed in itertools.count(first))


def recipe(stage, steps, **options):
    return CodecRecipe(stage, steps, **{"compiled": False, "log_every": 1, **options})


def trainer(folder, **options):
    return CodecTrainer(build_codec(TINY), batches, folder, **options)
