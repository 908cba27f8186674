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
