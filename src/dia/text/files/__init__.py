"""Scripts in files: which file is meant, its encoding and its format."""
