"""Muon: orthogonal steps for matrices, AdamW's for the rest."""

import copy

import torch
from torch import nn

from dia.training.muon import Muon, orthogonalized


def test_singular_values_come_near_one_and_directions_stay():
    torch.manual_seed(0)
    for shape in ((12, 40), (40, 12)):
        matrix = torch.randn(shape) * torch.logspace(-1, 1, shape[1])
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        along = (left.T @ orthogonalized(matrix) @ right.T).diagonal()
        assert along.min() > 0.3
        assert along.max() < 1.3


def test_a_matrix_moves_as_far_as_adam_would_move_it():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(16, 8, 3))
    weight.grad = torch.randn(16, 8, 3)
    Muon([weight], lr=0.1).step()
    assert 0.5 * 0.02 < weight.detach().square().mean().sqrt() < 1.5 * 0.02


def test_vectors_and_narrow_matrices_follow_adamw():
    torch.manual_seed(0)
    ours = nn.ParameterList([torch.randn(16, 8), torch.randn(8), torch.randn(2, 64)])
    theirs = copy.deepcopy(ours)
    options = {"lr": 0.1, "betas": (0.9, 0.98), "weight_decay": 0.1}
    optimizers = Muon(ours.parameters(), **options), torch.optim.AdamW(theirs.parameters(), **options)
    for parameters, optimizer in zip((ours, theirs), optimizers, strict=True):
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    assert torch.equal(ours[1], theirs[1])
    assert torch.equal(ours[2], theirs[2])
    assert not torch.equal(ours[0], theirs[0])


def test_groups_keep_their_options_and_without_momentum_follow_adamw():
    torch.manual_seed(0)
    ours = nn.ParameterList([torch.randn(16, 8), torch.randn(16, 8), torch.randn(8)])
    theirs = copy.deepcopy(ours)
    options = {"betas": (0.9, 0.98), "weight_decay": 0.0}
    groups = [{"params": [ours[0]], "momentum": 0.0, "lr": 0.3}, {"params": [ours[1], ours[2]]}]
    optimizer = Muon(groups, 0.1, **options)
    adam = torch.optim.AdamW([{"params": [theirs[0]], "lr": 0.3}, {"params": [theirs[1], theirs[2]]}], 0.1, **options)
    for parameters in (ours, theirs):
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step(), adam.step()
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[2], theirs[2])
    assert not torch.equal(ours[1], theirs[1])


def test_bfloat16_products_give_the_same_step_within_their_rounding(monkeypatch):
    torch.manual_seed(0)
    matrix = torch.randn(64, 96)
    found = []
    for half in (False, True):
        monkeypatch.setattr("dia.training.muon.multiplies_bfloat16", lambda device, half=half: half)
        found.append(orthogonalized(matrix))
    assert found[1].dtype == torch.float32
    assert 0 < (found[0] - found[1]).norm() / found[0].norm() < 0.05


def test_a_state_saved_goes_on_as_if_never_stopped():
    def run(parameter, optimizer, seeds):
        for seed in seeds:
            parameter.grad = torch.randn(16, 8, generator=torch.Generator().manual_seed(seed))
            optimizer.step()

    whole, parted = nn.Parameter(torch.ones(16, 8)), nn.Parameter(torch.ones(16, 8))
    run(whole, Muon([whole], lr=0.1), range(4))
    first = Muon([parted], lr=0.1)
    run(parted, first, range(2))
    second = Muon([parted], lr=0.1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(parted, second, range(2, 4))
    assert torch.equal(whole, parted)
