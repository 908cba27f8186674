"""CPU cores, threads and memory. Independent of speech."""
