"""Whether weights changed: what belongs to a model, and which changes are noticed."""

import pytest
import torch
from torch import nn

from dia.runtime.resources.fingerprint import fingerprint, modules_of, weights_of


@pytest.fixture
def model():
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 2, bias=False)))
    model.register_module("none", None)
    model.register_parameter("also_none", None)
    return model


def test_all_modules_and_weights_are_found(model):
    assert modules_of(model) == list(model.modules())
    assert {id(weight) for weight in weights_of(modules_of(model))} == {id(weight) for weight in model.parameters()}
    assert modules_of() == []


def test_several_roots_are_joined(model):
    found = modules_of(model[0], model[1])
    assert found == [*model[0].modules(), *model[1].modules()]


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model[0].weight.data.add_(1),
        lambda model: model[1][0].bias.detach().fill_(3),
        lambda model: model[1].__setitem__(1, nn.Linear(4, 2, bias=False)),
        lambda model: setattr(model[0], "weight", nn.Parameter(torch.ones(4, 3))),
        lambda model: model.double(),
    ],
    ids=["data", "in place", "a module", "a parameter", "dtype"],
)
def test_a_change_is_noticed(model, change):
    before = fingerprint(weights_of(modules_of(model)))
    assert fingerprint(weights_of(modules_of(model)), before) == before
    change(model)
    assert fingerprint(weights_of(modules_of(model)), before) != before
