"""A language model that trains in seconds on clips of four words."""

import random

import torch

from dia.configuration_dia import DiaConfig
from dia.training.data.dialogues import Clip
from dia.training.mini.pretraining.initialization import first_model, mini_config
from dia.training.mini.pretraining.trainer import Recipe, Trainer


def clip(text, speaker="S1", frames=3, channels=3, seed=0):
    codes = torch.randint(0, 8, (frames, channels), generator=torch.Generator().manual_seed(seed)).short()
    return Clip([codes], f"[{speaker}] {text}", speaker, [2 + torch.linspace(0, len(text), frames)])


def tiny_config():
    config = mini_config(8, 3).to_dict()
    small = {"num_hidden_layers": 2, "hidden_size": 16, "intermediate_size": 16, "head_dim": 4}
    cross = {"cross_head_dim": 4, "cross_hidden_size": 16}
    return DiaConfig(
        encoder_config={**config["encoder_config"], **small},
        decoder_config={**config["decoder_config"], **small, **cross},
        delay_pattern=[0, 1, 2],
    )


def tiny_trainer(folder, **changes):
    rng = random.Random(0)
    words = ["red", "blue", "dog", "cat"]
    clips = [clip(" ".join(rng.choices(words, k=2)), rng.choice(["S1", "S2"]), 4, seed=i) for i in range(8)]
    recipe = Recipe(**{"minutes": 1, "rows": 40, "alignment_layers": (0, 1), **changes})
    return Trainer(clips, clips, first_model(tiny_config(), None, recipe.seed), recipe, folder)
