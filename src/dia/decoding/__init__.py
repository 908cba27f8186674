"""Decoding: the grid, guidance, sampling and the fast decoder step."""
