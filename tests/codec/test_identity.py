"""The checksum of weights. It is stored in caches and states on disk, so it must never change."""

import torch

from dia.codec.identity import checksum

WEIGHTS = [torch.tensor([[1.0, -0.5]]), torch.tensor([2.0])]


def test_a_checksum_equals_that_in_older_files():
    assert checksum(WEIGHTS) == "88131e38"


def test_a_checksum_depends_on_values_and_order_only():
    assert checksum(weight.half().requires_grad_() for weight in WEIGHTS) == checksum(WEIGHTS)
    assert checksum(WEIGHTS[::-1]) != checksum(WEIGHTS)
    assert checksum([WEIGHTS[0], WEIGHTS[1] + 1]) != checksum(WEIGHTS)
