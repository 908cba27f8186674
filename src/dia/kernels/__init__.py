"""C kernels and their compilation."""
