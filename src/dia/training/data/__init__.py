"""From recordings and transcripts to batches: read, check, encode, compose, collate."""
