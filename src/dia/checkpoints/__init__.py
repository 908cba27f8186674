"""Checkpoints on disk: native and Hugging Face layouts, conversion, loading, placement."""
