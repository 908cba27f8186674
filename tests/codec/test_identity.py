"""The checksum of weights: caches and states on disk hold it, so it must never come out otherwise."""

import torch

from dia.codec.identity import checksum

WEIGHTS = [torch.tensor([[1.0, -0.5]]), torch.tensor([2.0])]


def test_a_checksum_is_the_one_that_older_files_hold():
    assert checksum(WEIGHTS) == "88131e38"


def test_precision_and_gradients_do_not_matter_but_values_and_order_do():
    assert checksum(weight.half().requires_grad_() for weight in WEIGHTS) == checksum(WEIGHTS)
    assert checksum(WEIGHTS[::-1]) != checksum(WEIGHTS)
    assert checksum([WEIGHTS[0], WEIGHTS[1] + 1]) != checksum(WEIGHTS)
