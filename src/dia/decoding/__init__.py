"""The decoder's grid, guidance, sampling and the fast decoder step."""
