"""A tiny codec in Descript's own layout, made by hand from a DacModel. Uses nothing of the code under test."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DacConfig, DacModel

ARGUMENTS: dict[str, Any] = {
    "encoder_dim": 6,
    "encoder_rates": [2, 5, 4],
    "latent_dim": None,
    "decoder_dim": 40,
    "decoder_rates": [4, 5, 2],
    "n_codebooks": 3,
    "codebook_size": 16,
    "codebook_dim": 4,
    "quantizer_dropout": 0.5,
    "sample_rate": 8000,
}


def tiny_codec(seed: int = 0) -> DacModel:
    """A codec whose every weight is random, the activations' slopes too, scaled so that signals keep their size."""
    torch.manual_seed(seed)
    config = DacConfig(
        encoder_hidden_size=6,
        downsampling_ratios=[2, 5, 4],
        decoder_hidden_size=40,
        n_codebooks=3,
        codebook_size=16,
        codebook_dim=4,
        quantizer_dropout=0.5,
        sampling_rate=8000,
    )
    model = DacModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            fan_in = weight[0].numel() if weight.ndim > 1 else 100
            weight.copy_(
                0.5 + torch.rand_like(weight) if "alpha" in name else 0.8 * torch.randn_like(weight) / fan_in**0.5
            )
    return model


def to_native(model: DacModel, normalized: tuple[str, str] = ("weight_g", "weight_v")) -> dict[str, Tensor]:
    """Names and weight normalization of the native package; a direction has no length of its own, so any will do."""
    native: dict[str, Tensor] = {}
    blocks = len(model.config.downsampling_ratios)
    for name, weight in model.state_dict().items():
        module, parameter = _native_name(name, blocks).rsplit(".", 1)
        if parameter != "weight" or "codebook" in module:
            native[f"{module}.{parameter}"] = weight.clone()
            continue
        native[f"{module}.{normalized[0]}"] = weight.flatten(1).norm(dim=1)[:, None, None]
        native[f"{module}.{normalized[1]}"] = 3 * weight
    return native


def write(path: Path, native: dict[str, Tensor], arguments: dict[str, Any] | None = None) -> Path:
    torch.save({"state_dict": native, "metadata": {"kwargs": ARGUMENTS if arguments is None else arguments}}, path)
    return path


def _native_name(name: str, blocks: int) -> str:
    inside = {"snake1": 0, "conv1": 1, "snake2": 2, "conv2": 3}
    if unit := re.match(r"(encoder|decoder)\.block\.(\d+)\.res_unit(\d)\.(\w+)\.(\w+)", name):
        part, block, index, layer, parameter = unit.groups()
        stack, first = ("encoder.block", -1) if part == "encoder" else ("decoder.model", 1)
        return f"{stack}.{int(block) + 1}.block.{int(index) + first}.block.{inside[layer]}.{parameter}"
    if layer := re.match(r"(encoder|decoder)\.block\.(\d+)\.(\w+)\.(\w+)", name):
        part, block, kind, parameter = layer.groups()
        stack, order = (
            ("encoder.block", {"snake1": 3, "conv1": 4})
            if part == "encoder"
            else ("decoder.model", {"snake1": 0, "conv_t1": 1})
        )
        return f"{stack}.{int(block) + 1}.block.{order[kind]}.{parameter}"
    if outer := re.match(r"(encoder|decoder)\.(conv1|snake1|conv2)\.(\w+)", name):
        part, kind, parameter = outer.groups()
        index = {"conv1": 0, "snake1": blocks + 1, "conv2": blocks + 2}[kind]
        return f"{'encoder.block' if part == 'encoder' else 'decoder.model'}.{index}.{parameter}"
    return name
