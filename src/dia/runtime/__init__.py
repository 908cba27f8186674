"""Helpers that know nothing of speech: atomic files, background threads, memory, progress."""
