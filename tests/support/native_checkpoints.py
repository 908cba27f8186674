"""Tiny checkpoints in the Nari Labs layout, made by hand from a Dia's weights. Uses nothing of the code under test."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from dia import DiaConfig, DiaForConditionalGeneration

# Every width differs from every other, so that no two axes can be taken for each other.
ENCODER = {"n_layer": 2, "n_embd": 24, "n_hidden": 40, "n_head": 3, "head_dim": 10}
DECODER = {
    "n_layer": 3,
    "n_embd": 32,
    "n_hidden": 56,
    "gqa_query_heads": 4,
    "kv_heads": 2,
    "gqa_head_dim": 6,
    "cross_query_heads": 5,
    "cross_head_dim": 14,
}
DATA = {
    "text_length": 128,
    "audio_length": 256,
    "channels": 3,
    "text_pad_value": 0,
    "audio_eos_value": 16,
    "audio_pad_value": 17,
    "audio_bos_value": 18,
    "delay_pattern": [0, 2, 3],
}


def first_generation() -> dict[str, Any]:
    """config.json as it came with Dia-1.6B, scaled down."""
    model = {
        "encoder": {**ENCODER, "mlp_activations": ["silu", "linear"], "use_pre_norm": False},
        "decoder": {**DECODER, "mlp_activations": ["silu", "linear"], "use_pre_norm": False},
        "src_vocab_size": 256,
        "tgt_vocab_size": 20,
        "dropout": 0.0,
        "normalization_layer_epsilon": 2e-5,
        "rope_max_timescale": 5000,
    }
    return {"version": "0.1", "model": model, "training": {"dtype": "bfloat16"}, "data": dict(DATA)}


def second_generation() -> dict[str, Any]:
    """The same numbers as in config.json of Dia-1.6B-0626: token ids stand at the top."""
    shared = {"norm_eps": 2e-5, "rope_theta": 5000.0, "rope_scaling": None, "hidden_act": "silu"}
    encoder = {
        "model_type": "dia_encoder",
        "num_hidden_layers": 2,
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_attention_heads": 3,
        "num_key_value_heads": 3,
        "head_dim": 10,
        "max_position_embeddings": 128,
        "vocab_size": 256,
    }
    decoder = {
        "model_type": "dia_decoder",
        "num_hidden_layers": 3,
        "hidden_size": 32,
        "intermediate_size": 56,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 6,
        "cross_num_attention_heads": 5,
        "cross_num_key_value_heads": 5,
        "cross_head_dim": 14,
        "cross_hidden_size": 24,
        "max_position_embeddings": 256,
        "vocab_size": 20,
        "num_channels": 3,
    }
    return {
        "model_type": "dia",
        "architectures": ["DiaForConditionalGeneration"],
        "is_encoder_decoder": True,
        "torch_dtype": "float32",
        "transformers_version": "4.53.0.dev0",
        "bos_token_id": 18,
        "eos_token_id": 16,
        "pad_token_id": 17,
        "delay_pattern": [0, 2, 3],
        "norm_eps": 2e-5,
        "encoder_config": {**encoder, **shared},
        "decoder_config": {**decoder, **shared},
    }


def tiny_model(config: DiaConfig, seed: int = 0) -> DiaForConditionalGeneration:
    """A Dia whose every weight is random, the norms' too, so that nothing mapped wrongly can stay unseen."""
    torch.manual_seed(seed)
    model = DiaForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(1 + 0.1 * torch.randn_like(weight) if "norm" in name else 0.3 * torch.randn_like(weight))
    return model


def to_native(weights: dict[str, Tensor], config: DiaConfig) -> dict[str, Tensor]:
    """The inverse of the conversion."""
    native: dict[str, Tensor] = {}
    for name, weight in weights.items():
        stem, part = name.removeprefix("model."), name.split(".")[-2]
        if part == "embed":
            for channel, table in enumerate(weight.chunk(config.decoder_config.num_channels)):
                native[f"decoder.embeddings.{channel}.weight"] = table.clone()
        elif part == "logits_dense":
            shape = (config.decoder_config.num_channels, config.decoder_config.vocab_size)
            native["decoder.logits_dense.weight"] = weight.T.unflatten(1, shape).contiguous()
        elif part == "gate_up_proj":
            native[stem.replace(part, "wi_fused")] = weight.T.unflatten(1, (2, -1)).contiguous()
        elif part == "down_proj":
            native[stem.replace(part, "wo")] = weight.T.contiguous()
        elif part == "o_proj":
            native[stem] = weight.T.unflatten(0, (-1, _head_dim(stem, config))).contiguous()
        elif part in ("q_proj", "k_proj", "v_proj"):
            native[stem] = weight.T.unflatten(1, (-1, _head_dim(stem, config))).contiguous()
        else:
            native[stem] = weight.clone()
    return native


def write(folder: Path, config: dict[str, Any], native: dict[str, Tensor], form: str = "safetensors") -> Path:
    """Write a native checkpoint folder; `form` is safetensors, sharded, pth or bin."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if form == "safetensors":
        save_file(native, folder / "model.safetensors")
    elif form == "sharded":
        _write_shards(folder, native)
    else:
        torch.save(native, folder / {"pth": "dia-v0_1.pth", "bin": "pytorch_model.bin"}[form])
    return folder


def _write_shards(folder: Path, native: dict[str, Tensor]) -> None:
    names = sorted(native)
    shards = {f"model-0000{part + 1}-of-00002.safetensors": names[part::2] for part in range(2)}
    for file, held in shards.items():
        save_file({name: native[name] for name in held}, folder / file)
    weight_map = {name: file for file, held in shards.items() for name in held}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def _head_dim(name: str, config: DiaConfig) -> int:
    if name.startswith("encoder"):
        return config.encoder_config.head_dim
    return config.decoder_config.cross_head_dim if "cross" in name else config.decoder_config.head_dim
