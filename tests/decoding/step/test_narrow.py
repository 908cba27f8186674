"""Which models one kernel computes, and that it notices changed weights."""

import pytest
import torch
from tiny import tiny_model
from torch import nn
from transformers.activations import GELUActivation

from dia.decoding.step import narrow, step
from dia.decoding.step.narrow import network_of
from dia.kernels.network import load

pytestmark = pytest.mark.skipif(load() is None, reason="no C compiler")
TEXT = torch.tensor([[3, 4, 5, 6]])


@pytest.fixture
def model():
    return tiny_model()


@pytest.fixture
def networks(monkeypatch):
    """The networks that steps were made with; None for layer by layer."""
    made = []

    def recorded(model, layers):
        made.append(network_of(model, layers))
        return made[-1]

    monkeypatch.setattr(step, "network_of", recorded)
    return made


def codes(model):
    return model.generate(TEXT, guidance_scale=2.0, max_new_tokens=12, do_sample=False)


def pruned(model):
    mlp = model.model.decoder.layers[-1].mlp
    gate, up = mlp.gate_up_proj.weight.chunk(2)
    half = len(gate) // 2
    mlp.gate_up_proj = nn.Linear(gate.shape[1], 2 * half, bias=False)
    mlp.gate_up_proj.weight.data = torch.cat([gate[:half], up[:half]]).detach()
    mlp.down_proj.weight.data = mlp.down_proj.weight.data[:, :half].contiguous()


def other_activation(model):
    model.model.decoder.layers[-1].mlp.activation = GELUActivation()


def other_scaling(model):
    model.model.decoder.layers[-1].self_attention.scaling = 0.5


def test_a_plain_narrow_model_is_computed_by_the_kernel(model, networks):
    codes(model)
    assert networks
    assert None not in networks


@pytest.mark.parametrize("change", [pruned, other_activation, other_scaling, nn.Module.bfloat16])
def test_other_models_are_computed_layer_by_layer(model, networks, change):
    change(model)
    codes(model)
    assert networks
    assert set(networks) == {None}


@pytest.mark.parametrize("how", ["in place", "through data"])
def test_changed_weights_are_packed_again(model, how):
    codes(model)
    weight = model.model.decoder.layers[0].mlp.down_proj.weight
    with torch.no_grad():
        (weight if how == "in place" else weight.data).mul_(3.0)
    fresh = tiny_model()
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(codes(model), codes(fresh))


def test_unchanged_weights_are_packed_once(model, monkeypatch):
    packed = []
    weights = narrow.Weights
    monkeypatch.setattr(narrow, "Weights", lambda *given: packed.append(None) or weights(*given))
    codes(model)
    codes(model)
    assert len(packed) == 1
