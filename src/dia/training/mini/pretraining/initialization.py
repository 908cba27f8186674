"""Config, initial weights and optimizer of the embedded language model."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from dia.configuration_dia import DiaConfig, DiaEncoderConfig
from dia.modeling_dia import DiaForConditionalGeneration
from dia.tokenization_dia import BYTES
from dia.training.muon import Muon

QUERY_RATE, ADAM_RATE = 0.25, 0.6  # of the learning rate


def mini_config(codebook_size: int, channels: int, phones: int = 0) -> DiaConfig:
    """The embedded model's config, for a codec with `channels` codebooks and a text vocabulary of bytes and `phones`.

    The ids of EOS, PAD and BOS follow those of the codes.
    """
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 4}
    encoder = {
        "max_position_embeddings": 512,
        "vocab_size": BYTES + phones,
        "num_hidden_layers": 4,
        "hidden_size": 256,
        "intermediate_size": 640,
        "head_dim": 64,
        **heads,
    }
    decoder = {
        "max_position_embeddings": 2048,
        "num_hidden_layers": 5,
        "hidden_size": 256,
        "intermediate_size": 768,
        "head_dim": 64,
        "cross_num_attention_heads": 4,
        "cross_num_key_value_heads": 4,
        "cross_head_dim": 64,
        "cross_hidden_size": 256,
        "num_channels": channels,
        "vocab_size": codebook_size + 3,
        "eos_token_id": codebook_size,
        "pad_token_id": codebook_size + 1,
        "bos_token_id": codebook_size + 2,
        **heads,
    }
    return DiaConfig(encoder_config=encoder, decoder_config=decoder, delay_pattern=list(range(channels)))


@torch.no_grad()
def initialize(model: DiaForConditionalGeneration) -> None:
    """Set random weights for training from scratch.

    The standard deviation is 1/sqrt(width). Query weights contain the factor 1/sqrt(head width), which Dia's attention
    lacks. Projections into the residual stream are scaled down with the depth.
    """
    for part in (model.model.encoder, model.model.decoder):
        depth = len(part.layers)
        for name, module in part.named_modules():
            if isinstance(module, nn.Linear):
                scale = module.in_features**-0.5
                if name.endswith("q_proj"):
                    scale *= (module.out_features // part.config.num_attention_heads) ** -0.5
                if name.endswith(("o_proj", "down_proj")):
                    scale *= (2 * depth) ** -0.5
                module.weight.normal_(0.0, scale)
            elif isinstance(module, nn.Embedding):
                module.weight.normal_(0.0, 0.5)
    model.logits_dense.weight.normal_(0.0, 0.02)


@torch.no_grad()
def add_text_ids(model: DiaForConditionalGeneration, size: int) -> bool:
    """Give the text embedding `size` rows. New ones are random, with the standard deviation of those that exist.

    Returns:
        Whether there are new ones.
    """
    table = model.model.encoder.embedding
    added = size - table.num_embeddings
    if added > 0:
        rows = float(table.weight.std()) * torch.randn(added, table.embedding_dim)
        table.weight = nn.Parameter(torch.cat([table.weight, rows.to(table.weight)]))
        table.num_embeddings = model.config.encoder_config.vocab_size = size
    return added > 0


@torch.no_grad()
def order_marks(table: nn.Embedding, dimensions: int, levels: int) -> None:
    """Set the last text ids, the marks of a speaker encoder, to points on lines, one line for each dimension.

    Levels that are near have embeddings that are near, so the model need not learn each of them alone. The standard
    deviation is that of the table.
    """
    middle, slope = torch.randn(2, dimensions, 1, table.embedding_dim)
    rows = (middle + torch.linspace(-1, 1, levels)[:, None] * slope).flatten(0, 1)
    table.weight[-len(rows) :] = float(table.weight[: -len(rows)].std()) * rows / rows.std()


def first_model(
    config: DiaConfig, start: Path | None, seed: int, marks: tuple[int, int] | None = None
) -> DiaForConditionalGeneration:
    """A model with random weights, or with those in the folder `start`, which may lack the last text ids.

    Args:
        config: of the model.
        start: folder of the weights, or None.
        seed: of random weights.
        marks: dimensions and levels of the speaker encoder whose marks are the last text ids; None for none.

    Raises:
        ValueError: `start` has another shape.
    """
    torch.manual_seed(seed)
    if start is None:
        model = DiaForConditionalGeneration(config)
        initialize(model)
        if marks is not None:
            order_marks(model.model.encoder.embedding, *marks)
        return model
    model = DiaForConditionalGeneration.from_pretrained(start, dtype=torch.float32)
    encoder = config.encoder_config
    assert isinstance(encoder, DiaEncoderConfig)
    if add_text_ids(model, encoder.vocab_size) and marks is not None:
        order_marks(model.model.encoder.embedding, *marks)
    with torch.device("meta"):
        wanted = DiaForConditionalGeneration(config).state_dict()
    found = {name: weight.shape for name, weight in model.state_dict().items()}
    for name, weight in wanted.items():
        if found.get(name) != weight.shape:
            raise ValueError(f"start={str(start)!r} has another shape than these codes need, for example in {name}.")
    return model


def optimizer_for(model: nn.Module, learning_rate: float) -> Muon:
    """Muon for the matrices of the layers, AdamW for embeddings, the output layer and vectors, at a lower rate.

    Query weights, which are small by construction, get a quarter of the rate, vectors no weight decay.
    """
    queries: list[nn.Parameter] = []
    matrices: list[nn.Parameter] = []
    tables: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            vectors.append(parameter)
        elif "layers." in name:
            (queries if "q_proj" in name else matrices).append(parameter)
        else:
            tables.append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": queries, "lr": QUERY_RATE * learning_rate, "weight_decay": 0.05},
        {"params": matrices, "weight_decay": 0.05},
        {"params": tables, "lr": ADAM_RATE * learning_rate, "weight_decay": 0.05, "momentum": 0.0},
        {"params": vectors, "lr": ADAM_RATE * learning_rate, "weight_decay": 0.0, "momentum": 0.0},
    ]
    return Muon(groups, learning_rate)


__all__ = ["add_text_ids", "first_model", "initialize", "mini_config", "optimizer_for", "order_marks"]
