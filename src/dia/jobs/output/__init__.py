"""Where a job keeps the files of its rows: each on its own, or together in shards."""
