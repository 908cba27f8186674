"""The teachers: synthesizers whose speech is learned from."""
