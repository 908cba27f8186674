"""C sources and their compilation."""
