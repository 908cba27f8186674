"""Scripts: turns, tags, normalization, chunking, pronunciations, prompt format."""
