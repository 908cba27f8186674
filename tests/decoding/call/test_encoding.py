"""The state of the unconditional text is computed once for each state of the encoder's weights."""

import pytest
import torch
from tiny import tiny_model
from torch import nn

from dia.decoding.call import encoding

TEXT = torch.tensor([[3, 4, 5, 6]])


@pytest.fixture
def model():
    return tiny_model()


@pytest.fixture
def encoded(model, monkeypatch):
    """How often the unconditional text was encoded."""
    count = []
    encode_zero = encoding._encode_zero
    monkeypatch.setattr(encoding, "_encode_zero", lambda *arguments: count.append(None) or encode_zero(*arguments))
    return count


def generated(model):
    return model.generate(TEXT, guidance_scale=2.0, max_new_tokens=8, do_sample=False)


def test_it_is_encoded_once(model, encoded):
    assert torch.equal(generated(model), generated(model))
    assert len(encoded) == 1


@pytest.mark.parametrize("how", ["in place", "through data", "replaced"])
def test_changed_weights_are_noticed(model, encoded, how):
    generated(model)
    weight = model.model.encoder.layers[0].mlp.down_proj.weight
    with torch.no_grad():
        if how == "in place":
            weight.mul_(3.0)
        elif how == "through data":
            weight.data *= 3.0
        else:
            model.model.encoder.layers[0].mlp.down_proj.weight = nn.Parameter(3.0 * weight)
    changed = generated(model)
    assert len(encoded) == 2
    fresh = tiny_model()
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(changed, generated(fresh))


def test_modules_of_other_packages_are_asked_every_time(model, encoded):
    class Adapter(nn.Linear):
        pass

    layer = model.model.encoder.layers[0].mlp
    own = layer.down_proj
    layer.down_proj = Adapter(own.in_features, own.out_features, bias=False)
    layer.down_proj.weight = own.weight
    generated(model)
    generated(model)
    assert len(encoded) == 2
