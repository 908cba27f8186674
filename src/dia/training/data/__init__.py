"""Recordings and transcripts on their way to batches: read, check, encode, compose, collate."""
