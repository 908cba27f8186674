"""Rows in whole blocks."""

import pytest
import torch

from dia.kernels.blocks import blocked, padded, whole_blocks


@pytest.mark.parametrize(("count", "whole"), [(0, 0), (1, 4), (4, 4), (5, 8)])
def test_counts_are_rounded_up(count, whole):
    assert whole_blocks(count, 4) == whole
    assert blocked(count, torch.empty(0)) == whole


def test_only_products_in_float32_have_whole_blocks():
    assert blocked(5, torch.empty(0, dtype=torch.bfloat16)) == 5
    assert blocked(5, torch.empty(0, device="meta")) == 5


@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 3, 1)])
def test_rows_of_zeros_are_appended(shape):
    rows = torch.ones(shape)
    grown = padded(rows, 5)
    assert grown.shape == (5, *shape[1:])
    assert grown[:2].eq(1).all()
    assert grown[2:].eq(0).all()
    assert padded(rows, 2) is rows
