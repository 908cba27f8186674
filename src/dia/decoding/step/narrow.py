"""The layers of a narrow model as one kernel call for each row: whether a step can use it, and the model's weights for
it.

Knows models and layers; `dia.kernels.network` knows the computation.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from transformers.activations import ACT2FN

from dia.decoding.step.layer import MODELING_MODULE, FastLayer, is_plain
from dia.kernels.network import Buffers, LayerWeights, Network, Shape, Weights, load, supports
from dia.runtime.forks import Lock
from dia.runtime.resources.fingerprint import fingerprint, modules_of, weights_of

_packed: WeakKeyDictionary[Any, tuple[Any, Weights]] = WeakKeyDictionary()  # of each model, with their versions
_lock = Lock()


def network_of(model: Any, layers: Sequence[FastLayer]) -> Network | None:
    """A network on the buffers of `layers`, or None if the kernel does not compute the model's decoder.

    It computes narrow decoders in float32 on a CPU that consist of plain projections, norms of this package, and SiLU.
    """
    decoder = model.model.decoder
    if model.device.type != "cpu" or model.dtype != torch.float32 or not _is_plain(model):
        return None
    shape = _shape(decoder)
    if not supports(shape, decoder.config.hidden_size) or (library := load()) is None:
        return None
    buffers = [Buffers(layer.keys, layer.values, layer.unconditional) for layer in layers]
    return Network(_weights(model, shape, library), buffers)


def _is_plain(model: Any) -> bool:
    decoder = model.model.decoder
    norms, linears = [decoder.norm], [model.logits_dense]
    for layer in decoder.layers:
        own, cross, mlp = layer.self_attention, layer.cross_attention, layer.mlp
        norms += [layer.pre_sa_norm, layer.pre_ca_norm, layer.pre_mlp_norm]
        linears += [own.q_proj, own.k_proj, own.v_proj, own.o_proj, cross.q_proj, cross.o_proj]
        linears += [mlp.gate_up_proj, mlp.down_proj]
    return (
        all(type(layer.mlp.activation) is type(ACT2FN["silu"]) for layer in decoder.layers)
        and len({norm.eps for norm in norms}) == 1
        and len({_sizes(layer) for layer in decoder.layers}) == 1
        and all(type(norm).forward.__module__ == MODELING_MODULE for norm in norms)
        and all(map(is_plain, linears))
        and all(weight.dtype == torch.float32 for module in (*norms, *linears) for weight in module.parameters())
    )


def _sizes(layer: Any) -> Any:
    """What the kernel reads once for all layers."""
    weights = tuple((name, weight.shape) for name, weight in layer.named_parameters())
    return weights, layer.self_attention.scaling, layer.cross_attention.scaling


def _shape(decoder: Any) -> Shape:
    first, config = decoder.layers[0], decoder.config
    own, cross = first.self_attention, first.cross_attention
    groups, text_groups = config.num_key_value_heads, config.cross_num_key_value_heads
    return Shape(
        heads=(groups * own.num_key_value_groups, groups, own.head_dim),
        text_heads=(text_groups * cross.num_key_value_groups, text_groups, cross.head_dim),
        inner=first.mlp.down_proj.weight.shape[1],
        scale=own.scaling,
        text_scale=cross.scaling,
        eps=decoder.norm.eps,
    )


def _weights(model: Any, shape: Shape, library: Any) -> Weights:
    """The packed weights of a model, kept until one of them changes."""
    decoder = model.model.decoder
    with _lock:
        kept = _packed.get(model)
        versions = fingerprint(weights_of(modules_of(decoder, model.logits_dense)), kept and kept[0])
        if kept is None or kept[0] != versions:
            layers = list(map(_layer_weights, decoder.layers))
            kept = versions, Weights(layers, decoder.norm.weight, model.logits_dense.weight, shape, library)
            _packed[model] = kept
        return kept[1]


@torch.no_grad()
def _layer_weights(layer: Any) -> LayerWeights:
    own, cross, mlp = layer.self_attention, layer.cross_attention, layer.mlp
    return LayerWeights(
        layer.pre_sa_norm.weight,
        torch.cat([own.q_proj.weight, own.k_proj.weight, own.v_proj.weight]),
        own.o_proj.weight,
        layer.pre_ca_norm.weight,
        cross.q_proj.weight,
        cross.o_proj.weight,
        layer.pre_mlp_norm.weight,
        mlp.gate_up_proj.weight,
        mlp.down_proj.weight,
    )


__all__ = ["network_of"]
