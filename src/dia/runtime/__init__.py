"""Helpers independent of speech: atomic files, background threads, memory, progress."""
